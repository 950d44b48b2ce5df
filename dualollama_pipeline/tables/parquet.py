"""Parquet files in: one of them, or some columns of many; what cannot be used is named."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from dualollama_pipeline.core.errors import TableError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


def read_file(path: Path, way_out: str) -> pd.DataFrame:
    """Read one file whole.

    Raises:
        TableError: it is missing or damaged; names the file and the way out.
    """
    try:
        # ParquetFile, not read_table: the latter takes a folder name for a partition column
        df: pd.DataFrame = pq.ParquetFile(path).read().to_pandas()
    except (OSError, pa.ArrowException) as error:
        raise TableError(f"{path}: cannot read the table ({error})", way_out) from error
    return df


def read_many(paths: Iterable[Path], columns: Sequence[str]) -> tuple[pd.DataFrame, dict[str, str]]:
    """Read some columns of many small files; return (rows, {file: why it was left out}).

    A damaged file, or one of a version without these columns, must not hide all others. Joined
    before pandas sees them: a frame for each file takes ten times as long.
    """
    parts: dict[str, pa.Table] = {}
    left_out: dict[str, str] = {}
    for path in paths:
        try:
            file = pq.ParquetFile(path)
            known = set(file.schema_arrow.names)
            lacking = [name for name in columns if name not in known]
            if lacking:
                left_out[str(path)] = f"of another version: it has no {', '.join(lacking)}"
            else:
                parts[str(path)] = file.read(columns=list(columns)).select(list(columns))
        except (OSError, pa.ArrowException) as error:
            left_out[str(path)] = f"damaged: {error}"
    if not parts:
        return pd.DataFrame(columns=list(columns)), left_out
    rows: pd.DataFrame = _joined(parts, left_out).to_pandas()
    return rows, left_out


def _joined(parts: dict[str, pa.Table], left_out: dict[str, str]) -> pa.Table:
    """Join tables; those whose types do not go with what most of them have go to `left_out`."""
    try:
        # permissive: a column that is empty in one file has no type there
        return pa.concat_tables(parts.values(), promote_options="permissive")
    except pa.ArrowException:
        schemas = Counter(part.schema.remove_metadata() for part in parts.values())
        ((usual, _),) = schemas.most_common(1)
        fitting = {}
        for path, part in parts.items():
            try:
                pa.unify_schemas([usual, part.schema], promote_options="permissive")
                fitting[path] = part
            except pa.ArrowException as error:
                left_out[path] = f"damaged: {error}"
        return pa.concat_tables(fitting.values(), promote_options="permissive")
