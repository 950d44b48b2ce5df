"""The report over HTTP on this machine: browsers follow no link from a server to a file."""

from __future__ import annotations

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from dualollama_pipeline.core.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

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
        raise InputError(f"--serve {port}: {error.strerror}", "name another port, or 0") from error
