"""Which journal the current tables are made from: the one that was written last."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.core.errors import JournalError
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.tables.calls import build_calls
from dualollama_pipeline.worker.journal import read_journal

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd


def calls_of_latest_batch(warehouse: Path, config_id: str) -> pd.DataFrame:
    """Build the call table from the journal that was written last.

    Raises:
        JournalError: there is no journal, it is damaged, or it holds no trial.
    """
    journals = Warehouse(warehouse).journals(config_id)
    if not journals:
        raise JournalError(
            f"{config_id}: there is no journal yet", "materialize benchmark_trials first"
        )
    return build_calls(read_journal(journals[-1]))
