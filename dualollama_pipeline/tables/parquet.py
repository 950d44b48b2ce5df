"""Parquet files in: one of them, or a few columns of many; what is damaged is named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import dataset

from dualollama_pipeline.core.errors import TableError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd


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


def read_columns(paths: Sequence[Path], columns: Sequence[str], way_out: str) -> pd.DataFrame:
    """Read some columns of many small files at once: one by one takes ten times as long.

    Raises:
        TableError: one is damaged or lacks a column; pyarrow names it.
    """
    try:
        files = dataset.dataset([str(path) for path in paths], format="parquet", partitioning=None)
        df: pd.DataFrame = files.to_table(columns=list(columns)).to_pandas()
    except (OSError, pa.ArrowException) as error:
        folder = paths[0].parents[1]
        raise TableError(f"{folder}: cannot read its tables ({error})", way_out) from error
    return df
