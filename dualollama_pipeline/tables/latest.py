"""Which journal the current tables are made from."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from dualollama_pipeline.core.errors import JournalError
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.tables.build import Tables, build_tables
from dualollama_pipeline.worker.journal import Journal, is_finished, read_journal

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


def latest_tables(warehouse: Path, config_id: str) -> Tables:
    """Build the tables of the complete journal that was written last; if none is, of the last one.

    Raises:
        JournalError: there is no journal, it is damaged, or it holds no trial.
        TableError: a table breaks its schema.
    """
    journals = journals_to_latest(warehouse, config_id)
    if not journals:
        raise JournalError(
            f"{config_id}: there is no journal yet", "materialize benchmark_trials first"
        )
    return tables_of(journals[-1])


def tables_of(journal: Path) -> Tables:
    """Build the tables of a journal as it is now; do not change them, a run asks for them twice."""
    now = journal.stat()
    return _built(journal, (now.st_mtime_ns, now.st_size))


@lru_cache(maxsize=1)
def _built(journal: Path, _stamp: tuple[int, int]) -> Tables:
    return build_tables(read_journal(journal))


def journals_to_latest(warehouse: Path, config_id: str) -> list[Path]:
    """Return all journals of a configuration, the one that its current tables come from last."""
    journals = Warehouse(warehouse).journals(config_id)
    return sorted(journals, key=is_finished)  # stable: within each group, the last written last


def journal_of(warehouse: Path, config_id: str, calls: pd.DataFrame) -> Journal:
    """Read the journal that a call table was made from.

    Raises:
        JournalError: it is gone, or damaged.
    """
    return read_journal(Warehouse(warehouse).journal(config_id, str(calls["batch_id"].iloc[0])))
