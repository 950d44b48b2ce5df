"""Group `statistics`: estimates over all configurations that have been measured.

`Any` stands for pandas.DataFrame here: naming the type would import pandas into every process.
"""

from typing import Any

import dagster as dg

from dualollama_pipeline.core.matrix import load_matrix
from dualollama_pipeline.defs.resources import Bench

_STATISTICS: dict[str, Any] = {"group_name": "statistics", "kinds": {"pandas", "scipy"}}


@dg.asset(**_STATISTICS, description="Every metric of every configuration, with its interval.")
def config_statistics(run_table: Any, block_table: Any) -> dg.Output[Any]:
    """Estimate by configuration."""
    from dualollama_pipeline.report.pictures import speedups_picture  # noqa: PLC0415
    from dualollama_pipeline.statistics import estimate, samples  # noqa: PLC0415

    table = estimate.config_statistics(samples.collect_samples(run_table, block_table))
    return dg.Output(table, metadata={"plot": dg.MetadataValue.md(speedups_picture(table))})


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


@dg.asset(
    **_STATISTICS,
    description="Together or one after the other, two servers or one, scenario against scenario: "
    "each with its test, effect sizes, power and verdict.",
)
def contrasts(bench: dg.ResourceParam[Bench], run_table: Any, block_table: Any) -> dg.Output[Any]:
    """Compare, by effective class."""
    from dualollama_pipeline.report.pictures import contrasts_picture  # noqa: PLC0415
    from dualollama_pipeline.statistics import contrasts, samples  # noqa: PLC0415

    classes = samples.option_classes(load_matrix(bench.settings.data / "matrix.yaml"))
    table = contrasts.contrasts(samples.collect_samples(run_table, block_table, classes))
    return dg.Output(table, metadata={"plot": dg.MetadataValue.md(contrasts_picture(table))})


@dg.asset(
    **_STATISTICS,
    description="What num_gpu, num_ctx, temperature and asymmetry do, all other options equal.",
)
def factor_effects(
    bench: dg.ResourceParam[Bench], run_table: Any, block_table: Any
) -> dg.Output[Any]:
    """Compare matched pairs of the matrix."""
    from dualollama_pipeline.report.pictures import factors_picture  # noqa: PLC0415
    from dualollama_pipeline.statistics import factors, samples  # noqa: PLC0415

    matrix = load_matrix(bench.settings.data / "matrix.yaml")
    found = samples.collect_samples(run_table, block_table, samples.option_classes(matrix))
    table = factors.factor_effects(found, matrix)
    return dg.Output(table, metadata={"plot": dg.MetadataValue.md(factors_picture(table))})


@dg.asset(
    **_STATISTICS,
    description="Values far from the others of their configuration, each with its cause; kept.",
)
def outliers(call_table: Any, run_table: Any, block_table: Any) -> Any:
    """Label outliers and look for their causes."""
    from dualollama_pipeline.statistics import outliers, samples  # noqa: PLC0415

    found = samples.collect_samples(run_table, block_table)
    return outliers.outliers(found, run_table, call_table)


@dg.asset(
    **_STATISTICS,
    deps=["call_table", "run_table", "block_table"],
    description="Slope, change point and alarm over the nights of the history.",
)
def trend(context: dg.AssetExecutionContext, bench: dg.ResourceParam[Bench]) -> Any:
    """Follow each metric over all batches that were published."""
    from dualollama_pipeline.statistics import samples, trend  # noqa: PLC0415
    from dualollama_pipeline.tables.history import load_nights  # noqa: PLC0415
    from dualollama_pipeline.tables.store import TableStore  # noqa: PLC0415

    matrix = load_matrix(bench.settings.data / "matrix.yaml")
    nights = load_nights(TableStore.of(bench.settings), matrix.config_ids)
    for path, why in nights.left_out.items():
        context.log.warning(f"{path} is left out: {why}")
    return trend.trend(samples.collect_samples(nights.runs, nights.blocks), nights.order)
