"""Folders as they are found: links, loops, pipes, devices, disks that fail. None of it waits."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.tr114.imported.folder import read_folder
from dualollama_pipeline.tr114.imported.run_files import MOST_BYTES, read_bytes
from dualollama_pipeline_tests.tr114.imported.original_tree import write_tree

HOMO = "chimera_homo/test013"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "small", ["test013"], runs=3)


def replace(path: Path) -> Path:
    path.unlink()
    return path


def as_folder(path: Path) -> None:
    replace(path).mkdir()


def as_pipe(path: Path) -> None:
    os.mkfifo(replace(path))


def as_device(path: Path) -> None:
    replace(path).symlink_to("/dev/zero")


def as_failing_disk(path: Path) -> None:
    """Reading one's own memory at address 0 is an input/output error."""
    replace(path).symlink_to("/proc/self/mem")


def as_loop(path: Path) -> None:
    replace(path).symlink_to(path.name)


def as_link_to_nothing(path: Path) -> None:
    replace(path).symlink_to("gone")


def as_too_large(path: Path) -> None:
    os.truncate(path, MOST_BYTES + 1)


ODD = {
    as_folder: "a folder, no file",
    as_pipe: "a pipe, no file",
    as_device: "a device, no file",
    as_failing_disk: "cannot be read (",
    as_loop: "cannot be read (Too many levels",
    as_link_to_nothing: "cannot be read (No such file",
    as_too_large: "larger than 64 MiB",
}


@pytest.mark.parametrize("name", ["metrics.json", "summary.json"])
@pytest.mark.parametrize(("make", "said"), ODD.items(), ids=[make.__name__ for make in ODD])
def test_what_is_no_file_costs_only_itself(small: Path, make, said: str, name: str) -> None:
    where = f"{HOMO}/run_2/{name}" if name == "metrics.json" else f"{HOMO}/{name}"
    make(small / where)
    read = read_folder(small)
    assert [run.key[1] for run in read.runs] == ([1, 3] if name == "metrics.json" else [1, 2, 3])
    (problem,) = read.problems
    assert problem.startswith(f"{where}: {said}")
    assert "; way out: " in problem


def test_a_linked_run_folder_is_read_once_and_said(small: Path, tmp_path: Path) -> None:
    """Runs on another disk went unread without a word."""
    shutil.move(small / HOMO / "run_2", tmp_path / "elsewhere")
    (small / HOMO / "run_2").symlink_to(tmp_path / "elsewhere")
    read = read_folder(small)
    assert len(read.runs) == 3
    assert f"{HOMO}/run_2: a link to a folder, read once" in read.notes


def test_loops_and_second_ways_are_not_followed(small: Path) -> None:
    """Followed blindly, each of them doubles the runs or never ends."""
    links = {"self": ".", "root": "/", HOMO + "/up": "../..", "chimera-homo": "chimera_homo"}
    for name, target in links.items():
        (small / name).symlink_to(target)
    (small.parent / "beside").mkdir()
    (small.parent / "beside" / "back").symlink_to(small)
    (small / "beside").symlink_to(small.parent / "beside")
    read = read_folder(small)
    assert [run.file for run in read.runs] == [f"{HOMO}/run_{n}/metrics.json" for n in (1, 2, 3)]
    said = {note.partition(":")[0] for note in read.notes if "is read already" in note}
    assert said == {*links, "beside/back"}
    assert read.problems == ()


def test_a_link_into_another_configuration_is_no_second_run(small: Path) -> None:
    (small / "chimera_homo" / "test014").mkdir()
    (small / "chimera_homo" / "test014" / "run_1").symlink_to("../test013/run_1")
    read = read_folder(small)
    assert {run.config_id for run in read.runs} == {"test013"}
    assert "chimera_homo/test014/run_1: leads to a folder that is read already" in read.notes[0]


def test_a_name_that_cannot_be_printed_is_named(small: Path) -> None:
    """Written to a table or a terminal it ends the program."""
    odd = Path(os.fsdecode(os.fsencode(small) + b"/bad\xff"))
    shutil.copytree(small / "chimera_homo", odd)
    read = read_folder(small)
    assert len(read.runs) == 3
    (problem,) = read.problems
    assert "bad\\udcff" in problem
    problem.encode()


def test_a_folder_of_nothing_but_pipes_is_refused_with_reasons(small: Path) -> None:
    for path in list(small.rglob("metrics.json")):
        as_pipe(path)
    with pytest.raises(InputError, match=r"none of 3 files can be used\n.*a pipe, no file"):
        read_folder(small)


def test_a_plain_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "f").write_bytes(b"x")
    assert read_bytes(tmp_path / "f", "f") == b"x"
