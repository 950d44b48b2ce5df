"""The tables of every batch that was ever published, in the order in which they were measured."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pandas as pd
import pyarrow as pa

from dualollama_pipeline.core.errors import TableError
from dualollama_pipeline.tables.conform import conform, empty, schema_of, sound_part, version
from dualollama_pipeline.tables.kept import Read, Source, read_kept, stamps_in
from dualollama_pipeline.tables.parquet import read_file, read_parts
from dualollama_pipeline.tables.store import REBUILD

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from dualollama_pipeline.tables.store import TableStore


_WHERE = (
    "origin", "batch_id", "config_id", "scenario", "workload", "effective_class", "arm", "status",
    "validity",
)  # fmt: skip
# what is asked of all nights, so that it is read from their files once
ASKED: dict[str, tuple[str, ...]] = {
    "run_table": (
        *_WHERE, "block", "trial_id", "n_agents", "wall_s", "sequential_s", "balance_speedup",
        "balance_efficiency_pct", "ttft_delta_ms", "ttft_contention",
    ),
    "block_table": (
        *_WHERE, "block", "n_agents", "weighted_speedup", "against_shared", "counts", "n_reloads",
        "prompt_share", "exact_speedup",
    ),
    "agent_table": (*_WHERE, "trial_id", "mean_decode_tok_per_s"),
    "call_table": (
        *_WHERE, "trial_id", "started_at", "failure_kind", "ttft_ms", "total_ms", "n_tokens",
    ),
}  # fmt: skip


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
    runs, no_runs = load_history(store, "run_table", config_ids, ASKED["run_table"])
    blocks, no_blocks = load_history(store, "block_table", config_ids, ASKED["block_table"])
    starts, no_starts = batch_times(store, config_ids)
    order = [str(batch_id) for batch_id in starts.index]
    unknown = sorted({*blocks["batch_id"].unique(), *runs["batch_id"].unique()} - set(order))
    return Nights(runs, blocks, [*unknown, *order], no_runs | no_blocks | no_starts)


def load_history(
    store: TableStore, table: str, config_ids: Sequence[str], columns: Sequence[str] = ()
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Read a table of all batches, checked; return (rows, {file: why it was left out}).

    Rows of one origin and one workload only, as of the current tables (`of_one_kind`). With
    `columns`, these are read and checked alone; files of another version are left out all the same.
    """
    names = tuple(columns or schema_of(table).columns)
    source = _source(store, table, config_ids, names)
    rows, left_out = read_kept(_kept(store, table, names), source, names)
    found = rows.to_pandas() if len(rows) else empty(table)[list(names)]
    return store.of_one_kind(found)[0], left_out


def _source(
    store: TableStore, table: str, config_ids: Sequence[str], names: tuple[str, ...]
) -> Source:
    folder = store.root / "history" / table
    stamps = stamps_in(folder, config_ids)
    return Source(folder, stamps, partial(_checked, table, names), f"{version()} {' '.join(names)}")


def _checked(table: str, names: tuple[str, ...], files: Sequence[Path]) -> Read:
    """Read files: all at once, or one by one where that is needed to find who is wrong."""
    parts, left_out = read_parts(files, names, schema_of(table).columns)
    rows = _sound(table, parts.values())
    if rows is not None or not parts:
        return Read(rows, {path: len(part) for path, part in parts.items()}, left_out)
    alone = {path: _sound(table, [part]) for path, part in parts.items()}
    sound = {path: rows for path, rows in alone.items() if rows is not None}
    left_out |= {str(path): _why_not(table, path) for path in alone if path not in sound}
    rows = pa.concat_tables(sound.values()) if sound else None
    return Read(rows, {path: len(part) for path, part in sound.items()}, left_out)


def _sound(table: str, parts: Collection[pa.Table]) -> pa.Table | None:
    """Return rows below each other, checked and in their types; None where there are no such."""
    with suppress(pa.ArrowException):
        if parts:  # permissive: a column that is empty in one file has no type there
            whole = pa.concat_tables(parts, promote_options="permissive").to_pandas()
            typed = sound_part(table, whole)
            return None if typed is None else pa.Table.from_pandas(typed, preserve_index=False)
    return None


def _why_not(table: str, path: Path) -> str:
    try:
        conform(table, read_file(path, REBUILD).to_pandas())
    except TableError as error:
        return f"damaged: {error.problem}"
    return "damaged"


def batch_times(store: TableStore, config_ids: Sequence[str]) -> tuple[pd.Series, dict[str, str]]:
    """Return when each batch was last at work, sorted, and {file: why it was left out}.

    By the last `started_at` of its calls: a batch that was cut off and gone on with later is later.
    """
    stamps, left_out = read_history(store, "call_table", config_ids, ["batch_id", "started_at"])
    stamps = stamps.drop_duplicates()
    when = pd.to_datetime(stamps["started_at"], utc=True, format="ISO8601")
    return when.groupby(stamps["batch_id"].astype(object)).max().sort_values(), left_out


def read_history(
    store: TableStore, table: str, config_ids: Sequence[str], columns: Sequence[str]
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Read some columns (of ASKED) of all batches, unchecked where files are not of this version.

    Return (rows, {file: why it was left out}).
    """
    source = _source(store, table, config_ids, ASKED[table])
    rows, others = read_kept(_kept(store, table, ASKED[table]), source, columns)
    types = empty(table)[list(columns)].dtypes
    found = [rows.to_pandas().astype(types)]
    parts, left_out = read_parts(map(Path, others), columns)
    for path, part in parts.items():
        try:
            found.append(part.to_pandas().astype(types))
        except (TypeError, ValueError) as error:
            left_out[str(path)] = f"damaged: {error}"
    return pd.concat(found, ignore_index=True), left_out


def _kept(store: TableStore, table: str, names: tuple[str, ...]) -> Path:
    return store.root / "kept" / (table if names == ASKED[table] else f"{table}, {len(names)}")
