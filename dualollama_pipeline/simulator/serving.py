"""Both servers on one event loop in one process, from bound sockets to a clean end.

Here: uvicorn, signals and the guard on stdin. The command line is `__main__.py`.
"""

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Generator, Mapping, Sequence

import uvicorn
from starlette.applications import Starlette

from dualollama_pipeline.simulator.app import build_app
from dualollama_pipeline.simulator.conductor import Conductor
from dualollama_pipeline.simulator.profile import Profile

HOST = "127.0.0.1"


class _Server(uvicorn.Server):
    """A uvicorn server that leaves the signals to the pair: one signal ends both, cleanly."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def bound_socket(port: int) -> socket.socket:
    """A loopback socket on `port` (0 = any free one); OSError when it is taken."""
    # asyncio switches Nagle's algorithm off only for sockets that say IPPROTO_TCP; with it on, each
    # answer waits 40 ms for an acknowledgement.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((HOST, port))
        sock.listen(128)
    except OSError:
        sock.close()
        raise
    return sock


async def serve_pair(
    profile: Profile,
    sockets: Mapping[str, socket.socket],
    slots: Sequence[int],
    *,
    is_guarded: bool,
) -> None:
    """Serve until a signal comes or, when guarded, until stdin ends; say so when ready."""
    conductor = Conductor(profile, slots=slots)
    ready_line = _ready_line(profile, sockets)
    servers = [_server(build_app(i, conductor, profile)) for i in range(len(sockets))]

    def stop() -> None:
        conductor.close()
        for server in servers:
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    if is_guarded:
        guard = threading.Thread(target=_wait_for_end_of_stdin, args=(loop, stop), daemon=True)
        guard.start()
    serving = [
        asyncio.ensure_future(server.serve(sockets=[sock]))
        for server, sock in zip(servers, sockets.values(), strict=True)
    ]
    for server in servers:
        await server.is_listening.wait()
    sys.stdout.write(ready_line)
    sys.stdout.flush()
    await asyncio.gather(*serving)


def _server(app: Starlette) -> _Server:
    config = uvicorn.Config(
        app,
        lifespan="off",
        ws="none",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=1,
        # A client may think for as long as it likes between two requests of a trial.
        timeout_keep_alive=600,
    )
    return _Server(config)


def _ready_line(profile: Profile, sockets: Mapping[str, socket.socket]) -> str:
    urls = {name: f"http://{HOST}:{sock.getsockname()[1]}" for name, sock in sockets.items()}
    ready = {
        **urls,
        "pid": os.getpid(),
        "profile": profile.name,
        "fingerprint": profile.fingerprint,
    }
    return json.dumps(ready) + "\n"


def _wait_for_end_of_stdin(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> None:
    # os.read and not sys.stdin: a thread inside a buffered reader makes the interpreter abort at
    # exit.
    with contextlib.suppress(OSError):
        while os.read(0, 4096):
            pass
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(stop)
