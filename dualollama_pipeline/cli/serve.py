"""The report over HTTP on this machine: browsers follow no link from a server to a file."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING

from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.core.places import PROJECT_ROOT
from dualollama_pipeline.core.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Callable

ENDING_S = 5.0
HOST = "127.0.0.1"  # results name models and machines: they are nobody else's


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing of every picture that is asked for."""

    def end_headers(self) -> None:
        """Have the browser ask again: a night makes the page anew under its old name."""
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()


def page_server(folder: Path, port: int) -> ThreadingHTTPServer:
    """Return a server of a folder on `port` (0: a free one) of this machine.

    Raises:
        InputError: the port is taken.
    """
    try:
        return ThreadingHTTPServer((HOST, port), partial(_Quiet, directory=folder))
    except OSError as error:
        raise InputError(f"port {port}: {error.strerror}", "name another port, or 0") from error


def serve_ui(warehouse: Path, port: int, report_port: int, say: Callable[[str], None]) -> int:
    """Serve Dagster's UI until it ends, with its daemon, and the report for the links in it.

    Raises:
        InputError: a port is taken.
    """
    port = _free(port)
    folder = Warehouse(warehouse).report
    folder.mkdir(parents=True, exist_ok=True)
    with page_server(folder, report_port) as pages:
        Thread(target=pages.serve_forever, daemon=True).start()
        url = f"http://{HOST}:{pages.server_port}"
        say(f"report: {url}/ (once there is one)")
        # before Dagster starts: what a script in the background ignores, its processes would, too
        for each in (signal.SIGINT, signal.SIGTERM):
            signal.signal(each, signal.default_int_handler)
        dg, workspace = Path(sys.executable).with_name("dg"), PROJECT_ROOT / "workspace.yaml"
        process = subprocess.Popen(  # noqa: S603 our own environment
            [dg, "dev", "--workspace", workspace, "--host", HOST, "--port", str(port)],
            env={
                **os.environ,
                "DUALOLLAMA_REPORT_URL": url,
                "DUALOLLAMA_UI_URL": f"http://{HOST}:{port}",
            },
        )
        try:
            return process.wait()
        except KeyboardInterrupt:  # of a terminal, Dagster has it as well and ends by itself
            with suppress(subprocess.TimeoutExpired):
                return process.wait(ENDING_S)
            process.terminate()
            return process.wait()


def _free(port: int) -> int:
    """Return the port if it is free, of 0 any; Dagster itself goes on without a UI."""
    try:
        with socket.create_server((HOST, port)) as tried:
            return int(tried.getsockname()[1])
    except OSError as error:
        raise InputError(f"port {port}: {error.strerror}", "name another port, or 0") from error
