"""The tables of every batch that was ever published, in the order in which they were measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from dualollama_pipeline.core.errors import TableError
from dualollama_pipeline.tables.parquet import read_columns, read_file
from dualollama_pipeline.tables.schemas import SCHEMAS, conform
from dualollama_pipeline.tables.store import of_one_kind

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dualollama_pipeline.tables.store import TableStore

REMOVE = "remove the file; the batch's journal is untouched"


class Nights(NamedTuple):
    """Trials and blocks of every batch; `order` holds the batch ids, the earliest first."""

    runs: pd.DataFrame
    blocks: pd.DataFrame
    order: list[str]
    other_versions: list[str]


def load_nights(store: TableStore, config_ids: Sequence[str]) -> Nights:
    """Read what a trend is made of.

    Raises:
        TableError: no batch is there, or a file is damaged.
    """
    runs, old_runs = load_history(store, "run_table", config_ids)
    blocks, old_blocks = load_history(store, "block_table", config_ids)
    order = [str(batch_id) for batch_id in batch_starts(store, config_ids).index]
    unknown = sorted((set(blocks["batch_id"]) | set(runs["batch_id"])) - set(order))
    return Nights(
        runs,
        blocks,
        [*unknown, *order],
        [*old_runs, *old_blocks],
    )


def load_history(
    store: TableStore, table: str, config_ids: Sequence[str]
) -> tuple[pd.DataFrame, list[str]]:
    """Read a table of all batches; return (rows, files of another version that were left out).

    Rows of one origin and one workload only, as of the current tables (`of_one_kind`).

    Raises:
        TableError: no batch is there, or a file is damaged.
    """
    wanted = set(SCHEMAS[table].columns)
    parts, other = [], []
    for path in _files(store, table, config_ids):
        part = read_file(path, REMOVE)
        if set(part.columns) == wanted:
            parts.append(part)
        else:
            other.append(str(path))
    if not parts:
        raise TableError(
            f"{store.root / 'history' / table}: no batch is there yet",
            "materialize at least one configuration first (make run, or the Dagster UI)",
        )
    rows = conform(table, pd.concat(parts, ignore_index=True))
    return of_one_kind(rows)[0], other


def batch_starts(store: TableStore, config_ids: Sequence[str]) -> pd.Series:
    """Return when each batch began (the first `started_at` of its calls), by batch_id, sorted.

    Raises:
        TableError: a file is damaged.
    """
    columns = ["batch_id", "started_at"]
    paths = _files(store, "call_table", config_ids)
    if not paths:
        return pd.Series(dtype="datetime64[ns, UTC]", name="started_at")
    stamps = read_columns(paths, columns, REMOVE).drop_duplicates()
    when = pd.to_datetime(stamps["started_at"], utc=True, format="ISO8601")
    return when.groupby(stamps["batch_id"].astype(object)).min().sort_values()


def _files(store: TableStore, table: str, config_ids: Sequence[str]) -> list[Path]:
    folder = store.root / "history" / table
    return [path for name in config_ids for path in sorted((folder / name).glob("*.parquet"))]
