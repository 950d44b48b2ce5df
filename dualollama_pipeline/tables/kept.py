"""The files of many nights kept as one beside them: only those that have changed are opened.

Opening thousands of files takes ten seconds, reading what is in them one. A kept file is no
evidence and no table: whoever deletes it waits once, and its rows are checked like the files'.
"""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from dualollama_pipeline.core.atomic import write_atomically
from dualollama_pipeline.tables.parquet import joined, read_parts

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

FILES = b"files"  # in the kept file's metadata: [path, its stamp, its rows], in the order of rows


class _Entry(NamedTuple):
    path: str
    stamp: list[int]
    n_rows: int


def read_kept(
    kept: Path, paths: Sequence[Path], columns: Sequence[str]
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return what `read_many` would, in the order of `paths`; `kept` is brought up to date.

    `paths` lie below the folder of `kept`.
    """
    now = {path: (path.relative_to(kept.parent).as_posix(), _stamp(path)) for path in paths}
    table, entries = _load(kept, columns)
    before = {entry.path: place for place, entry in enumerate(entries)}
    starts = [0]
    for entry in entries:
        starts.append(starts[-1] + entry.n_rows)
    parts: dict[Path, pa.Table] = {}
    for path, (name, stamp) in now.items():
        place = before.get(name)
        if place is not None and entries[place].stamp == stamp:
            parts[path] = table.slice(starts[place], entries[place].n_rows)
    fresh, left_out = read_parts([path for path in paths if path not in parts], columns)
    if not fresh and [now[path][0] for path in parts] == list(before):
        rows: pd.DataFrame = table.to_pandas()
        return rows, left_out
    parts |= fresh
    parts = {path: parts[path] for path in paths if path in parts}
    table, unfit = joined(parts, columns)
    entries = [
        _Entry(*now[path], len(part)) for path, part in parts.items() if str(path) not in unfit
    ]
    table = table.combine_chunks()  # thousands of small ones are slow to write
    _save(kept, table, entries)
    rows = table.to_pandas()
    return rows, left_out | unfit


def _stamp(path: Path) -> list[int]:
    with suppress(OSError):
        stat = path.stat()
        return [stat.st_mtime_ns, stat.st_size]
    return []


def _load(kept: Path, columns: Sequence[str]) -> tuple[pa.Table, list[_Entry]]:
    """Return the kept rows and whose they are; none where they cannot be used."""
    try:
        table = pq.ParquetFile(kept).read()
        known: dict[bytes, Any] = table.schema.metadata or {}
        entries = [_Entry(*entry) for entry in json.loads(known[FILES])]
    except (OSError, pa.ArrowException, KeyError, TypeError, ValueError):
        return joined({}, columns)[0], []
    if table.column_names != list(columns) or sum(each.n_rows for each in entries) != len(table):
        return joined({}, columns)[0], []
    return table, entries


def _save(kept: Path, table: pa.Table, entries: Sequence[_Entry]) -> None:
    metadata = {**(table.schema.metadata or {}), FILES: json.dumps(entries).encode()}
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata(metadata), sink)
    with suppress(OSError):  # a full disk, a warehouse of another user: then it is slow once more
        write_atomically(kept, sink.getvalue().to_pybytes())
