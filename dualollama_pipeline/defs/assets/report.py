"""Group `report`: the one page that a user decides from.

`Any` stands for pandas.DataFrame here: naming the type would import pandas into every process.
"""

from typing import Any

import dagster as dg

from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.defs.resources import Bench


@dg.asset(
    group_name="report",
    deps=["run_reports"],
    kinds={"html", "markdown", "json"},
    description=(
        "HTML page, Markdown and summary.json: is it faster together, by how much, how sure, and "
        "what should I run? Balance figures stand beside the speedups, with n and interval."
    ),
)
def comparison_report(  # noqa: PLR0913, PLR0917 one parameter for each table that the page shows
    bench: dg.ResourceParam[Bench],
    call_table: Any,
    run_table: Any,
    block_table: Any,
    cell_table: Any,
    config_statistics: Any,
    scenario_statistics: Any,
    population_statistics: Any,
    contrasts: Any,
    factor_effects: Any,
    outliers: Any,
    trend: Any,
    claim_audit: Any,
    method_critique: Any,
    runtime_comparison: Any,
    configuration_tiers: Any,
    anti_patterns: Any,
    cost_model: Any,
    cost_sensitivity: Any,
    slo_evaluation: Any,
) -> dg.MaterializeResult:
    """Render the report from statistics, audit, decisions and tables."""
    from dualollama_pipeline.report.gather import gather_inputs  # noqa: PLC0415 imports pandas
    from dualollama_pipeline.report.publish import publish_report  # noqa: PLC0415

    tables = {
        "call_table": call_table,
        "run_table": run_table,
        "block_table": block_table,
        "cell_table": cell_table,
        "config_statistics": config_statistics,
        "scenario_statistics": scenario_statistics,
        "population_statistics": population_statistics,
        "contrasts": contrasts,
        "factor_effects": factor_effects,
        "outliers": outliers,
        "trend": trend,
        "claim_audit": claim_audit,
        "method_critique": method_critique,
        "runtime_comparison": runtime_comparison,
        "configuration_tiers": configuration_tiers,
        "anti_patterns": anti_patterns,
        "cost_model": cost_model,
        "cost_sensitivity": cost_sensitivity,
        "slo_evaluation": slo_evaluation,
    }
    inputs = gather_inputs(bench.settings, tables)
    published = publish_report(inputs, Warehouse(bench.settings.warehouse).report)
    return dg.MaterializeResult(
        metadata={
            "report": dg.MetadataValue.url(published.page.resolve().as_uri()),
            "path": dg.MetadataValue.path(published.page),
            "summary": dg.MetadataValue.md(published.answer),
            "configurations": int(block_table["config_id"].nunique()),
            "missing": ", ".join(inputs.missing) or "none",
        }
    )
