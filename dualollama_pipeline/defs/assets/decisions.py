"""Group `decisions`: what follows from the data: tiers, anti-patterns, costs, service levels.

`Any` stands for pandas.DataFrame here: naming the type would import pandas into every process.
"""

from typing import Any

import dagster as dg

from dualollama_pipeline.core.matrix import load_matrix
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.defs.resources import Bench

_DECISIONS: dict[str, Any] = {"group_name": "decisions", "kinds": {"pandas", "pandera", "parquet"}}


@dg.asset(
    **_DECISIONS,
    description="Three choices by rule, each with the group that the data cannot separate; "
    "report/recommended holds them as TOML.",
)
def configuration_tiers(
    bench: dg.ResourceParam[Bench],
    call_table: Any,
    run_table: Any,
    block_table: Any,
    imported_runs: Any,
) -> dg.Output[Any]:
    """Choose for each tier and write the choice down."""
    from dualollama_pipeline.decisions import recommended, tiers  # noqa: PLC0415
    from dualollama_pipeline.decisions.candidates import find_candidates  # noqa: PLC0415
    from dualollama_pipeline.decisions.cost_inputs import load_cost_inputs  # noqa: PLC0415
    from dualollama_pipeline.statistics import samples  # noqa: PLC0415
    from dualollama_pipeline.tables.schemas import conform  # noqa: PLC0415

    matrix = load_matrix(bench.settings.data / "matrix.yaml")
    models = load_cost_inputs(bench.settings.data / "cost.yaml").models
    found = samples.collect_samples(run_table, block_table, samples.option_classes(matrix))
    candidates = find_candidates(found, run_table, call_table, models)
    table = conform(
        "configuration_tiers", tiers.configuration_tiers(candidates, imported_runs, matrix)
    )
    folder = Warehouse(bench.settings.warehouse).report / "recommended"
    files = recommended.write_recommended(table, matrix, folder)
    return dg.Output(table, metadata={"files": "\n".join(map(str, files)) or "none"})


@dg.asset(
    **_DECISIONS,
    description="The report's anti-patterns and best practices, each with what the data say of it.",
)
def anti_patterns(
    bench: dg.ResourceParam[Bench],
    contrasts: Any,
    factor_effects: Any,
    population_statistics: Any,
    imported_runs: Any,
) -> dg.Output[Any]:
    """Hold every rule against contrasts and factor effects."""
    from dualollama_pipeline.decisions import anti_patterns as judge  # noqa: PLC0415

    matrix = load_matrix(bench.settings.data / "matrix.yaml")
    statistics = judge.Statistics(contrasts, factor_effects, population_statistics)
    table = judge.anti_patterns(statistics, imported_runs, matrix)
    counts = {str(verdict): int(n) for verdict, n in table["verdict"].value_counts().items()}
    return dg.Output(table, metadata=counts)


@dg.asset(
    **_DECISIONS,
    description="The report's costs beside those that demand asks for; where its text is wrong.",
)
def cost_model(
    bench: dg.ResourceParam[Bench],
    run_table: Any,
    block_table: Any,
    imported_runs: Any,
    published_figures: Any,
) -> Any:
    """Do the sums of section 8 again."""
    from dualollama_pipeline.decisions import cost_table, demand  # noqa: PLC0415
    from dualollama_pipeline.decisions.cost_inputs import load_cost_inputs  # noqa: PLC0415

    inputs = load_cost_inputs(bench.settings.data / "cost.yaml")
    found = demand.demands(run_table, block_table, imported_runs)
    return cost_table.cost_model(inputs, found, published_figures)


@dg.asset(
    **_DECISIONS,
    description="Every input of the costs over its range: how much it moves, whether it decides.",
)
def cost_sensitivity(
    bench: dg.ResourceParam[Bench], run_table: Any, block_table: Any, imported_runs: Any
) -> dg.Output[Any]:
    """Change one input at a time."""
    from dualollama_pipeline.decisions import demand, sensitivity  # noqa: PLC0415
    from dualollama_pipeline.decisions.cost_inputs import load_cost_inputs  # noqa: PLC0415

    inputs = load_cost_inputs(bench.settings.data / "cost.yaml")
    found = demand.demands(run_table, block_table, imported_runs)
    table = sensitivity.cost_sensitivity(inputs, found)
    return dg.Output(table, metadata={"inputs that decide": int(table["flips"].sum())})


@dg.asset(
    **_DECISIONS,
    deps=["call_table", "run_table"],
    description="Targets, SLAs, rollback and phase gates: met, missed, infeasible or not seen.",
)
def slo_evaluation(
    bench: dg.ResourceParam[Bench],
    population_statistics: Any,
    cost_model: Any,
    imported_runs: Any,
    imported_calls: Any,
) -> dg.Output[Any]:
    """Hold section 9 against all nights of the history, imported runs, and the costs."""
    from dualollama_pipeline.decisions import observed, slo  # noqa: PLC0415
    from dualollama_pipeline.decisions.slo_inputs import load_slo_inputs  # noqa: PLC0415
    from dualollama_pipeline.tables.history import load_history  # noqa: PLC0415
    from dualollama_pipeline.tables.store import TableStore  # noqa: PLC0415

    inputs = load_slo_inputs(bench.settings.data / "slo.yaml")
    config_ids = load_matrix(bench.settings.data / "matrix.yaml").config_ids
    store = TableStore(Warehouse(bench.settings.warehouse).tables)
    runs, old_runs = load_history(store, "run_table", config_ids)
    calls, old_calls = load_history(store, "call_table", config_ids)
    sources = [observed.observe(runs, calls, population_statistics, cost_model)]
    if len(imported_runs):
        sources.append(observed.observe_imported(imported_runs, imported_calls, cost_model))
    sources.append(observed.observe_report(cost_model))
    table = slo.slo_evaluation(inputs, sources)
    counts = {str(status): int(n) for status, n in table["status"].value_counts().items()}
    others = len(old_runs) + len(old_calls)
    return dg.Output(table, metadata={**counts, "files of another version, left out": others})
