"""The tables of every batch that was ever published, in the order in which they were measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from dualollama_pipeline.core.errors import TableError
from dualollama_pipeline.tables.conform import conform, empty, schema_of
from dualollama_pipeline.tables.kept import read_kept
from dualollama_pipeline.tables.parquet import read_many

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dualollama_pipeline.tables.store import TableStore


class Nights(NamedTuple):
    """Trials and blocks of every batch; `order` holds the batch ids, the earliest first.

    `left_out` says of files of the history why they could not be used.
    """

    runs: pd.DataFrame
    blocks: pd.DataFrame
    order: list[str]
    left_out: dict[str, str]


def load_nights(store: TableStore, config_ids: Sequence[str]) -> Nights:
    """Read what a trend is made of; without rows where no batch can be used."""
    runs, no_runs = load_history(store, "run_table", config_ids)
    blocks, no_blocks = load_history(store, "block_table", config_ids)
    starts, no_starts = batch_starts(store, config_ids)
    order = [str(batch_id) for batch_id in starts.index]
    unknown = sorted((set(blocks["batch_id"]) | set(runs["batch_id"])) - set(order))
    return Nights(runs, blocks, [*unknown, *order], no_runs | no_blocks | no_starts)


def load_history(
    store: TableStore, table: str, config_ids: Sequence[str]
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Read a table of all batches; return (rows, {file: why it was left out}).

    Rows of one origin and one workload only, as of the current tables (`of_one_kind`).
    """
    files = history_files(store, table, config_ids)
    rows, left_out = read_kept(_kept(store, table), files, list(schema_of(table).columns))
    try:
        rows = conform(table, rows)
    except TableError:
        rows, broken = _one_by_one(table, [path for path in files if str(path) not in left_out])
        left_out |= broken
    return store.of_one_kind(rows)[0], left_out


def _one_by_one(table: str, files: Sequence[Path]) -> tuple[pd.DataFrame, dict[str, str]]:
    """Check each file by itself: slow, and only needed to find those that break the schema."""
    columns = list(schema_of(table).columns)
    sound, broken = [], {}
    for path in files:
        try:
            sound.append(conform(table, read_many([path], columns)[0]))
        except TableError as error:
            broken[str(path)] = f"damaged: {error.problem}"
    return (pd.concat(sound, ignore_index=True) if sound else empty(table)), broken


def batch_starts(store: TableStore, config_ids: Sequence[str]) -> tuple[pd.Series, dict[str, str]]:
    """Return when each batch began, by batch_id, sorted, and {file: why it was left out}.

    A batch begins with the first `started_at` of its calls.
    """
    stamps, left_out = read_history(store, "call_table", config_ids, ["batch_id", "started_at"])
    stamps = stamps.drop_duplicates()
    when = pd.to_datetime(stamps["started_at"], utc=True, format="ISO8601")
    return when.groupby(stamps["batch_id"].astype(object)).min().sort_values(), left_out


def read_history(
    store: TableStore, table: str, config_ids: Sequence[str], columns: Sequence[str]
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Read some columns of a table of all batches, unchecked; return (rows, {file: why not})."""
    files = history_files(store, table, config_ids)
    return read_kept(_kept(store, f"{table}-{len(columns)}-columns"), files, columns)


def _kept(store: TableStore, name: str) -> Path:
    return store.root / "history" / f"{name}.parquet"


def history_files(store: TableStore, table: str, config_ids: Sequence[str]) -> list[Path]:
    """Return the files of a table, of every batch of these configurations."""
    folder = store.root / "history" / table
    return [path for name in config_ids for path in sorted((folder / name).glob("*.parquet"))]
