"""Writing files whole. The trap: a reader, or a power cut, between the first byte and the last."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dualollama_pipeline.core.atomic import write_atomically


def test_writing_replaces_and_leaves_nothing_else(tmp_path: Path) -> None:
    """A reader that has the old file open keeps it whole."""
    path = tmp_path / "deep" / "file"
    write_atomically(path, b"old, and longer")
    with path.open("rb") as reader:
        write_atomically(path, b"new")
        assert reader.read() == b"old, and longer"
    assert [found.name for found in path.parent.iterdir()] == ["file"]
    assert path.read_bytes() == b"new"


def test_a_failure_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    """A folder in the way stands for every way in which a disk refuses."""
    path = tmp_path / "file"
    path.mkdir()
    with pytest.raises(OSError, match="file"):
        write_atomically(path, b"new")
    assert [found.name for found in tmp_path.iterdir()] == ["file"]


def test_what_a_killed_writer_left_is_swept_away(tmp_path: Path) -> None:
    """A nightly kill would leave a file a night; that of a writer at work stays."""
    dead, alive = tmp_path / ".file.999999999.part", tmp_path / f".file.{os.getppid()}.part"
    for part in (dead, alive):
        part.write_bytes(b"half")
    write_atomically(tmp_path / "file", b"new")
    assert {found.name for found in tmp_path.iterdir()} == {"file", alive.name}
