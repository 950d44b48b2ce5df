"""One server, one user at a time: a lock file for each server of a pair."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from dualollama_pipeline.core.errors import ServerError
from dualollama_pipeline.core.settings import by_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

POLL_S = 0.1
EVERYBODY = 0o666  # the servers are shared by all users of the machine


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
    their holder dies, however it dies. The holder's name stands in a file beside the lock, for a
    locked file cannot be read everywhere; one that another user left behind may stay.

    Raises:
        ServerError: another user's lock file cannot be opened.
    """
    with ExitStack() as stack:
        for path in lock_paths(urls):
            lock = FileLock(path, mode=EVERYBODY)
            holder = path.with_suffix(".holder")
            _acquire(lock, holder, waiting, check)
            stack.callback(lock.release)
            with suppress(PermissionError):
                holder.write_text(f"{owner} (process {os.getpid()})\n", encoding="utf-8")
                holder.chmod(EVERYBODY)
        yield


def _acquire(
    lock: FileLock, holder: Path, waiting: Callable[[str], object], check: Callable[[], None]
) -> None:
    told = False
    while True:
        try:
            lock.acquire(blocking=False)
        except Timeout:
            if not told:
                waiting(_name_in(holder) or "another process")
                told = True
            check()
            time.sleep(POLL_S)
        except PermissionError as error:
            raise ServerError(
                f"{lock.lock_file}: the servers' lock is another user's and cannot be opened",
                "ask that user to remove it when nothing is being measured",
            ) from error
        else:
            return


def _name_in(holder: Path) -> str:
    try:
        return holder.read_text(encoding="utf-8").strip()
    except OSError:
        return ""
