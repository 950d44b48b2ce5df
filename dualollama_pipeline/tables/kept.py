"""The rows of many files kept in a few beside them: only files that have changed are opened.

Opening thousands of files takes ten seconds, reading what is in them one. What is kept is no
evidence and no table: whoever deletes it waits once.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dualollama_pipeline.core.atomic import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Piece = tuple[NDArray[np.int64], pa.Table]

FILES, VERSION = b"files", b"version"  # in the metadata; FILES: names, times, sizes, rows
Stamp = tuple[str, int, int]  # name, time of the last change, size


class Read(NamedTuple):
    """What may be kept: rows, of each file as many as `n_rows` says; and why others may not."""

    rows: pa.Table | None
    n_rows: dict[Path, int]
    left_out: dict[str, str]


class Source(NamedTuple):
    """Files of a folder as they are now, in their order, and what reads some of them.

    What was read under another `version` is read again.
    """

    folder: Path
    stamps: Sequence[Stamp]
    read: Callable[[Sequence[Path]], Read]
    version: str


def stamps_in(folder: Path, names: Sequence[str]) -> list[Stamp]:
    """Return the tables in some folders of a folder, of each sorted by name."""
    found: list[Stamp] = []
    for name in names:
        with suppress(FileNotFoundError), os.scandir(folder / name) as entries:
            stats = {each.name: each.stat() for each in entries if each.name.endswith(".parquet")}
            found += [(f"{name}/{x}", s.st_mtime_ns, s.st_size) for x, s in sorted(stats.items())]
    return found


class _Entry(NamedTuple):
    """Rows of one file as it was; `place` among the stamps, -1 where it is so no more."""

    stamp: Stamp
    n_rows: int
    place: int


class _Segment(NamedTuple):
    path: Path
    entries: list[_Entry]
    table: pa.Table | None = None  # its content where that is at hand

    @property
    def used(self) -> list[_Entry]:
        return [entry for entry in self.entries if entry.place >= 0]

    @property
    def places(self) -> NDArray[np.int64]:
        """Where among the stamps that of each row is."""
        places = np.array([entry.place for entry in self.entries], dtype=np.int64)
        return np.repeat(places, [entry.n_rows for entry in self.entries])

    def rows(self, columns: Sequence[str] | None = None) -> pa.Table:
        """Return the rows that are used."""
        if self.table is not None:
            return self.table if columns is None else self.table.select(list(columns))
        file = pq.ParquetFile(self.path, page_checksum_verification=True)
        found, is_used = file.read(columns), self.places >= 0
        return found if is_used.all() else found.filter(pa.array(is_used))


def read_kept(
    folder: Path, source: Source, columns: Sequence[str]
) -> tuple[pa.Table, dict[str, str]]:
    """Return some columns of all rows, in the order of the stamps, and {file: why it is left out}.

    `folder` is brought up to date.
    """
    try:
        pieces, left_out = _pieces(folder, source, columns)
    except (OSError, pa.ArrowException):  # damaged, or swept by another process meanwhile
        with suppress(OSError):
            for path in folder.glob("*.parquet"):
                path.unlink(missing_ok=True)
        pieces, left_out = _pieces(folder, source, columns)
    if not pieces:
        return pa.table({name: pa.nulls(0) for name in columns}), left_out
    order = np.concatenate([places for places, _ in pieces])
    found = pa.concat_tables([rows for _, rows in pieces], promote_options="permissive")
    is_in_order = bool((np.diff(order) >= 0).all())
    return found if is_in_order else found.take(np.argsort(order, kind="stable")), left_out


def _pieces(
    folder: Path, source: Source, columns: Sequence[str]
) -> tuple[list[Piece], dict[str, str]]:
    """Return rows with the places of their files, and what is left out."""
    wanted = {stamp: place for place, stamp in enumerate(source.stamps)}
    segments = [_segment(path, wanted, source.version) for path in sorted(folder.glob("*.parquet"))]
    if not wanted:
        return _used(segments, columns), {}
    of_path = {source.folder / stamp[0]: (stamp, place) for stamp, place in wanted.items()}
    made = source.read(list(of_path))
    if made.rows is not None:
        entries = [
            _Entry(of_path[path][0], n_rows, of_path[path][1])
            for path, n_rows in made.n_rows.items()
        ]
        segments = _added(folder, source.version, segments, entries, made.rows)
    return _used(segments, columns), made.left_out


def _used(segments: list[_Segment], columns: Sequence[str]) -> list[Piece]:
    return [
        (segment.places[segment.places >= 0], segment.rows(columns).select(list(columns)))
        for segment in segments
        if segment.used
    ]


def _segment(path: Path, wanted: dict[Stamp, int], version: str) -> _Segment:
    """Return whose rows a kept file holds, and take them from what is wanted; none if unusable."""
    with suppress(OSError, pa.ArrowException, KeyError, TypeError, ValueError):
        known = pq.ParquetFile(path).schema_arrow.metadata or {}
        if known[VERSION].decode() == version:
            *stamps, n_rows = json.loads(known[FILES])
            files = zip(zip(*stamps, strict=True), n_rows, strict=True)
            return _Segment(path, [_Entry(each, n, wanted.pop(each, -1)) for each, n in files])
    return _Segment(path, [])


def _added(
    folder: Path, version: str, segments: list[_Segment], fresh: list[_Entry], rows: pa.Table
) -> list[_Segment]:
    """Keep rows in a segment of their own, together with those of segments that are no larger.

    So there are few segments, and a night is written anew a few times at most.
    """
    entries, parts = list(fresh), [rows]
    left = sorted(segments, key=lambda segment: len(segment.used))
    while left and len(left[0].used) <= len(entries):
        segment = left.pop(0)
        if segment.used:
            entries, parts = segment.used + entries, [segment.rows(), *parts]
    whole = pa.concat_tables(parts).combine_chunks()
    by_column = zip(*((*entry.stamp, entry.n_rows) for entry in entries), strict=True)
    files = json.dumps(list(by_column)).encode()  # four long lists: a list a file takes longer
    metadata = {**(whole.schema.metadata or {}), FILES: files, VERSION: version.encode()}
    sink = pa.BufferOutputStream()
    pq.write_table(whole.replace_schema_metadata(metadata), sink, write_page_checksum=True)
    made = _Segment(folder / f"{sha256(files).hexdigest()[:16]}.parquet", entries, whole)
    with suppress(OSError):  # a full disk, a warehouse of another user: then it is slow once more
        write_atomically(made.path, sink.getvalue().to_pybytes())
        for path in {segment.path for segment in segments} - {made.path, *(s.path for s in left)}:
            path.unlink(missing_ok=True)
    return [*left, made]
