"""Two `ollama serve` of our own: started with an explicit environment, stopped to the last process.

What the servers read from their environment is set here, once, so that it is known (OLLAMA.md A4).
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import httpx

from dualollama_pipeline.core.errors import ServerError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

READY_DEADLINE_S = 60.0  # a server listens before it has found its GPUs, and answers only then
POLL_S = 0.05
LOG_TAIL_CHARS = 600

EXPLICIT = {
    "OLLAMA_NUM_PARALLEL": "1",
    "OLLAMA_MAX_LOADED_MODELS": "1",
    "OLLAMA_KEEP_ALIVE": "30m",
    "OLLAMA_NOPRUNE": "1",  # two servers may share one folder of models
}


def server_environment(outer: Mapping[str, str], port: int) -> dict[str, str]:
    """Return what a server gets: the outer environment with no OLLAMA_* but the models' folder."""
    inherited = {
        name: value
        for name, value in outer.items()
        if not name.startswith("OLLAMA_") or name == "OLLAMA_MODELS"
    }
    return {**inherited, **EXPLICIT, "OLLAMA_HOST": f"127.0.0.1:{port}"}


@contextmanager
def managed_servers(logs: Path, outer: Mapping[str, str] | None = None) -> Iterator[dict[str, str]]:
    """Start servers `a` and `b`, yield their URLs when both answer, stop exactly these two.

    Their output goes to `logs`/ollama-a.log and ollama-b.log.

    Raises:
        ServerError: there is no `ollama` on PATH, or one does not answer within 60 s; with the end
            of its log.
    """
    outer = os.environ if outer is None else outer
    program = shutil.which("ollama", path=outer.get("PATH"))
    if program is None:
        raise ServerError(
            "managed servers need the program `ollama`, which is not on PATH",
            "install Ollama, or start two servers yourself and set DUALOLLAMA_SERVERS=external",
        )
    logs.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(_server(program, logs / f"ollama-{name}.log", outer))
            for name in ("a", "b")
        }
        for url, process, log in servers.values():
            _wait_until_ready(url, process, log)
        yield {name: url for name, (url, *_) in servers.items()}


@contextmanager
def _server(
    program: str, log: Path, outer: Mapping[str, str]
) -> Iterator[tuple[str, subprocess.Popen[bytes], Path]]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    guard = [sys.executable, "-m", "dualollama_pipeline.ollama.guard", program, "serve"]
    with (
        log.open("wb") as output,
        subprocess.Popen(  # noqa: S603 the user's own ollama
            guard,
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=server_environment(outer, port),
        ) as process,
    ):
        try:
            yield f"http://127.0.0.1:{port}", process, log
        finally:
            process.terminate()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_DEADLINE_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{url}/api/version", trust_env=False, timeout=2.0).is_success:
                return
        except httpx.TransportError:
            time.sleep(POLL_S)
    tail = log.read_text(encoding="utf-8", errors="replace")[-LOG_TAIL_CHARS:].strip()
    state = "did not answer in time" if process.poll() is None else "ended at once"
    raise ServerError(
        f"`ollama serve` for {url} {state}; its log {log} ends:\n{tail or '(nothing)'}",
        "read the log; try `ollama serve` by hand",
    )
