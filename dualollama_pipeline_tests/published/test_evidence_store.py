"""Imported files are evidence: copied whole, replaced whole, and a changed copy is noticed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.published.evidence_store import ImportedEvidence
from dualollama_pipeline_tests.published.original_tree import write_tree


@pytest.fixture
def small(tmp_path: Path) -> Path:
    return write_tree(tmp_path / "small", ["test013"], runs=2)


@pytest.fixture
def evidence(tmp_path: Path) -> ImportedEvidence:
    return ImportedEvidence(tmp_path / "warehouse" / "imported")


def test_nothing_imported_is_none(evidence: ImportedEvidence) -> None:
    assert evidence.read() is None


def test_the_copy_outlives_the_original(small: Path, evidence: ImportedEvidence) -> None:
    (small / "chimera_homo" / "test013" / "run_1" / "notes.md").write_text("not evidence")
    taken = evidence.take(small)
    shutil.rmtree(small)
    assert evidence.read() == taken
    assert taken.source == "small"
    assert not list(evidence.root.rglob("notes.md"))


def test_no_path_of_the_machine_is_kept(small: Path, evidence: ImportedEvidence) -> None:
    evidence.take(small)
    assert str(small.parent) not in (evidence.root / "source.json").read_text()


def test_a_new_import_replaces_the_last(small: Path, evidence: ImportedEvidence) -> None:
    """Left beside each other, runs of two campaigns would be averaged."""
    evidence.take(small)
    evidence.take(write_tree(small.with_name("other"), ["test014"], runs=1))
    read = evidence.read()
    assert read is not None
    assert [run.key for run in read.runs] == [("test014", 1)]


def test_a_failed_import_leaves_the_last_one(small: Path, evidence: ImportedEvidence) -> None:
    evidence.take(small)
    (small.parent / "foreign").mkdir()
    with pytest.raises(InputError):
        evidence.take(small.parent / "foreign")
    assert evidence.read() is not None


def test_a_changed_or_lost_copy_is_named(small: Path, evidence: ImportedEvidence) -> None:
    """Evidence that somebody edited is none."""
    evidence.take(small)
    copy = next((evidence.root / "runs").rglob("run_1/metrics.json"))
    copy.write_text(copy.read_text() + " ")
    read = evidence.read()
    assert read is not None
    assert [run.key for run in read.runs] == [("test013", 2)]
    assert "run_1/metrics.json: the imported copy was changed since" in read.problems[0]
    copy.unlink()
    again = evidence.read()
    assert again is not None
    assert "the imported copy is gone" in again.problems[0]


def test_a_copy_is_not_imported_again(small: Path, evidence: ImportedEvidence) -> None:
    """It would be deleted while it is read."""
    evidence.take(small)
    for folder in (evidence.root, evidence.root / "runs", evidence.root.parent):
        with pytest.raises(InputError, match="copy of an earlier import"):
            evidence.take(folder)


def test_a_damaged_manifest_has_a_way_out(small: Path, evidence: ImportedEvidence) -> None:
    evidence.take(small)
    (evidence.root / "source.json").write_text("{")
    with pytest.raises(InputError, match="import the folder again"):
        evidence.read()
