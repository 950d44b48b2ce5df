"""Which journal the current tables are made from: the one that was written last."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dualollama_pipeline.core.errors import JournalError
from dualollama_pipeline.core.records import EndRecord
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.tables.latest import journals_to_latest, latest_tables
from dualollama_pipeline.tables.rebuild import build_lacking
from dualollama_pipeline.tables.store import TableStore
from dualollama_pipeline.worker.journal import JournalWriter
from dualollama_pipeline_tests.tables.journals import block_of, journal


def written(warehouse: Path, batch_id: str, age_s: int, blocks: int = 1) -> Path:
    """A journal on disk, last written `age_s` seconds before some instant."""
    made = journal([each for number in range(blocks) for each in block_of(number + 1)])
    path = warehouse / "journals" / "test1" / f"{batch_id}.jsonl"
    assert made.batch is not None
    with JournalWriter(path) as writer:
        for record in (made.batch, *made.identities, *made.trials):
            writer.append(record)
    os.utime(path, (1_000_000 - age_s, 1_000_000 - age_s))
    return path


def test_the_journal_written_last_is_read(tmp_path: Path) -> None:
    """A finished batch of yesterday must not hide the one of today."""
    written(tmp_path, "z-old", age_s=100)
    written(tmp_path, "a-new", age_s=0, blocks=2)
    assert journals_to_latest(tmp_path, "test1")[-1].stem == "a-new"


def test_a_complete_batch_stays_current_until_the_next_is_complete(tmp_path: Path) -> None:
    """A batch that was cut off after one block would replace five blocks by one."""
    path = written(tmp_path, "complete", age_s=100)
    with JournalWriter(path) as writer:
        writer.append(EndRecord(planned=4, ok=4, failed=0, interrupted=0, skipped=0))
    os.utime(path, (999_900, 999_900))
    written(tmp_path, "cut-off", age_s=0)
    assert journals_to_latest(tmp_path, "test1")[-1].stem == "complete"


def test_without_a_journal_the_way_out_is_told(tmp_path: Path) -> None:
    """Materializing a table first is the most natural mistake in the UI."""
    with pytest.raises(JournalError, match="test1") as caught:
        latest_tables(tmp_path, "test1")
    assert "benchmark_trials" in caught.value.way_out


def test_a_damaged_journal_is_named(tmp_path: Path) -> None:
    """Evidence that cannot be read must not become an empty table."""
    path = written(tmp_path, "batch1", age_s=0)
    lines = path.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([lines[0], b"{", *lines[1:]]))
    with pytest.raises(JournalError, match="line 2") as caught:
        latest_tables(tmp_path, "test1")
    assert str(path) in caught.value.problem


def test_a_report_is_of_the_journal_written_last(tmp_path: Path) -> None:
    """`dualollama measure` leaves a journal alone: the page went on showing the batch before."""
    settings, store = Settings(warehouse=tmp_path), TableStore(tmp_path / "tables")
    for batch, age_s in (("batch1", 100), ("batch2", 0)):
        made = journal(block_of(), batch_id=batch)
        assert made.batch is not None
        path = tmp_path / "journals" / "test1" / f"{batch}.jsonl"
        with JournalWriter(path) as writer:
            for record in (made.batch, *made.identities, *made.trials):
                writer.append(record)
            writer.append(EndRecord(planned=4, ok=4, failed=0, interrupted=0, skipped=0))
        os.utime(path, (1_000_000 - age_s, 1_000_000 - age_s))
        build_lacking(settings)
        assert set(store.load("run_table", "test1")["batch_id"]) == {batch}
