"""Group `tables`: the journal as checked tables, one partition for each configuration."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.defs.io_managers import columns, table_metadata
from dualollama_pipeline.defs.partitions import configurations
from dualollama_pipeline.defs.resources import Bench
from dualollama_pipeline.pipeline import MEASURED, MEASURED_DEPS
from dualollama_pipeline.tables.step import TABULAR


@dg.multi_asset(
    name="measured_tables",
    specs=[
        dg.AssetSpec(
            name,
            group_name="tables",
            kinds=set(TABULAR),
            description=words,
            deps=MEASURED_DEPS[name],
            metadata=columns(name),
        )
        for name, words in MEASURED.items()
    ],
    partitions_def=configurations,
    can_subset=True,
)
def measured_tables(
    context: dg.AssetExecutionContext, bench: dg.ResourceParam[Bench]
) -> Iterator[dg.MaterializeResult]:
    """Build all tables from the configuration's latest journal; write them when all are made.

    All of them for any selection: each rests on those before it, and none may be of another batch.
    """
    from dualollama_pipeline.tables.latest import latest_tables  # noqa: PLC0415 imports pandas
    from dualollama_pipeline.tables.store import TableStore  # noqa: PLC0415

    config_id = context.partition_key
    made = latest_tables(bench.settings.warehouse, config_id)
    TableStore.of(bench.settings).publish_all(made, config_id)
    asked = {key.path[-1] for key in context.selected_asset_keys}
    for name in [name for name in MEASURED if name in asked]:
        rows = getattr(made, name)
        metadata = table_metadata(bench.settings, name, rows, config_id)
        yield dg.MaterializeResult(asset_key=name, metadata=metadata)


@dg.asset(
    group_name="tables",
    partitions_def=configurations,
    deps=[name for name in MEASURED if name != "call_table"],
    kinds={"markdown", "json"},
    description="What each agent found in each run, as TR114 wrote it; workload `parity` only.",
)
def run_reports(
    context: dg.AssetExecutionContext, bench: dg.ResourceParam[Bench], call_table: Any
) -> dg.MaterializeResult:
    """Write the agents' findings and the pair's figures of every run."""
    from dualollama_pipeline.report.run_reports import write_run_reports  # noqa: PLC0415
    from dualollama_pipeline.tables.latest import journal_of  # noqa: PLC0415

    journal = journal_of(bench.settings.warehouse, context.partition_key, call_table)
    folder = Warehouse(bench.settings.warehouse).artifacts(context.partition_key, journal.path.stem)
    written = write_run_reports(journal, folder)
    where = {"folder": dg.MetadataValue.path(folder)} if written else {}
    return dg.MaterializeResult(
        metadata={"runs": written, "workload": call_table["workload"].iloc[0], **where}
    )
