"""Tables on disk: Parquet, written whole or not at all, checked on the way in and out."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from dualollama_pipeline.bench.batches import last_campaign
from dualollama_pipeline.core.atomic import write_atomically
from dualollama_pipeline.core.errors import TableError
from dualollama_pipeline.core.study import study_of
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.tables.conform import check_columns, conform, empty, schema_of
from dualollama_pipeline.tables.parquet import read_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dualollama_pipeline.core.settings import Settings
    from dualollama_pipeline.tables.build import Tables


STANDARD, HELD = "standard", "standard, length held"
WORK = (STANDARD, HELD, "parity")
NOT_MEASURED = "not measured yet"
REBUILD = "rebuild it from the journal: dualollama report --from-journals"


def of_one_kind(
    rows: pd.DataFrame, asked_last: str = "", wanted_work: str = STANDARD
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Keep rows of one origin and one workload; return (rows, why a configuration lost some).

    Where anything has been measured, what was only simulated is left out, and so is what is not
    `wanted_work` (or the first of WORK that is there): a mean over both would be neither. Of a
    study's own work, which has a name of its own for each state of its prompts, the latest.
    `asked_last` is the batch that real servers were last asked for: where it brought nothing, what
    was simulated before must not stand for it.
    """
    lost: dict[str, str] = {}
    brought_nothing = bool(asked_last) and not any(
        str(batch_id).startswith(asked_last) for batch_id in rows["batch_id"].unique()
    )
    brought = rows[["batch_id", "workload"]].drop_duplicates()
    present = set(brought["workload"])
    states = {
        (str(batch_id).partition("-")[2], str(name))
        for batch_id, name in brought.itertuples(index=False)
        if str(name).startswith("study")
    }
    asked = (max(states)[1],) if states else (wanted_work, *WORK)
    work = next((each for each in asked if each in present), wanted_work)
    for column, preferred in (("origin", "measured"), ("workload", work)):
        wanted = rows[column].eq(preferred)
        if wanted.any() or (column == "origin" and brought_nothing):
            others = rows.loc[~wanted, ["config_id", column]].drop_duplicates()
            lost |= {
                str(config_id): f"only {value} so far"
                for config_id, value in others.itertuples(index=False)
            }
            rows = rows[wanted].reset_index(drop=True)
    return rows, lost


