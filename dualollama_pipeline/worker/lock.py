"""One server, one user at a time: a lock file for each server of a pair."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from dualollama_pipeline.core.errors import ServerError
from dualollama_pipeline.core.settings import by_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

POLL_S = 0.1
READABLE = 0o644


def lock_paths(urls: Mapping[str, str]) -> list[Path]:
    """Return the servers' lock files, in the system's folder for temporary files, in one order."""
    plain = set(map(by_number, urls.values()))
    keys = [hashlib.sha256(url.encode()).hexdigest()[:16] for url in sorted(plain)]
    return [Path(tempfile.gettempdir()) / f"dualollama-{key}.lock" for key in keys]


@contextmanager
def pair_lock(
    urls: Mapping[str, str],
    owner: str,
    waiting: Callable[[str], object],
    check: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Hold the locks of all servers; waits for them, and tells `waiting` the holder's name first.

    `check` is called while waiting and may raise to give up. The kernel releases the locks when
    their holder dies, however it dies. A lock file may be another user's: it is read then, and
    keeps that user's last holder.

    Raises:
        ServerError: another user's lock file cannot even be read.
    """
    with ExitStack() as stack:
        for path in lock_paths(urls):
            file = stack.enter_context(_opened(path))
            _acquire(file, waiting, check)
            if file.writable():
                file.seek(0)
                file.truncate()
                file.write(f"{owner} (process {os.getpid()})\n")
                file.flush()
        yield


def _opened(path: Path) -> TextIO:
    try:
        file = path.open("a+", encoding="utf-8")
        with suppress(PermissionError):
            os.fchmod(file.fileno(), READABLE)
    except PermissionError:
        try:
            return path.open(encoding="utf-8")  # enough to lock it
        except PermissionError as error:
            raise ServerError(
                f"{path}: the servers' lock is another user's and cannot be read",
                "ask that user to remove it when nothing is being measured",
            ) from error
    return file


def _acquire(file: TextIO, waiting: Callable[[str], object], check: Callable[[], None]) -> None:
    told = False
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not told:
                file.seek(0)
                waiting(file.read().strip() or "another process")
                told = True
            check()
            time.sleep(POLL_S)
        else:
            return
