"""Group `statistics`: estimates over all configurations that have been measured.

`Any` stands for pandas.DataFrame here: naming the type would import pandas into every process.
"""

from typing import Any

import dagster as dg

_STATISTICS: dict[str, Any] = {"group_name": "statistics", "kinds": {"pandas", "scipy"}}


@dg.asset(**_STATISTICS, description="Every metric of every configuration, with its interval.")
def config_statistics(run_table: Any, block_table: Any) -> Any:
    """Estimate by configuration."""
    from dualollama_pipeline.statistics import estimate, samples  # noqa: PLC0415

    return estimate.config_statistics(samples.collect_samples(run_table, block_table))


@dg.asset(**_STATISTICS, description="Every metric of every scenario, with its interval.")
def scenario_statistics(run_table: Any, block_table: Any) -> Any:
    """Estimate by scenario, over blocks."""
    from dualollama_pipeline.statistics import estimate, samples  # noqa: PLC0415

    return estimate.scenario_statistics(samples.collect_samples(run_table, block_table))


@dg.asset(**_STATISTICS, description="Every metric over all configurations, with its interval.")
def population_statistics(run_table: Any, block_table: Any) -> Any:
    """Estimate over all configurations, over blocks."""
    from dualollama_pipeline.statistics import estimate, samples  # noqa: PLC0415

    return estimate.population_statistics(samples.collect_samples(run_table, block_table))
