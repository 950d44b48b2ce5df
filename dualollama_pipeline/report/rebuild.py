"""Tables from journals, statistics and report from tables, without Dagster: `dualollama report`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.core.matrix import load_matrix
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.report.inputs import ReportInputs
from dualollama_pipeline.report.publish import publish_report
from dualollama_pipeline.statistics import estimate
from dualollama_pipeline.statistics.samples import collect_samples
from dualollama_pipeline.tables.build import build_tables
from dualollama_pipeline.tables.latest import latest_journal
from dualollama_pipeline.tables.store import TableStore

if TYPE_CHECKING:
    from pathlib import Path

    from dualollama_pipeline.core.settings import Settings


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
    """Compute the statistics anew, publish them and the report; return the page's path.

    Raises:
        InputError: the matrix cannot be used.
        TableError: no configuration has been measured yet, or a table is damaged.
    """
    matrix = load_matrix(settings.data / "matrix.yaml")
    warehouse = Warehouse(settings.warehouse)
    store = TableStore(warehouse.tables)
    runs, without_runs = store.load_all("run_table", matrix.config_ids)
    blocks, without_blocks = store.load_all("block_table", matrix.config_ids)
    calls, without_calls = store.load_all("call_table", matrix.config_ids)
    samples = collect_samples(runs, blocks)
    inputs = ReportInputs(
        config_statistics=store.publish("config_statistics", estimate.config_statistics(samples)),
        scenario_statistics=store.publish(
            "scenario_statistics", estimate.scenario_statistics(samples)
        ),
        population_statistics=store.publish(
            "population_statistics", estimate.population_statistics(samples)
        ),
        blocks=blocks,
        runs=runs,
        calls=calls,
        missing=without_calls | without_runs | without_blocks,
        equal_groups=tuple(matrix.equal_groups()),
    )
    return publish_report(inputs, warehouse.report)
