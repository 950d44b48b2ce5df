"""The tables of every batch that was ever published, in the order in which they were measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from dualollama_pipeline.core.errors import TableError
from dualollama_pipeline.tables.schemas import SCHEMAS, conform

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dualollama_pipeline.tables.store import TableStore


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

    Rows of one origin only, as `TableStore.load_all`: where anything was measured, what was only
    simulated is left out.

    Raises:
        TableError: no batch is there, or a file is damaged.
    """
    wanted = set(SCHEMAS[table].columns)
    parts, other = [], []
    for path in _files(store, table, config_ids):
        part = _read(path)
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
    measured = rows["origin"].eq("measured")
    return (rows[measured].reset_index(drop=True) if measured.any() else rows), other


def batch_starts(store: TableStore, config_ids: Sequence[str]) -> pd.Series:
    """Return when each batch began (the first `started_at` of its calls), by batch_id, sorted.

    Raises:
        TableError: a file is damaged.
    """
    columns = ["batch_id", "started_at"]
    parts = [_read(path, columns) for path in _files(store, "call_table", config_ids)]
    if not parts:
        return pd.Series(dtype="datetime64[ns, UTC]", name="started_at")
    stamps = pd.concat(parts, ignore_index=True).drop_duplicates()
    when = pd.to_datetime(stamps["started_at"], utc=True, format="ISO8601")
    return when.groupby(stamps["batch_id"].astype(object)).min().sort_values()


def _files(store: TableStore, table: str, config_ids: Sequence[str]) -> list[Path]:
    folder = store.root / "history" / table
    return [path for name in config_ids for path in sorted((folder / name).glob("*.parquet"))]


def _read(path: Path, columns: Sequence[str] | None = None) -> pd.DataFrame:
    try:
        df: pd.DataFrame = pq.ParquetFile(path).read(columns=columns).to_pandas()
    except (OSError, pa.ArrowException) as error:
        raise TableError(
            f"{path}: cannot read the table ({error})",
            "remove the file; the batch's journal is untouched",
        ) from error
    return df
