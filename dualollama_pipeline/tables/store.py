"""Tables on disk: Parquet, written whole or not at all, checked on the way in and out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from dualollama_pipeline.core.errors import TableError
from dualollama_pipeline.tables.schemas import check_columns, conform

if TYPE_CHECKING:
    from pathlib import Path


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that a reader, or a power cut, sees the old or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the new name itself must survive
    finally:
        os.close(folder)


@dataclass(frozen=True)
class TableStore:
    """The tables below one folder: the latest by partition, and the history of every batch."""

    root: Path

    def path(self, table: str, config_id: str | None = None) -> Path:
        """Return the file of a table, or of its partition."""
        folder = self.root / table
        return (
            folder.with_suffix(".parquet") if config_id is None else folder / f"{config_id}.parquet"
        )

    def history_path(self, table: str, config_id: str, batch_id: str) -> Path:
        """Return the file that keeps one batch of a partition for good."""
        return self.root / "history" / table / config_id / f"{batch_id}.parquet"

    def publish(self, table: str, df: pd.DataFrame, config_id: str | None = None) -> pd.DataFrame:
        """Check and write a table (a partition also to the history); return what was written.

        Raises:
            TableError: the rows break the schema (nothing is written), or the disk refuses.
        """
        checked = conform(table, df)
        sink = pa.BufferOutputStream()
        pq.write_table(pa.Table.from_pandas(checked, preserve_index=False), sink)
        content = sink.getvalue().to_pybytes()
        try:
            if config_id is not None:
                batch_id = str(checked["batch_id"].iloc[0])
                write_atomically(self.history_path(table, config_id, batch_id), content)
            write_atomically(self.path(table, config_id), content)
        except OSError as error:
            raise TableError(
                f"{self.path(table, config_id)}: cannot write the table ({error})",
                "make room or make the warehouse writable, then materialize again",
            ) from error
        return checked

    def load(self, table: str, config_id: str | None = None) -> pd.DataFrame:
        """Read one table or partition, checked.

        Raises:
            TableError: it is not there, damaged, or breaks the schema; names the file.
        """
        path = self.path(table, config_id)
        return conform(table, self._read(path), str(path))

    def _read(self, path: Path) -> pd.DataFrame:
        try:
            # ParquetFile, not read_table: the latter takes a folder name for a partition column
            df: pd.DataFrame = pq.ParquetFile(path).read().to_pandas()
        except (OSError, pa.ArrowException) as error:
            raise TableError(
                f"{path}: cannot read the table ({error})",
                "rebuild it from the journal: dualollama report --from-journals",
            ) from error
        return df

    def partitions(self, table: str) -> list[str]:
        """Return the configurations that have this table."""
        return sorted(path.stem for path in (self.root / table).glob("*.parquet"))

    def load_all(self, table: str, config_ids: list[str]) -> tuple[pd.DataFrame, list[str]]:
        """Read all partitions of `config_ids` that exist; return (rows, missing configurations).

        Rows of one origin only: where anything has been measured, what was only simulated counts
        as missing. A mean over both would be neither.

        Raises:
            TableError: none exists, or one is damaged.
        """
        present = set(self.partitions(table))
        paths = [self.path(table, config_id) for config_id in config_ids if config_id in present]
        parts = [self._read(path) for path in paths]
        for path, part in zip(paths, parts, strict=True):
            check_columns(table, part, str(path))
        if not parts:
            raise TableError(
                f"{self.root / table}: no partition is there yet",
                "materialize at least one configuration first (make run, or the Dagster UI)",
            )
        # checked as a whole: one check of all rows is 20 times faster than one for each part
        rows = conform(table, pd.concat(parts, ignore_index=True))
        measured = rows["origin"].eq("measured")
        if measured.any():
            rows = rows[measured].reset_index(drop=True)
        present = set(rows["config_id"])
        return rows, [config_id for config_id in config_ids if config_id not in present]
