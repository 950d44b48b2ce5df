"""Which files of a folder may hold runs, and their bytes: links, pipes and broken disks included.

Every folder is read once, wherever links lead to it. Nothing here waits or fails as a whole: what
cannot be read is named, with the way out.
"""

from __future__ import annotations

import os
import stat
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from dualollama_pipeline.core.errors import InputError

RUN, SUMMARY = "metrics.json", "summary.json"
MOST_BYTES = 64 * 2**20  # a run has 0.1 MB
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


@dataclass
class Found:
    """Files by their name below the folder; notes say which links were followed."""

    runs: dict[str, Path] = field(default_factory=dict)
    summaries: dict[str, Path] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def find_files(root: Path) -> Found:
    """Look through `root`: its own folders first, then those that links in it lead to.

    Raises:
        InputError: it is no folder.
    """
    if not root.is_dir():
        raise InputError(f"{root.name}: there is no such folder", "give the folder of the runs")
    found = Found()
    seen = {_identity(above) for above in root.resolve().parents}
    folders, links = deque([("", root)]), deque[tuple[str, Path]]()
    while folders or links:
        is_link = not folders
        name, folder = (folders or links).popleft()
        try:
            identity = _identity(folder)
            if identity in seen:
                found.notes.append(f"{name}: leads to a folder that is read already, or lies above")
                continue
            seen.add(identity)
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            found.problems.append(_unreadable(name or root.name, error))
            continue
        if is_link:
            found.notes.append(f"{name}: a link to a folder, read once")
        for entry in entries:
            _sort_in(entry, f"{name}/{entry.name}".removeprefix("/"), found, folders, links)
    return found


def _sort_in(
    entry: os.DirEntry[str],
    name: str,
    found: Found,
    folders: deque[tuple[str, Path]],
    links: deque[tuple[str, Path]],
) -> None:
    path = Path(entry.path)
    try:
        is_folder = stat.S_ISDIR(path.stat().st_mode)
    except OSError as error:
        if entry.is_symlink() or entry.name == RUN:
            found.problems.append(_unreadable(name, error))
        return
    if entry.name in {RUN, SUMMARY}:
        (found.runs if entry.name == RUN else found.summaries)[name] = path
    elif is_folder and not entry.name.isprintable():
        found.problems.append(f"{name!a}: a name that cannot be printed; way out: rename it")
    elif is_folder:
        (links if entry.is_symlink() else folders).append((name, path))


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _unreadable(name: str, error: OSError) -> str:
    problem = f"cannot be read ({error.strerror})"
    return f"{name}: {problem}; way out: make it readable, or copy it from its source again"


def read_bytes(path: Path, name: str) -> bytes:
    """Read a plain file, without waiting for what may never come.

    Raises:
        InputError: it is no plain file, too large for a run, or cannot be read.
    """
    try:
        kind = stat.S_IFMT(path.stat().st_mode)
        if kind != stat.S_IFREG:
            what = KINDS.get(kind, "something else")
            raise InputError(f"{name}: {what}, no file", "put the file itself there")
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            content = file.read(MOST_BYTES + 1) or b""
    except OSError as error:
        raise InputError(
            f"{name}: cannot be read ({error.strerror})",
            "make it readable, or copy it from its source again",
        ) from error
    if len(content) > MOST_BYTES:
        raise InputError(f"{name}: larger than {MOST_BYTES >> 20} MiB, no run is", "remove it")
    return content
