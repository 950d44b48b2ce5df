"""Groups `statistics`, `tr114`, `report`: assets made from the pipeline's list."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import dagster as dg

from dualollama_pipeline.defs.io_managers import columns
from dualollama_pipeline.defs.partitions import SHAPED
from dualollama_pipeline.defs.resources import Bench
from dualollama_pipeline.pipeline import PAGE, STEPS, WING_PAGE, make_page, make_wing
from dualollama_pipeline.tables.step import Markdown, Step


def _asset(step: Step) -> dg.AssetsDefinition:
    @dg.asset(
        name=step.name,
        group_name=step.group,
        kinds=set(step.kinds),
        description=step.words,
        deps=step.also,
        metadata=columns(step.name),
        ins={name: dg.AssetIn(name) for name in step.inputs},
    )
    def make(
        context: dg.AssetExecutionContext, bench: dg.ResourceParam[Bench], **tables: Any
    ) -> dg.Output[Any]:
        made = step.make(bench.settings, **tables)
        notes = made.notes()
        for path, why in notes.get("left out", {}).items():
            context.log.warning(f"{path} is left out: {why}")
        return dg.Output(made.table, metadata={name: _shown(note) for name, note in notes.items()})

    return make


def _shown(note: Any) -> Any:
    if isinstance(note, Markdown):
        return dg.MetadataValue.md(note)
    return dg.MetadataValue.path(note) if isinstance(note, Path) else note


computed = [_asset(step) for step in STEPS.values()]


# for who has nights: a report that is older shows as overdue
FRESH = dg.FreshnessPolicy.time_window(timedelta(hours=48), timedelta(hours=30))


@dg.asset(
    group_name="report",
    freshness_policy=FRESH if SHAPED.nightly else None,
    deps=["run_reports"],
    kinds={"html", "markdown", "json"},
    ins={name: dg.AssetIn(name) for name in PAGE},
    description=(
        "HTML page, Markdown and summary.json: is it faster together, by how much, how sure, and "
        "what should I run? Balance figures stand beside the speedups, with n and interval."
    ),
)
def comparison_report(bench: dg.ResourceParam[Bench], **tables: Any) -> dg.MaterializeResult:
    """Render the report from statistics and tables."""
    from dualollama_pipeline.report.configuration import figures_of_answers  # noqa: PLC0415 pandas

    published = make_page(bench.settings, tables)
    return dg.MaterializeResult(
        metadata={
            "answer": dg.MetadataValue.md(published.answer),
            "report": bench.link(published.page),
            **figures_of_answers(tables["population_statistics"]),
            "path": dg.MetadataValue.path(published.page),
            "configurations": int(tables["block_table"]["config_id"].nunique()),
            "missing": ", ".join(published.missing) or "none",
        }
    )


@dg.asset(
    group_name="tr114",
    kinds={"html"},
    ins={name: dg.AssetIn(name) for name in WING_PAGE},
    description="One page about the document: figures, audit, tiers, costs, service levels.",
)
def tr114_report(bench: dg.ResourceParam[Bench], **tables: Any) -> dg.MaterializeResult:
    """Render the wing's page; the comparison report does not need it."""
    page = make_wing(bench.settings, tables)
    return dg.MaterializeResult(
        metadata={
            "report": bench.link(page),
            "path": dg.MetadataValue.path(page),
        }
    )
