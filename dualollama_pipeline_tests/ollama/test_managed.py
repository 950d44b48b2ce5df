"""Servers of our own, with a stand-in for the program `ollama`: started, known, stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path

import httpx
import pytest

from dualollama_pipeline.core.errors import ServerError
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.core.specs import Surroundings
from dualollama_pipeline.core.study import study_of
from dualollama_pipeline.machine.gpu import server_process
from dualollama_pipeline.ollama.managed import (
    ManagedServer,
    gpu_variables,
    managed_servers,
    server_environment,
)

# Serves /api/version after a delay, answers with its own environment, and has a child process.
STAND_IN = """#!{python}
import http.server, json, os, subprocess, sys, time
assert sys.argv[1:] == ["serve"], sys.argv
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print("listening soon", flush=True)
if os.environ.get("STAND_IN_FAILS"):
    sys.exit("no GPU today")
time.sleep(0.2)
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        names = {{k: v for k, v in os.environ.items() if k.isupper()}}
        pids = [os.getpid(), child.pid]
        body = json.dumps({{"version": "1", "pids": pids, "env": names}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *a): pass
host, port = os.environ["OLLAMA_HOST"].split(":")
http.server.HTTPServer((host, int(port)), Handler).serve_forever()
"""


@pytest.fixture
def outer(tmp_path: Path) -> dict[str, str]:
    """An environment whose PATH has the stand-in first."""
    program = tmp_path / "bin" / "ollama"
    program.parent.mkdir()
    program.write_text(STAND_IN.format(python=sys.executable))
    program.chmod(0o755)
    kept = {k: v for k, v in os.environ.items() if not k.startswith("OLLAMA_")}
    return {**kept, "PATH": f"{program.parent}{os.pathsep}{os.environ['PATH']}"}


def alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


def gone(pids: list[int], within_s: float = 5.0) -> bool:
    deadline = time.monotonic() + within_s
    while any(map(alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.01)
    return not any(map(alive, pids))


def settings(warehouse: Path, **variables: str) -> Settings:
    return Settings.from_environment(variables, servers="managed", warehouse=warehouse)


def started(
    asked: Settings, outer: dict[str, str], **changed: Surroundings
) -> AbstractContextManager[dict[str, ManagedServer]]:
    """The servers of the default study, as settings and a configuration want them."""
    return managed_servers(
        asked.surroundings(study_of(asked), changed), asked.warehouse / "logs", outer
    )


def ask(url: str) -> dict[str, object]:
    content: dict[str, object] = httpx.get(f"{url}/api/version", trust_env=False).json()
    return content


def test_two_servers_start_with_a_known_environment_and_stop_whole(
    tmp_path: Path, outer: dict[str, str]
) -> None:
    """A llama-server left behind would hold GPU memory in every later measurement."""
    outer |= {
        "OLLAMA_FLASH_ATTENTION": "1",
        "OLLAMA_MODELS": "/models",
        "OLLAMA_HOST": "example.org:1",
        "OLLAMA_API_KEY": "sk-secret",
        "GGML_VK_VISIBLE_DEVICES": "0,1",
        "CUDA_VISIBLE_DEVICES": "0,1",
    }
    asked = settings(
        tmp_path,
        DUALOLLAMA_GPU_A="0",
        DUALOLLAMA_GPU_B="1",
        DUALOLLAMA_ENV_B="OLLAMA_NUM_PARALLEL=2 OLLAMA_KV_CACHE_TYPE=q8_0",
    )
    with started(asked, outer) as servers:
        urls = {name: server.url for name, server in servers.items()}
        answers = {name: ask(url) for name, url in urls.items()}
    assert set(urls) == {"a", "b"}
    assert urls["a"] != urls["b"]
    for name, gpu in (("a", "0"), ("b", "1")):
        environment, told = answers[name]["env"], servers[name].environment
        assert isinstance(environment, dict)
        assert environment["OLLAMA_HOST"] == urls[name].removeprefix("http://")
        passed = {
            "OLLAMA_MODELS": "/models",
            "OLLAMA_FLASH_ATTENTION": "1",
            "OLLAMA_KEEP_ALIVE": "30m",
            "CUDA_VISIBLE_DEVICES": gpu,
            "GGML_VK_VISIBLE_DEVICES": gpu,
        }
        assert passed.items() <= environment.items()
        assert passed.items() <= told.items()
        assert environment["OLLAMA_API_KEY"] == "sk-secret"
        assert told["OLLAMA_API_KEY"] == "***"  # recorded by its name
    assert "OLLAMA_NUM_PARALLEL" not in answers["a"]["env"]  # type: ignore[operator]  # not forced
    own = {"OLLAMA_NUM_PARALLEL": "2", "OLLAMA_KV_CACHE_TYPE": "q8_0"}
    assert own.items() <= servers["b"].environment.items()
    pids = [pid for answer in answers.values() for pid in answer["pids"]]  # type: ignore[attr-defined]
    assert gone(pids)
    assert "listening soon" in (tmp_path / "logs" / "ollama-a.log").read_text()


def test_a_configuration_changes_a_servers_environment(
    tmp_path: Path, outer: dict[str, str]
) -> None:
    """The slots under test, whatever a variable says of all configurations; the GPU as it was."""
    asked = settings(tmp_path, DUALOLLAMA_GPU_A="0", DUALOLLAMA_ENV_A="OLLAMA_NUM_PARALLEL=1 X=y")
    changed = Surroundings(environment={"OLLAMA_NUM_PARALLEL": "4"})
    with started(asked, outer, a=changed) as servers:
        told = {name: server.environment for name, server in servers.items()}
        environment = ask(servers["a"].url)["env"]
    assert environment["X"] == "y"  # type: ignore[index]
    assert (told["a"]["OLLAMA_NUM_PARALLEL"], told["a"]["CUDA_VISIBLE_DEVICES"]) == ("4", "0")
    assert "OLLAMA_NUM_PARALLEL" not in told["b"]


def test_servers_do_not_outlive_a_killed_owner(tmp_path: Path, outer: dict[str, str]) -> None:
    """Kill -9 runs no `finally`: the guard sees its pipe close."""
    code = (
        "import json, pathlib, sys, time, httpx\n"
        "from dualollama_pipeline.ollama.managed import managed_servers\n"
        "from dualollama_pipeline.core.study import Surroundings\n"
        "names = {name: Surroundings() for name in 'ab'}\n"
        "with managed_servers(names, pathlib.Path(sys.argv[1])) as servers:\n"
        "    print(json.dumps([server.url for server in servers.values()]), flush=True)\n"
        "    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=outer, text=True) as owner:
        assert owner.stdout is not None
        urls = json.loads(owner.stdout.readline())
        pids = [pid for url in urls for pid in ask(url)["pids"]]  # type: ignore[attr-defined]
        assert all(map(alive, pids))
        owner.send_signal(signal.SIGKILL)
    assert gone(pids)


def test_a_server_that_ends_at_once_is_told_with_its_log(
    tmp_path: Path, outer: dict[str, str]
) -> None:
    """`did not start` without the log sends a user searching."""
    with (
        pytest.raises(ServerError, match="no GPU today"),
        started(settings(tmp_path), {**outer, "STAND_IN_FAILS": "1"}),
    ):
        pass


def test_without_the_program_the_way_out_is_told(tmp_path: Path) -> None:
    """Not everybody has Ollama on PATH."""
    with (
        pytest.raises(ServerError, match="not on PATH") as caught,
        started(settings(tmp_path), {"PATH": str(tmp_path)}),
    ):
        pass
    assert "external" in caught.value.way_out


def test_ports_are_loopback() -> None:
    """An open server on a laptop in a café is everybody's server, whatever a user exports."""
    for own in ({}, {"OLLAMA_HOST": "example.org:1"}):
        assert server_environment(own, own, 1234)["OLLAMA_HOST"] == "127.0.0.1:1234"


@pytest.mark.parametrize(
    ("gpu", "vendors", "expected"),
    [
        (None, [], set()),
        ("1", ["nvidia"], {"CUDA", "ROCR", "HIP", "GGML_VK"}),
        ("1", [], {"CUDA", "ROCR", "HIP", "GGML_VK"}),
        ("1", ["amd"], {"ROCR", "GGML_VK"}),
        ("1", ["amd", "nvidia"], {"ROCR", "CUDA", "GGML_VK"}),
        ("GPU-8932f937", ["nvidia"], {"CUDA", "ROCR", "HIP"}),
    ],
)
def test_a_gpu_is_chosen_by_one_layer_only(
    gpu: str | None, vendors: list[str], expected: set[str]
) -> None:
    """On AMD, HIP counts within what ROCR leaves: 1 in both shows a server no GPU at all."""
    made = gpu_variables(gpu, frozenset(vendors))
    assert made == {f"{name}_VISIBLE_DEVICES": gpu for name in expected}


def test_two_servers_are_proved_distinct_by_their_processes(
    tmp_path: Path, outer: dict[str, str]
) -> None:
    """The API has no server id: without the process table, two names of one server pass for two."""
    with started(settings(tmp_path), outer) as servers:
        urls = {name: server.url for name, server in servers.items()}
        processes = [server_process(url) for url in urls.values()]
        assert [process.name() for process in processes if process] == ["ollama", "ollama"]
        expected = [ask(url)["pids"][0] for url in urls.values()]  # type: ignore[index]
        assert [process.pid for process in processes if process] == expected
