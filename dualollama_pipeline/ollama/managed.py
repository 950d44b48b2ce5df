"""Two `ollama serve` of our own: the user's environment passed on, stopped to the last process.

What servers read from their environment (OLLAMA.md A4) is the user's choice; what of it was set is
known here, once, and goes into the plan.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx

from dualollama_pipeline.core.credentials import STARS
from dualollama_pipeline.core.errors import ServerError
from dualollama_pipeline.core.settings import CONFIDENTIAL
from dualollama_pipeline.machine.gpu import gpu_vendors

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from dualollama_pipeline.core.specs import Surroundings

READY_DEADLINE_S = 60.0  # a server listens before it has found its GPUs, and answers only then
POLL_S = 0.05
LOG_TAIL_CHARS = 600

USUAL = {"OLLAMA_KEEP_ALIVE": "30m"}  # where the user says nothing else
FORCED = {"OLLAMA_NOPRUNE": "1"}  # two servers may share one folder of models
TELLING = ("OLLAMA_", "CUDA_", "ROCR_", "HIP_", "HSA_", "GGML_", "LLAMA_ARG_")


def gpu_variables(gpu: str | None, vendors: frozenset[str]) -> dict[str, str]:
    """Return the variables that show a server these GPUs and no other.

    On an AMD machine only one layer may filter: HIP counts within what ROCR leaves, and takes
    CUDA_VISIBLE_DEVICES for its own. Vulkan knows numbers only.
    """
    if gpu is None:
        return {}
    amd = "HIP_VISIBLE_DEVICES" if sys.platform == "win32" else "ROCR_VISIBLE_DEVICES"
    names = ["CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES"]
    if "amd" in vendors:
        names = [amd] if "nvidia" not in vendors else [amd, "CUDA_VISIBLE_DEVICES"]
    if gpu.replace(",", "").isdigit():
        names.append("GGML_VK_VISIBLE_DEVICES")
    return dict.fromkeys(names, gpu)


def server_environment(
    outer: Mapping[str, str], own: Mapping[str, str], port: int
) -> dict[str, str]:
    """Return what a server gets: the outer environment, then what is its own, then its address."""
    return {**USUAL, **outer, **FORCED, **own, "OLLAMA_HOST": f"127.0.0.1:{port}"}


def told(environment: Mapping[str, str]) -> dict[str, str]:
    """Return of an environment what decides how a server works; a secret by its name only."""
    return {
        name: STARS if CONFIDENTIAL.search(name) else value
        for name, value in sorted(environment.items())
        if name.startswith(TELLING) and name != "OLLAMA_HOST"  # a new port each time
    }


def own_variables(surroundings: Mapping[str, Surroundings]) -> dict[str, dict[str, str]]:
    """Return by server the variables that are its own: its GPUs, then its environment."""
    vendors = gpu_vendors()
    return {
        name: {**gpu_variables(each.gpu, vendors), **each.environment}
        for name, each in surroundings.items()
    }


def environments_of(
    surroundings: Mapping[str, Surroundings], outer: Mapping[str, str] | None = None
) -> dict[str, dict[str, str]]:
    """Return by server what would decide how it works, were it started now."""
    outer = os.environ if outer is None else outer
    return {
        name: told(server_environment(outer, own, 0))
        for name, own in own_variables(surroundings).items()
    }


@dataclass(frozen=True)
class ManagedServer:
    """A server that runs, and what of its environment may be shown."""

    url: str
    environment: dict[str, str]
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def managed_servers(
    surroundings: Mapping[str, Surroundings], logs: Path, outer: Mapping[str, str] | None = None
) -> Iterator[dict[str, ManagedServer]]:
    """Start a server of each name, yield them when all answer, stop exactly these.

    Their output goes to ollama-<server>.log in `logs`.

    Raises:
        ServerError: there is no `ollama` on PATH, or one does not answer within 60 s; with the end
            of its log.
    """
    outer = os.environ if outer is None else outer
    program = shutil.which("ollama", path=outer.get("PATH"))
    if program is None:
        raise ServerError(
            "managed servers need the program `ollama`, which is not on PATH",
            "install Ollama, or start the servers yourself and set DUALOLLAMA_SERVERS=external",
        )
    logs.mkdir(parents=True, exist_ok=True)
    own = own_variables(surroundings)
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(
                _server(program, logs / f"ollama-{name}.log", {**outer}, variables)
            )
            for name, variables in own.items()
        }
        for server in servers.values():
            _wait_until_ready(server)
        yield servers


@contextmanager
def _server(
    program: str, log: Path, outer: Mapping[str, str], own: Mapping[str, str]
) -> Iterator[ManagedServer]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = server_environment(outer, own, port)
    guard = [sys.executable, "-m", "dualollama_pipeline.ollama.guard", program, "serve"]
    with (
        log.open("wb") as output,
        subprocess.Popen(  # noqa: S603 the user's own ollama
            guard,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
        ) as process,
    ):
        try:
            yield ManagedServer(f"http://127.0.0.1:{port}", told(environment), process, log)
        finally:
            process.terminate()


def _wait_until_ready(server: ManagedServer) -> None:
    deadline = time.monotonic() + READY_DEADLINE_S
    while time.monotonic() < deadline and server.process.poll() is None:
        with suppress(httpx.TransportError):
            if httpx.get(f"{server.url}/api/version", trust_env=False, timeout=2.0).is_success:
                return
        time.sleep(POLL_S)  # also after an answer that is no success yet
    tail = server.log.read_text(encoding="utf-8", errors="replace")[-LOG_TAIL_CHARS:].strip()
    state = "did not answer in time" if server.process.poll() is None else "ended at once"
    raise ServerError(
        f"`ollama serve` for {server.url} {state}; its log {server.log} ends:\n"
        f"{tail or '(nothing)'}",
        "read the log; try `ollama serve` by hand",
    )
