"""Tables from journals, statistics and report from tables, without Dagster: `dualollama report`."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dualollama_pipeline.core.errors import JournalError
from dualollama_pipeline.core.matrix import load_matrix
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.report.gather import gather_inputs
from dualollama_pipeline.report.publish import publish_report
from dualollama_pipeline.report.recompute import (
    publish_decisions,
    publish_published,
    publish_statistics,
)
from dualollama_pipeline.tables.build import build_tables
from dualollama_pipeline.tables.latest import journals_to_latest
from dualollama_pipeline.tables.store import TableStore
from dualollama_pipeline.worker.journal import read_journal

if TYPE_CHECKING:
    from pathlib import Path

    from dualollama_pipeline.core.settings import Settings

MEASURED = ("call_table", "cell_table", "run_table", "block_table")


class Rebuilt(NamedTuple):
    """The configurations that have tables now; {journal of an older batch: why it has none}."""

    config_ids: list[str]
    left_out: dict[str, str]


def rebuild_tables(settings: Settings) -> Rebuilt:
    """Make all tables anew, those of the history included, each from its journal.

    Raises:
        InputError: the matrix cannot be used.
        JournalError: the latest journal of a configuration is damaged or holds no trial.
        TableError: the tables cannot be written.
    """
    store = TableStore(Warehouse(settings.warehouse).tables)
    rebuilt = Rebuilt([], {})
    for config_id in load_matrix(settings.data / "matrix.yaml").config_ids:
        journals = journals_to_latest(settings.warehouse, config_id)
        if not journals:
            continue
        *older, latest = journals
        for path in older:
            try:
                for table, df in build_tables(read_journal(path))._asdict().items():
                    store.archive(table, df, config_id)
            except JournalError as error:  # one lost night must not cost all others
                rebuilt.left_out[str(path)] = error.problem
        for table, df in build_tables(read_journal(latest))._asdict().items():
            store.publish(table, df, config_id)
        rebuilt.config_ids.append(config_id)
    return rebuilt


def rebuild_report(settings: Settings) -> Path:
    """Compute all that follows from the measured tables anew, publish it and the report.

    Returns the page's path.

    Raises:
        InputError: a file of data/ or what was imported cannot be used.
        TableError: no configuration has been measured yet, or a table is damaged.
    """
    config_ids = load_matrix(settings.data / "matrix.yaml").config_ids
    warehouse = Warehouse(settings.warehouse)
    store = TableStore(warehouse.tables)
    tables = {name: store.load_all(name, config_ids)[0] for name in MEASURED}
    for publish in (publish_statistics, publish_published, publish_decisions):
        tables |= publish(settings, store, tables)
    return publish_report(gather_inputs(settings, tables), warehouse.report).page
