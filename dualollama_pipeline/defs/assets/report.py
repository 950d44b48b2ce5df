"""Group `report`: the one page that a user decides from.

`Any` stands for pandas.DataFrame here: naming the type would import pandas into every process.
"""

from typing import Any

import dagster as dg

from dualollama_pipeline.core.matrix import load_matrix
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.defs.resources import Bench


@dg.asset(
    group_name="report",
    kinds={"html", "markdown", "json"},
    description=(
        "HTML page, Markdown and summary.json: is it faster together, by how much, how sure? "
        "Balance figures stand beside the true speedup, each with n and interval."
    ),
)
def comparison_report(  # noqa: PLR0913, PLR0917 one parameter for each table that the page shows
    bench: dg.ResourceParam[Bench],
    call_table: Any,
    run_table: Any,
    block_table: Any,
    config_statistics: Any,
    scenario_statistics: Any,
    population_statistics: Any,
) -> dg.MaterializeResult:
    """Render the report from statistics and tables."""
    from dualollama_pipeline.report.inputs import ReportInputs  # noqa: PLC0415 imports pandas
    from dualollama_pipeline.report.publish import publish_report  # noqa: PLC0415
    from dualollama_pipeline.tables.store import TableStore  # noqa: PLC0415

    matrix = load_matrix(bench.settings.data / "matrix.yaml")
    store = TableStore(Warehouse(bench.settings.warehouse).tables)
    _, missing = store.load_all("block_table", matrix.config_ids)
    inputs = ReportInputs(
        config_statistics=config_statistics,
        scenario_statistics=scenario_statistics,
        population_statistics=population_statistics,
        blocks=block_table,
        runs=run_table,
        calls=call_table,
        missing=missing,
        equal_groups=tuple(matrix.equal_groups()),
    )
    folder = Warehouse(bench.settings.warehouse).report
    page = publish_report(inputs, folder)
    markdown = (folder / "report.md").read_text(encoding="utf-8")
    return dg.MaterializeResult(
        metadata={
            "report": dg.MetadataValue.url(page.resolve().as_uri()),
            "path": dg.MetadataValue.path(page),
            "summary": dg.MetadataValue.md(markdown),
            "configurations": int(block_table["config_id"].nunique()),
            "missing": ", ".join(inputs.missing) or "none",
        }
    )
