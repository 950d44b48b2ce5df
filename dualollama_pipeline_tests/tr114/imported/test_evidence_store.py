"""Imported files are evidence: copied whole, replaced whole, and a changed copy is noticed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

import pytest

from dualollama_pipeline.core.atomic import write_atomically
from dualollama_pipeline.core.errors import InputError, TableError
from dualollama_pipeline.tr114.imported.evidence_store import ImportedEvidence
from dualollama_pipeline_tests.tr114.imported.original_tree import write_tree


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "small", ["test013"], runs=2)


@pytest.fixture
def evidence(tmp_path: Path) -> ImportedEvidence:
    return ImportedEvidence(tmp_path / "warehouse" / "imported")


def take(evidence: ImportedEvidence, folder: Path) -> None:
    with evidence.take(folder):
        pass


def test_nothing_imported_is_none(evidence: ImportedEvidence) -> None:
    assert evidence.read() is None


def test_the_copy_outlives_the_original(small: Path, evidence: ImportedEvidence) -> None:
    (small / "chimera_homo" / "test013" / "run_1" / "notes.md").write_text("not evidence")
    with evidence.take(small) as taken:
        pass
    shutil.rmtree(small)
    assert evidence.read() == taken
    assert taken.source == "small"
    assert not list(evidence.root.rglob("notes.md"))


def test_no_path_of_the_machine_is_kept(small: Path, evidence: ImportedEvidence) -> None:
    take(evidence, small)
    assert str(small.parent) not in (evidence.root / "source.json").read_text()


def test_a_new_import_replaces_the_last(small: Path, evidence: ImportedEvidence) -> None:
    """Left beside each other, runs of two campaigns would be averaged."""
    take(evidence, small)
    take(evidence, write_tree(small.with_name("other"), ["test014"], runs=1))
    read = evidence.read()
    assert read is not None
    assert [run.key for run in read.runs] == [("test014", 1)]


def test_a_failed_import_leaves_the_last_one(small: Path, evidence: ImportedEvidence) -> None:
    take(evidence, small)
    (small.parent / "foreign").mkdir()
    with pytest.raises(InputError):
        take(evidence, small.parent / "foreign")
    assert evidence.read() is not None


def test_a_changed_or_lost_copy_is_named(small: Path, evidence: ImportedEvidence) -> None:
    """Evidence that somebody edited is none."""
    take(evidence, small)
    (copy,) = evidence.root.rglob("run_1/metrics.json")
    copy.write_text(copy.read_text() + " ")
    read = evidence.read()
    assert read is not None
    assert [run.key for run in read.runs] == [("test013", 2)]
    assert read.lost == ("chimera_homo/test013/run_1/metrics.json",)
    shutil.rmtree(copy.parents[1])
    again = evidence.read()
    assert again is not None
    assert (len(again.runs), len(again.lost)) == (0, 2)
    assert all(line.endswith("metrics.json (gone)") for line in again.lost)


def test_a_copy_is_not_imported_again(small: Path, evidence: ImportedEvidence) -> None:
    """It would be deleted while it is read."""
    take(evidence, small)
    for folder in (evidence.root, evidence.root / "runs", evidence.root.parent):
        with pytest.raises(InputError, match="copy of an earlier import"):
            take(evidence, folder)


def test_a_damaged_manifest_has_a_way_out(small: Path, evidence: ImportedEvidence) -> None:
    take(evidence, small)
    for content in ("{", "[]", '{"source": 1, "files": {}}'):
        (evidence.root / "source.json").write_text(content)
        with pytest.raises(InputError, match="import the folder again"):
            evidence.read()
    take(evidence, small)
    assert evidence.read() is not None


# --- an import that ends early ------------------------------------------------------------------


class Killed(BaseException):
    """What ends a program in the middle of a line."""


def files(evidence: ImportedEvidence) -> set[str]:
    return {path.relative_to(evidence.root).as_posix() for path in evidence.root.rglob("*.json")}


@pytest.mark.parametrize("step", range(4), ids=["copy 1", "copy 2", "copy 3", "manifest"])
@pytest.mark.parametrize("fault", [Killed(), OSError(28, "No space left")], ids=["kill", "full"])
def test_killed_at_any_write_the_old_import_is_whole(
    small: Path, evidence: ImportedEvidence, step: int, fault: BaseException
) -> None:
    """The old copy was deleted before the new one had its name."""
    take(evidence, small)
    before, kept = evidence.read(), files(evidence)
    done: list[Path] = []

    def write(path: Path, content: bytes) -> None:
        if len(done) == step:
            raise fault
        write_atomically(path, content)
        done.append(path)

    other = write_tree(small.with_name("other"), ["test014"], runs=3)
    with pytest.raises((Killed, TableError)):
        take(ImportedEvidence(evidence.root, write), other)
    assert evidence.read() == before
    assert files(evidence) == kept


def test_tables_that_cannot_be_made_leave_the_old_import(
    small: Path, evidence: ImportedEvidence
) -> None:
    take(evidence, small)
    before = evidence.read()
    with (
        pytest.raises(TableError),
        evidence.take(write_tree(small.with_name("other"), ["test014"], runs=1)),
    ):
        raise TableError("imported_runs: breaks its schema", "say so")
    assert evidence.read() == before


def test_what_a_killed_import_left_is_removed_by_the_next(
    small: Path, evidence: ImportedEvidence
) -> None:
    """Not so the copy of an import that is still running beside this one."""
    dead, alive = evidence.root / "runs.999999999.x", evidence.root / f"runs.{os.getppid()}.x"
    for copy in (dead, alive):
        copy.mkdir(parents=True)
    take(evidence, small)
    assert (dead.exists(), alive.exists()) == (False, True)


def test_an_import_of_an_earlier_version_is_read(small: Path, evidence: ImportedEvidence) -> None:
    """Its copies lay in `runs/`, its manifest knew no problems, and it kept the summaries."""
    shutil.copytree(small, evidence.root / "runs")
    hashes = {
        path.relative_to(small).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in small.rglob("*.json")
    }
    manifest = {"source": "small", "files": hashes}
    (evidence.root / "source.json").write_text(json.dumps(manifest))
    read = evidence.read()
    assert read is not None
    assert ([run.key[1] for run in read.runs], read.lost, read.problems) == ([1, 2], (), ())
    take(evidence, small)
    assert not (evidence.root / "runs").exists()
