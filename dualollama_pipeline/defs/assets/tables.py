"""Group `tables`: the journal as checked tables, one partition for each configuration.

`Any` stands for pandas.DataFrame here: naming the type would import pandas into every process.
"""

from typing import Any

import dagster as dg

from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.defs.partitions import configurations
from dualollama_pipeline.defs.resources import Bench

_TABLE: dict[str, Any] = {
    "group_name": "tables",
    "partitions_def": configurations,
    "kinds": {"pandas", "pandera", "parquet"},
}


@dg.asset(
    **_TABLE,
    deps=["benchmark_trials"],
    description="A row for every call attempt: client stamps, the server's counters, how it ended.",
)
def call_table(context: dg.AssetExecutionContext, bench: dg.ResourceParam[Bench]) -> Any:
    """Build the calls from the configuration's latest journal."""
    from dualollama_pipeline.tables.calls import build_calls  # noqa: PLC0415
    from dualollama_pipeline.tables.latest import latest_journal  # noqa: PLC0415

    return build_calls(latest_journal(bench.settings.warehouse, context.partition_key))


@dg.asset(
    **_TABLE,
    description=(
        "A row for every arm: how its trials ended, what servers and machine were like around "
        "them, and whether that lets it count."
    ),
)
def cell_table(
    context: dg.AssetExecutionContext, bench: dg.ResourceParam[Bench], call_table: Any
) -> Any:
    """Build the cells from the journal that the call table was made from."""
    from dualollama_pipeline.tables.cells import build_cells  # noqa: PLC0415
    from dualollama_pipeline.tables.latest import journal_of  # noqa: PLC0415

    journal = journal_of(bench.settings.warehouse, context.partition_key, call_table)
    return build_cells(journal, call_table)


@dg.asset(**_TABLE, description="A row for every agent of every trial: durations, rates, TTFT.")
def agent_table(call_table: Any) -> Any:
    """Build the agents from their calls."""
    from dualollama_pipeline.tables.agents import build_agents  # noqa: PLC0415

    return build_agents(call_table)


@dg.asset(
    **_TABLE,
    description="A row for every trial: wall time, the report's balance figures, contention.",
)
def run_table(call_table: Any, agent_table: Any, cell_table: Any) -> Any:
    """Build the trials from their calls, agents and cells."""
    from dualollama_pipeline.tables.runs import build_runs  # noqa: PLC0415

    return build_runs(call_table, agent_table, cell_table)


@dg.asset(
    **_TABLE,
    description="A row for every block: speedups, slowdowns and scaling from its four arms.",
)
def block_table(run_table: Any, agent_table: Any, call_table: Any) -> Any:
    """Build the blocks from their trials."""
    from dualollama_pipeline.tables.blocks import build_blocks  # noqa: PLC0415

    return build_blocks(run_table, agent_table, call_table)


@dg.asset(
    group_name="tables",
    partitions_def=configurations,
    deps=["cell_table", "agent_table", "run_table", "block_table"],
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
