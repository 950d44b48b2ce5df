"""A history of many nights, made from one that was measured: other batch ids, dates and levels."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from pathlib import Path

# what may move from night to night without breaking a rule between columns
MOVED = {
    "block_table": ("weighted_speedup", "against_shared"),
    "run_table": ("balance_speedup", "balance_efficiency_pct", "sequential_s"),
}


def add_nights(warehouse: Path, first: int, last: int) -> None:
    """Add nights `first` to `last` - 1 to the history, each a day before the one that was there."""
    for history in sorted((warehouse / "tables" / "history").iterdir()):
        for folder in sorted(history.iterdir()):
            measured = min(folder.glob("run-*.parquet"))
            table = pq.ParquetFile(measured).read()
            for night in range(first, last):
                made = _moved(history.name, folder.name, table, night)
                pq.write_table(made, folder / f"{_batch(night)}.parquet")
    for folder in sorted((warehouse / "journals").iterdir()):
        journal = min(folder.glob("run-*.jsonl"))
        for night in range(first, last):
            os.link(journal, folder / f"{_batch(night)}.jsonl")


def _batch(night: int) -> str:
    return f"nightly-{night:05}"


def _moved(name: str, config_id: str, table: pa.Table, night: int) -> pa.Table:
    columns = {column: table[column] for column in table.column_names}
    columns["batch_id"] = pa.array([_batch(night)] * len(table), table["batch_id"].type)
    if "started_at" in columns:
        back = timedelta(days=1_000 - night)
        shifted = [
            (datetime.fromisoformat(text) - back).isoformat(timespec="milliseconds")
            for text in table["started_at"].to_pylist()
        ]
        columns["started_at"] = pa.array(shifted, table["started_at"].type)
    seed = [night, *config_id.encode()]
    level = 1 - 0.02 * float(np.random.default_rng(seed).random())
    for column in MOVED.get(name, ()):
        values = table[column].to_numpy(zero_copy_only=False)
        columns[column] = pa.array(values * level, from_pandas=True)
    return pa.table(columns).replace_schema_metadata(table.schema.metadata)