@dataclass(frozen=True)
class TableStore:
    """The tables below one folder: the latest by partition, and the history of every batch.

    `asked_last` and `wanted_work`: see `of_one_kind`.
    """

    root: Path
    asked_last: str = ""
    wanted_work: str = STANDARD

    @classmethod
    def of(cls, settings: Settings) -> TableStore:
        """Return the store of a warehouse as its user last used it."""
        warehouse = Warehouse(settings.warehouse)
        last = last_campaign(warehouse.campaigns)
        is_real = last is not None and last.servers != "simulated"
        asked_last = last.batch_id if last is not None and is_real else ""
        is_held = settings.within(study_of(settings)).hold_length
        return cls(warehouse.tables, asked_last, HELD if is_held else STANDARD)

    def of_one_kind(self, rows: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
        """Keep what may be pooled; see the function of this name."""
        return of_one_kind(rows, self.asked_last, self.wanted_work)

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
        if config_id is not None and checked.empty:
            raise TableError(
                f"{table}: {config_id} has no rows", "materialize benchmark_trials of it first"
            )
        self._write(table, checked, config_id)
        return checked

    def publish_all(self, made: Tables, config_id: str) -> None:
        """Write the tables of a configuration, checked when they were made, to history and latest.

        Raises:
            TableError: the disk refuses; names the table.
        """
        for table, df in made._asdict().items():
            self._write(table, df, config_id, _batch_of(made.call_table))

    def archive(self, made: Tables, config_id: str) -> None:
        """Write the tables of a configuration to the history alone: they are not the latest.

        Raises:
            TableError: as `publish_all`.
        """
        batch_id = _batch_of(made.call_table)
        for table, df in made._asdict().items():
            _write(df, [self.history_path(table, config_id, batch_id)])

    def _write(
        self, table: str, checked: pd.DataFrame, config_id: str | None, batch_id: str = ""
    ) -> None:
        paths = [self.path(table, config_id)]
        if config_id is not None:
            paths.insert(0, self.history_path(table, config_id, batch_id or _batch_of(checked)))
        _write(checked, paths)

    def load(self, table: str, config_id: str | None = None) -> pd.DataFrame:
        """Read one table or partition, checked.

        Raises:
            TableError: it is not there, damaged, or breaks the schema; names the file.
        """
        path = self.path(table, config_id)
        return conform(table, read_file(path, REBUILD).to_pandas(), str(path))

    def stamps(self, table: str, config_ids: Sequence[str] | None) -> tuple[object, ...]:
        """Return what tells a table's files, or its partitions', from later ones of that name."""
        found: list[object] = []
        names: Sequence[str | None] = [None] if config_ids is None else config_ids
        for path in [self.path(table, each) for each in names]:
            with suppress(FileNotFoundError):
                stat = path.stat()
                found.append((path, stat.st_ino, stat.st_mtime_ns, stat.st_size))
        return tuple(found)

    def is_current(self, table: str, config_id: str, batch_id: str) -> bool:
        """Say whether a partition is there, of this batch, with the columns of today."""
        try:
            file = pq.ParquetFile(self.path(table, config_id))
            batches = set(file.read(["batch_id"]).column(0).to_pylist())
        except (OSError, pa.ArrowException):
            return False
        return set(file.schema_arrow.names) == set(schema_of(table).columns) and batches <= {
            batch_id
        }

    def partitions(self, table: str) -> list[str]:
        """Return the configurations that have this table."""
        return sorted(path.stem for path in (self.root / table).glob("*.parquet"))

    def load_all(
        self, table: str, config_ids: Sequence[str]
    ) -> tuple[pd.DataFrame, dict[str, str]]:
        """Read all partitions of `config_ids` that can be used; return (rows, why others are not).

        Rows of one origin and one workload only (`of_one_kind`). A damaged partition is left out,
        too, and named like the others; where none can be used, there are no rows.
        """
        parts: dict[str, pa.Table] = {}
        left_out = dict.fromkeys(config_ids, NOT_MEASURED)
        present = set(self.partitions(table))
        for config_id in [name for name in config_ids if name in present]:
            path = self.path(table, config_id)
            try:
                part = read_file(path, REBUILD)
                check_columns(table, part.column_names, str(path))
                parts[config_id] = part
            except TableError as error:
                left_out[config_id] = f"damaged: {error.problem}"
        rows = self._checked_together(table, parts, left_out)
        rows, others = self.of_one_kind(rows)
        left_out |= others
        used = set(rows["config_id"].unique())
        return rows, {name: why for name, why in left_out.items() if name not in used}

    def _checked_together(
        self, table: str, parts: dict[str, pa.Table], left_out: dict[str, str]
    ) -> pd.DataFrame:
        """Join and check partitions; those that break the schema go to `left_out`.

        All at once: one frame and one check are 20 times faster than one for each part.
        """
        if not parts:
            return empty(table)
        try:
            whole = pa.concat_tables(parts.values(), promote_options="permissive")
            return conform(table, whole.to_pandas())
        except (TableError, pa.ArrowException):
            sound = {}
            for config_id, part in parts.items():
                try:
                    source = str(self.path(table, config_id))
                    typed = conform(table, part.to_pandas(), source)
                    sound[config_id] = pa.Table.from_pandas(typed, preserve_index=False)
                except TableError as error:
                    left_out[config_id] = f"damaged: {error.problem}"
            if len(sound) == len(parts):
                raise  # each is sound alone: no partition is to blame
            return self._checked_together(table, sound, left_out)


def _batch_of(rows: pd.DataFrame) -> str:
    return str(rows["batch_id"].iloc[0])


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
