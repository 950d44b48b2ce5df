"""Group `tables`: the journal as checked tables, one partition for each configuration.

`Any` stands for pandas.DataFrame here: naming the type would import pandas into every process.
"""

from typing import Any

import dagster as dg

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
    from dualollama_pipeline.tables.latest import calls_of_latest_batch  # noqa: PLC0415

    return calls_of_latest_batch(bench.settings.warehouse, context.partition_key)


@dg.asset(**_TABLE, description="A row for every agent of every trial: durations, rates, TTFT.")
def agent_table(call_table: Any) -> Any:
    """Build the agents from their calls."""
    from dualollama_pipeline.tables.agents import build_agents  # noqa: PLC0415

    return build_agents(call_table)


@dg.asset(
    **_TABLE,
    description="A row for every trial: wall time, the report's balance figures, contention.",
)
def run_table(call_table: Any, agent_table: Any) -> Any:
    """Build the trials from their calls and agents."""
    from dualollama_pipeline.tables.runs import build_runs  # noqa: PLC0415

    return build_runs(call_table, agent_table)


@dg.asset(
    **_TABLE,
    description="A row for every block: true speedup, slowdown and scaling from its four arms.",
)
def block_table(run_table: Any, agent_table: Any) -> Any:
    """Build the blocks from their trials."""
    from dualollama_pipeline.tables.blocks import build_blocks  # noqa: PLC0415

    return build_blocks(run_table, agent_table)
