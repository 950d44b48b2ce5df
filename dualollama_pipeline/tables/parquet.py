"""Parquet files in: one of them, or some columns of many; what cannot be used is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from dualollama_pipeline.core.errors import TableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


def read_file(path: Path, way_out: str) -> pa.Table:
    """Read one file whole.

    Raises:
        TableError: it is missing or damaged; names the file and the way out.
    """
    try:
        # ParquetFile, not read_table: the latter takes a folder name for a partition column;
        # threads would cost more than there is to do
        return pq.ParquetFile(path).read(use_threads=False)
    except (OSError, pa.ArrowException) as error:
        raise TableError(f"{path}: cannot read the table ({error})", way_out) from error


def read_parts(
    paths: Iterable[Path], columns: Sequence[str], version: Iterable[str] = ()
) -> tuple[dict[Path, pa.Table], dict[str, str]]:
    """Read some columns of each file; return ({file: its rows}, {file: why it was left out}).

    A damaged file, or one that lacks one of them or of those of `version`, hides no other.
    """
    wanted = dict.fromkeys([*columns, *version])
    parts: dict[Path, pa.Table] = {}
    left_out: dict[str, str] = {}
    for path in paths:
        try:
            file = pq.ParquetFile(pa.BufferReader(path.read_bytes()))
            known = set(file.schema.names)
            lacking = [name for name in wanted if name not in known]
            if lacking:
                left_out[str(path)] = f"of another version: it has no {', '.join(lacking)}"
            else:
                parts[path] = file.read(list(columns), use_threads=False).select(list(columns))
        except (OSError, pa.ArrowException) as error:
            left_out[str(path)] = f"damaged: {error}"
    return parts, left_out
