"""Tables from journals, statistics and report from tables, without Dagster: `dualollama report`."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
from dualollama_pipeline.tables.latest import latest_journal
from dualollama_pipeline.tables.store import TableStore

if TYPE_CHECKING:
    from pathlib import Path

    from dualollama_pipeline.core.settings import Settings

MEASURED = ("call_table", "cell_table", "run_table", "block_table")


def rebuild_tables(settings: Settings) -> list[str]:
    """Make all tables anew from each configuration's latest journal; return those that have one.

    Raises:
        InputError: the matrix cannot be used.
        JournalError: a journal is damaged or holds no trial.
        TableError: the tables cannot be written.
    """
    warehouse = Warehouse(settings.warehouse)
    store = TableStore(warehouse.tables)
    rebuilt = []
    for config_id in load_matrix(settings.data / "matrix.yaml").config_ids:
        if warehouse.journals(config_id):
            journal = latest_journal(settings.warehouse, config_id)
            for table, df in build_tables(journal)._asdict().items():
                store.publish(table, df, config_id)
            rebuilt.append(config_id)
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
