"""Parquet files in: one of them, or some columns of many; what cannot be used is named."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from dualollama_pipeline.core.errors import TableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
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


def read_many(paths: Iterable[Path], columns: Sequence[str]) -> tuple[pd.DataFrame, dict[str, str]]:
    """Read some columns of many small files; return (rows, {file: why it was left out}).

    A damaged file, or one of a version without these columns, must not hide all others. Joined
    before pandas sees them: a frame for each file takes ten times as long.
    """
    parts, left_out = read_parts(paths, columns)
    table, unfit = joined(parts, columns)
    rows: pd.DataFrame = table.to_pandas()
    return rows, left_out | unfit


def read_parts(
    paths: Iterable[Path], columns: Sequence[str], version: Iterable[str] = ()
) -> tuple[dict[Path, pa.Table], dict[str, str]]:
    """Read some columns of each file; return ({file: its rows}, {file: why it was left out}).

    A file that lacks one of them, or of those that its `version` has, is left out.
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


def joined(
    parts: Mapping[Path, pa.Table], columns: Sequence[str]
) -> tuple[pa.Table, dict[str, str]]:
    """Join tables; those whose types do not go with what most of them have are left out, named."""
    if not parts:
        return pa.table({name: pa.nulls(0) for name in columns}), {}
    try:
        # permissive: a column that is empty in one file has no type there
        return pa.concat_tables(parts.values(), promote_options="permissive"), {}
    except pa.ArrowException:
        schemas = Counter(part.schema.remove_metadata() for part in parts.values())
        ((usual, _),) = schemas.most_common(1)
        fitting, left_out = [], {}
        for path, part in parts.items():
            try:
                pa.unify_schemas([usual, part.schema], promote_options="permissive")
                fitting.append(part)
            except pa.ArrowException as error:
                left_out[str(path)] = f"damaged: {error}"
        return pa.concat_tables(fitting, promote_options="permissive"), left_out
