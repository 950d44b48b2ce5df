"""What may go of a long history.

The trap: a journal that is gone because tables were to go, or a configuration without a table.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dualollama_pipeline.core.records import EndRecord
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.tables.build import build_tables
from dualollama_pipeline.tables.prune import prune
from dualollama_pipeline.tables.store import TableStore
from dualollama_pipeline.worker.journal import JournalWriter, read_journal
from dualollama_pipeline_tests.tables.journals import block_of, journal

NIGHTS = ("n1", "n2", "n3")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Three nights of one configuration, the first of which measured another one, too."""
    made = Settings(warehouse=tmp_path)
    store = TableStore.of(made)
    for day, night in enumerate(NIGHTS, 1):
        for config_id in ("test1", "test2") if night == "n1" else ("test1",):
            found = journal(block_of(), batch_id=night)
            assert found.batch is not None
            path = Warehouse(tmp_path).journal(config_id, night)
            begun = [each.model_copy(update={"started_at": f"2026-01-{day:02d}T00:00:00+00:00"})
                     for each in found.trials]  # fmt: skip
            with JournalWriter(path) as writer:
                for record in (found.batch, *found.identities, *begun):
                    writer.append(record)
                writer.append(EndRecord(planned=4, ok=4, failed=0, interrupted=0, skipped=0))
            os.utime(path, (day, day))
            store.publish_all(build_tables(read_journal(path)), config_id)
    return made


def nights(settings: Settings, config_id: str = "test1") -> list[str]:
    folder = TableStore.of(settings).history_path("run_table", config_id, "any").parent
    return sorted(path.stem for path in folder.glob("*.parquet"))


def journals(settings: Settings) -> set[str]:
    return {path.stem for path in Warehouse(settings.warehouse).journals("test1")}


def test_the_last_nights_stay_and_every_journal(settings: Settings) -> None:
    """Tables of n1 go; test2 has no later one, so n1 stays for it and for all."""
    gone = prune(settings, 1)
    assert gone.batches == ["n2"]
    assert gone.n_files == 5  # one of each table
    assert gone.n_bytes > 0
    assert nights(settings) == ["n1", "n3"]
    assert journals(settings) == set(NIGHTS)
    assert prune(settings, 400).batches == []


def test_journals_go_where_they_are_named(settings: Settings) -> None:
    """And with the tables only: what the current tables rest on stays."""
    assert prune(settings, 1, journals=True).n_files == 6
    assert journals(settings) == {"n1", "n3"}
    assert nights(settings, "test2") == ["n1"]


def test_a_journal_that_may_be_gone_on_with_stays(settings: Settings) -> None:
    """Cut off, or being written at this moment: deleted, its trials would be measured again."""
    path = Warehouse(settings.warehouse).journal("test1", "n2")
    whole = path.read_bytes().splitlines(keepends=True)
    path.chmod(0o600)
    path.write_bytes(b"".join(whole[:-1]))
    assert prune(settings, 1, journals=True).n_files == 5
    assert journals(settings) == set(NIGHTS)
