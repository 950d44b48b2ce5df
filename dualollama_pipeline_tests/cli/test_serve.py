"""The report over HTTP, for a browser on the same machine.

The trap: a page of the night before out of the browser's store, or results shown to a network.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from dualollama_pipeline.cli.main import main
from dualollama_pipeline.cli.serve import page_server, serve_ui
from dualollama_pipeline.core.errors import InputError


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, int]]:
    """A served folder, and its port."""
    (tmp_path / "index.html").write_text("yesterday")
    with page_server(tmp_path, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield tmp_path, server.server_port
        server.shutdown()
        thread.join()


def test_the_page_is_the_one_that_lies_there_now(served: tuple[Path, int]) -> None:
    """A night makes it anew under its old name."""
    folder, port = served
    address = f"http://127.0.0.1:{port}/"
    first = httpx.get(address)
    assert (first.text, first.headers["Cache-Control"]) == ("yesterday", "no-cache")
    (folder / "index.html").write_text("today")
    assert httpx.get(address).text == "today"
    assert httpx.get(f"{address}../settings").status_code == 404


def test_a_port_that_is_taken_is_named(served: tuple[Path, int]) -> None:
    """Most often by the same command in another window."""
    folder, port = served
    with pytest.raises(InputError, match=f"port {port}: Address already in use"):
        page_server(folder, port)


def test_a_taken_port_of_the_ui_is_named(served: tuple[Path, int]) -> None:
    """Dagster's webserver would end, and its daemon go on without anybody seeing it."""
    folder, port = served
    with pytest.raises(InputError, match=f"port {port}: Address already in use"):
        serve_ui(folder, port, 0, print)


@pytest.mark.parametrize("port", ["-1", "65536", "http"])
def test_what_is_no_port_is_refused(port: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Before the report is made, not after."""
    with pytest.raises(SystemExit):
        main(["report", f"--serve={port}"])
    assert f"'{port}' is no port; write a number from 0 to 65535" in capsys.readouterr().err
