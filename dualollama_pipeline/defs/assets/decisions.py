"""Group `decisions`: what follows from the data: tiers, anti-patterns, costs, service levels.

`Any` stands for pandas.DataFrame here: naming the type would import pandas into every process.
"""

from typing import Any

import dagster as dg

from dualollama_pipeline.core.matrix import load_matrix
from dualollama_pipeline.defs.resources import Bench

_DECISIONS: dict[str, Any] = {"group_name": "decisions", "kinds": {"pandas", "pandera", "parquet"}}


@dg.asset(
    **_DECISIONS,
    deps=["cost_inputs"],  # the sizes of the models
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
    from dualollama_pipeline.decisions.decide import choose_tiers  # noqa: PLC0415

    table, files = choose_tiers(
        bench.settings,
        {
            "call_table": call_table,
            "run_table": run_table,
            "block_table": block_table,
            "imported_runs": imported_runs,
        },
    )
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
    table = judge.anti_patterns(
        statistics, imported_runs, matrix, load_matrix(bench.settings.published / "plan.yaml")
    )
    counts = {str(verdict): int(n) for verdict, n in table["verdict"].value_counts().items()}
    return dg.Output(table, metadata=counts)


@dg.asset(
    **_DECISIONS,
    deps=["cost_inputs"],
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
    from dualollama_pipeline.decisions.decide import sum_costs  # noqa: PLC0415

    return sum_costs(
        bench.settings,
        {
            "run_table": run_table,
            "block_table": block_table,
            "imported_runs": imported_runs,
            "published_figures": published_figures,
        },
    )


@dg.asset(
    **_DECISIONS,
    deps=["cost_inputs"],
    description="Every input of the costs over its range: how much it moves, whether it decides.",
)
def cost_sensitivity(
    bench: dg.ResourceParam[Bench], run_table: Any, block_table: Any, imported_runs: Any
) -> dg.Output[Any]:
    """Change one input at a time."""
    from dualollama_pipeline.decisions.decide import vary_costs  # noqa: PLC0415

    table = vary_costs(
        bench.settings,
        {"run_table": run_table, "block_table": block_table, "imported_runs": imported_runs},
    )
    return dg.Output(table, metadata={"inputs that decide": int(table["flips"].sum())})


@dg.asset(
    **_DECISIONS,
    deps=["call_table", "run_table", "service_levels"],
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
    from dualollama_pipeline.decisions.decide import evaluate_levels  # noqa: PLC0415

    table, left_out = evaluate_levels(
        bench.settings,
        {
            "population_statistics": population_statistics,
            "cost_model": cost_model,
            "imported_runs": imported_runs,
            "imported_calls": imported_calls,
        },
    )
    counts = {str(status): int(n) for status, n in table["status"].value_counts().items()}
    return dg.Output(table, metadata={**counts, "files of the history, left out": left_out})
