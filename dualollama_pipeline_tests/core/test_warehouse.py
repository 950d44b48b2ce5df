"""Where results lie; scripts of users rely on these paths."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.core.warehouse import Warehouse


def test_paths(tmp_path: Path) -> None:
    """A moved folder leaves yesterday's evidence behind unseen."""
    warehouse = Warehouse(tmp_path)
    assert warehouse.journal("test001", "b1") == tmp_path / "journals" / "test001" / "b1.jsonl"
    assert warehouse.tables == tmp_path / "tables"
    assert warehouse.report == tmp_path / "report"


def test_the_journal_written_last_stands_last(tmp_path: Path) -> None:
    """By name, batch `a9` of last week would hide `a10` of today."""
    folder = tmp_path / "journals" / "test001"
    folder.mkdir(parents=True)
    for name, age_s in (("a10.jsonl", 10), ("a9.jsonl", 20), ("b.jsonl", 30), ("x.torn1", 0)):
        (folder / name).touch()
        os.utime(folder / name, (1_000_000 - age_s, 1_000_000 - age_s))
    found = [path.name for path in Warehouse(tmp_path).journals("test001")]
    assert found == ["b.jsonl", "a9.jsonl", "a10.jsonl"]


def test_a_configuration_without_journals_has_none(tmp_path: Path) -> None:
    """The first run of all has no folder to look into."""
    assert Warehouse(tmp_path).journals("test001") == []


def test_another_studys_results_are_refused_before_a_page_is_made_of_them(tmp_path: Path) -> None:
    """`report` with a forgotten --study would print one study's numbers under another's name."""
    warehouse = Warehouse(tmp_path)
    warehouse.refuse_another("mine")
    assert list(tmp_path.iterdir()) == []  # asking marks nothing
    warehouse.belongs_to("mine")
    warehouse.refuse_another("mine")
    with pytest.raises(InputError, match="holds results of the study 'mine'"):
        warehouse.refuse_another("tr114")
