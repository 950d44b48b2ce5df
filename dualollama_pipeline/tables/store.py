"""Tables on disk: Parquet, written whole or not at all, checked on the way in and out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from dualollama_pipeline.core.atomic import write_atomically
from dualollama_pipeline.core.errors import TableError
from dualollama_pipeline.tables.parquet import read_file
from dualollama_pipeline.tables.schemas import check_columns, conform

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


NOT_MEASURED = "not measured yet"
REBUILD = "rebuild it from the journal: dualollama report --from-journals"


def of_one_kind(rows: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """Keep rows of one origin and one workload; return (rows, why a configuration lost some).

    Where anything has been measured, what was only simulated is left out, and so is `parity` where
    there is `standard`: a mean over both would be neither.
    """
    lost: dict[str, str] = {}
    for column, preferred in (("origin", "measured"), ("workload", "standard")):
        wanted = rows[column].eq(preferred)
        if wanted.any():
            others = rows.loc[~wanted, ["config_id", column]].drop_duplicates()
            lost |= {
                str(config_id): f"only {value} so far"
                for config_id, value in others.itertuples(index=False)
            }
            rows = rows[wanted].reset_index(drop=True)
    return rows, lost


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
        paths = [self.path(table, config_id)]
        if config_id is not None:
            paths.insert(0, self._place_in_history(table, checked, config_id))
        _write(checked, paths)
        return checked

    def archive(self, table: str, df: pd.DataFrame, config_id: str) -> None:
        """Check and write a partition to the history alone: it is not the latest.

        Raises:
            TableError: as `publish`.
        """
        checked = conform(table, df)
        _write(checked, [self._place_in_history(table, checked, config_id)])

    def _place_in_history(self, table: str, checked: pd.DataFrame, config_id: str) -> Path:
        return self.history_path(table, config_id, str(checked["batch_id"].iloc[0]))

    def load(self, table: str, config_id: str | None = None) -> pd.DataFrame:
        """Read one table or partition, checked.

        Raises:
            TableError: it is not there, damaged, or breaks the schema; names the file.
        """
        path = self.path(table, config_id)
        return conform(table, read_file(path, REBUILD), str(path))

    def partitions(self, table: str) -> list[str]:
        """Return the configurations that have this table."""
        return sorted(path.stem for path in (self.root / table).glob("*.parquet"))

    def load_all(
        self, table: str, config_ids: Sequence[str]
    ) -> tuple[pd.DataFrame, dict[str, str]]:
        """Read all partitions of `config_ids` that can be used; return (rows, why others are not).

        Rows of one origin and one workload only (`of_one_kind`). A damaged partition is left out,
        too, and named like the others.

        Raises:
            TableError: none can be used.
        """
        parts: dict[str, pd.DataFrame] = {}
        left_out = dict.fromkeys(config_ids, NOT_MEASURED)
        present = set(self.partitions(table))
        for config_id in [name for name in config_ids if name in present]:
            path = self.path(table, config_id)
            try:
                part = read_file(path, REBUILD)
                check_columns(table, part, str(path))
                parts[config_id] = part
            except TableError as error:
                left_out[config_id] = f"damaged: {error.problem}"
        rows = self._checked_together(table, parts, left_out)
        rows, others = of_one_kind(rows)
        left_out |= others
        used = set(rows["config_id"])
        return rows, {name: why for name, why in left_out.items() if name not in used}

    def _checked_together(
        self, table: str, parts: dict[str, pd.DataFrame], left_out: dict[str, str]
    ) -> pd.DataFrame:
        """Join and check partitions; those that break the schema go to `left_out`.

        All at once: one check of all rows is 20 times faster than one for each part.
        """
        if not parts:
            damaged = [why for why in left_out.values() if why != NOT_MEASURED]
            raise TableError(
                "\n".join(damaged) or f"{self.root / table}: no partition is there yet",
                "rebuild the tables from the journals: dualollama report --from-journals"
                if damaged
                else "materialize at least one configuration first (make run, or the Dagster UI)",
            )
        try:
            return conform(table, pd.concat(parts.values(), ignore_index=True))
        except TableError:
            sound = {}
            for config_id, part in parts.items():
                try:
                    sound[config_id] = conform(table, part, str(self.path(table, config_id)))
                except TableError as error:
                    left_out[config_id] = f"damaged: {error.problem}"
            if len(sound) == len(parts):
                raise  # each is sound alone: no partition is to blame
            return self._checked_together(table, sound, left_out)


def _write(checked: pd.DataFrame, paths: Sequence[Path]) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pandas(checked, preserve_index=False), sink)
    content = sink.getvalue().to_pybytes()
    try:
        for path in paths:
            write_atomically(path, content)
    except OSError as error:
        raise TableError(
            f"{paths[-1]}: cannot write the table ({error})",
            "make room or make the warehouse writable, then materialize again",
        ) from error
