"""Group `published`: the report's figures, the runs behind them, and what comes of a check.

`Any` stands for pandas.DataFrame here: naming the type would import pandas into every process.
"""

from typing import Any

import dagster as dg

from dualollama_pipeline.defs.resources import Bench

_PUBLISHED: dict[str, Any] = {"group_name": "published", "kinds": {"pandas", "pandera", "parquet"}}


@dg.asset(
    group_name="published",
    kinds={"csv", "pandera"},
    description="The figures that the report prints, a row for each printing, value as printed.",
)
def published_figures(bench: dg.ResourceParam[Bench]) -> dg.Output[Any]:
    """Read the figures from the project's data."""
    from dualollama_pipeline.published.figures import load_figures  # noqa: PLC0415

    path = bench.settings.published / "figures.csv"
    figures = load_figures(path)
    return dg.Output(figures.table(), metadata={"file": path.name, "figures": len(figures)})


@dg.asset(
    **_PUBLISHED,
    description="A row for every call of the imported runs: counters, failures, loops, overlap.",
)
def imported_calls(bench: dg.ResourceParam[Bench]) -> dg.Output[Any]:
    """Lay out the calls of what `dualollama import` copied; empty if it never ran."""
    from dualollama_pipeline.published import commands, imported  # noqa: PLC0415
    from dualollama_pipeline.published.evidence import load_plan  # noqa: PLC0415

    folder = commands.evidence_of(bench.settings.warehouse).read()
    planned = load_plan(bench.settings.published).config_ids
    return dg.Output(
        imported.build_imported_calls(folder), metadata=commands.import_summary(folder, planned)
    )


@dg.asset(
    **_PUBLISHED,
    description="A row for every imported run: as the original scored it, and ours beside it.",
)
def imported_runs(bench: dg.ResourceParam[Bench], imported_calls: Any) -> dg.Output[Any]:
    """Lay out the runs of what `dualollama import` copied; empty if it never ran."""
    from dualollama_pipeline.published import commands, imported  # noqa: PLC0415
    from dualollama_pipeline.published.evidence import load_plan  # noqa: PLC0415

    folder = commands.evidence_of(bench.settings.warehouse).read()
    planned = load_plan(bench.settings.published).config_ids
    return dg.Output(
        imported.build_imported_runs(folder, imported_calls),
        metadata=commands.import_summary(folder, planned),
    )


@dg.asset(
    **_PUBLISHED,
    description="Every published figure recomputed: basis, verdict, one line of explanation.",
)
def claim_audit(
    bench: dg.ResourceParam[Bench], published_figures: Any, imported_runs: Any, imported_calls: Any
) -> dg.Output[Any]:
    """Audit the figures against imported runs and against each other."""
    from dualollama_pipeline.published import audit  # noqa: PLC0415
    from dualollama_pipeline.published.figures import Figures  # noqa: PLC0415

    figures = Figures.from_table(published_figures)
    evidence = audit.gather(bench.settings.published, figures, imported_runs, imported_calls)
    table = audit.claim_audit(evidence)
    return dg.Output(
        table, metadata={**audit.verdict_counts(table), "imported runs": len(imported_runs)}
    )


@dg.asset(
    **_PUBLISHED,
    description="What reported efficiency is, the true speedup behind it, and its accidents.",
)
def method_critique(imported_runs: Any, imported_calls: Any) -> Any:
    """Judge the method on the imported runs; empty without them."""
    from dualollama_pipeline.published import critique  # noqa: PLC0415

    return critique.method_critique(imported_runs, imported_calls)


@dg.asset(
    **_PUBLISHED,
    description="Rust, Python and this machine side by side; a winner only where justified.",
)
def runtime_comparison(  # noqa: PLR0913, PLR0917 one parameter for each source that it compares
    bench: dg.ResourceParam[Bench],
    published_figures: Any,
    imported_runs: Any,
    imported_calls: Any,
    method_critique: Any,
    config_statistics: Any,
    population_statistics: Any,
) -> Any:
    """Compare what is published, imported, and measured here."""
    from dualollama_pipeline.published import audit, comparison  # noqa: PLC0415
    from dualollama_pipeline.published.figures import Figures  # noqa: PLC0415

    figures = Figures.from_table(published_figures)
    evidence = audit.gather(bench.settings.published, figures, imported_runs, imported_calls)
    return comparison.runtime_comparison(
        evidence, method_critique, config_statistics, population_statistics
    )
