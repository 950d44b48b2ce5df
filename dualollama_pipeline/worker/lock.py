"""One pair of servers, one user at a time: a lock file keyed by the servers' URLs."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def lock_path(urls: dict[str, str]) -> Path:
    """Return the lock file of a pair; it lies in the system's folder for temporary files."""
    key = hashlib.sha256("|".join(sorted(urls.values())).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"dualollama-{key}.lock"


@contextmanager
def pair_lock(urls: dict[str, str], owner: str, waiting: Callable[[str], None]) -> Iterator[None]:
    """Hold the pair's lock; waits for it, and calls `waiting` with the holder's name first.

    The kernel releases the lock when its holder dies, however it dies.
    """
    with lock_path(urls).open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            waiting(file.read().strip() or "another process")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        file.truncate()
        file.write(f"{owner} (process {os.getpid()})\n")
        file.flush()
        yield
