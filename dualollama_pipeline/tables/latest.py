"""Which journal the current tables are made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.core.errors import JournalError
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.worker.journal import Journal, is_finished, read_journal

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


def latest_journal(warehouse: Path, config_id: str) -> Journal:
    """Read the complete journal that was written last; if none is complete, the last one.

    Raises:
        JournalError: there is no journal, or it is damaged.
    """
    journals = Warehouse(warehouse).journals(config_id)
    if not journals:
        raise JournalError(
            f"{config_id}: there is no journal yet", "materialize benchmark_trials first"
        )
    complete = [path for path in journals if is_finished(path)]
    return read_journal((complete or journals)[-1])


def journal_of(warehouse: Path, config_id: str, calls: pd.DataFrame) -> Journal:
    """Read the journal that a call table was made from.

    Raises:
        JournalError: it is gone, or damaged.
    """
    return read_journal(Warehouse(warehouse).journal(config_id, str(calls["batch_id"].iloc[0])))
