"""What is made for the document TR114: its figures, audit, runs, choices, costs and levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.core.study import study_of
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.tables.step import Made, Steps

if TYPE_CHECKING:
    import pandas as pd

    from dualollama_pipeline.core.settings import Settings
    from dualollama_pipeline.tr114.audit.evidence import Sources
    from dualollama_pipeline.tr114.imported.folder import RunFolder

WING = Steps("tr114")


@WING.step(
    "The figures that the report prints, a row for each printing, value as printed.",
    kinds=("csv", "pandera"),
)
def published_figures(settings: Settings) -> Made:
    """Read the figures from the project's data."""
    from dualollama_pipeline.tr114.audit.figures import load_figures

    path = settings.published / "figures.csv"
    figures = load_figures(path)
    return Made(figures.table(), lambda: {"file": path.name, "figures": len(figures)})


def _imported(settings: Settings) -> RunFolder | None:
    from dualollama_pipeline.tr114.commands import evidence_of

    return evidence_of(settings.warehouse).read()


def _of_import(settings: Settings, folder: RunFolder | None) -> dict[str, str]:
    from dualollama_pipeline.tr114.audit.evidence import load_plan
    from dualollama_pipeline.tr114.commands import import_summary

    return import_summary(folder, load_plan(settings.published).config_ids)


@WING.step("A row for every call of the imported runs: counters, failures, loops, overlap.")
def imported_calls(settings: Settings) -> Made:
    """Lay out the calls of what `dualollama import` copied; empty if it never ran."""
    from dualollama_pipeline.tr114.imported.rows import build_imported_calls

    folder = _imported(settings)
    return Made(build_imported_calls(folder), lambda: _of_import(settings, folder))


@WING.step("A row for every imported run: as the original scored it, and ours beside it.")
def imported_runs(settings: Settings, imported_calls: pd.DataFrame) -> Made:
    """Lay out the runs of what `dualollama import` copied; empty if it never ran."""
    from dualollama_pipeline.tr114.imported.rows import build_imported_runs

    folder = _imported(settings)
    return Made(build_imported_runs(folder, imported_calls), lambda: _of_import(settings, folder))


def _evidence(
    settings: Settings, figures: pd.DataFrame, runs: pd.DataFrame, calls: pd.DataFrame
) -> Sources:
    from dualollama_pipeline.tr114.audit.audit import gather
    from dualollama_pipeline.tr114.audit.figures import Figures

    return gather(settings.published, Figures.from_table(figures), runs, calls)


@WING.step("Every published figure recomputed: basis, verdict, one line of explanation.")
def claim_audit(
    settings: Settings,
    published_figures: pd.DataFrame,
    imported_runs: pd.DataFrame,
    imported_calls: pd.DataFrame,
) -> Made:
    """Audit the figures against imported runs and against each other."""
    from dualollama_pipeline.tr114.audit import audit

    evidence = _evidence(settings, published_figures, imported_runs, imported_calls)
    table = audit.claim_audit(evidence)
    return Made(table, lambda: {**audit.verdict_counts(table), "imported runs": len(imported_runs)})


@WING.step("What reported efficiency is, the true speedup behind it, and its accidents.")
def method_critique(_: Settings, imported_runs: pd.DataFrame, imported_calls: pd.DataFrame) -> Made:
    """Judge the method on the imported runs; empty without them."""
    from dualollama_pipeline.tr114.comparison import critique

    return Made(critique.method_critique(imported_runs, imported_calls))


@WING.step("Rust, Python and this machine side by side; a winner only where justified.")
def runtime_comparison(  # noqa: PLR0913, PLR0917 one parameter for each source that it compares
    settings: Settings,
    published_figures: pd.DataFrame,
    imported_runs: pd.DataFrame,
    imported_calls: pd.DataFrame,
    method_critique: pd.DataFrame,
    config_statistics: pd.DataFrame,
    population_statistics: pd.DataFrame,
) -> Made:
    """Compare what is published, imported, and measured here."""
    from dualollama_pipeline.tr114.comparison import comparison

    evidence = _evidence(settings, published_figures, imported_runs, imported_calls)
    return Made(
        comparison.runtime_comparison(
            evidence, method_critique, config_statistics, population_statistics
        )
    )


@WING.step(
    "Three choices by rule, each with the group that the data cannot separate; report/recommended "
    "holds them as TOML.",
    also=("study", "cost_inputs"),  # the sizes of the models
)
def configuration_tiers(
    settings: Settings,
    samples: pd.DataFrame,
    call_table: pd.DataFrame,
    agent_table: pd.DataFrame,
    run_table: pd.DataFrame,
    imported_runs: pd.DataFrame,
) -> Made:
    """Choose for each tier and write the choice down."""
    from dualollama_pipeline.advice.candidates import find_candidates
    from dualollama_pipeline.advice.recommended import write_recommended
    from dualollama_pipeline.tables.conform import conform
    from dualollama_pipeline.tr114.choices import tiers
    from dualollama_pipeline.tr114.costs.cost_inputs import load_cost_inputs

    matrix = study_of(settings)
    models = load_cost_inputs(settings.data / "cost.yaml").models
    candidates = find_candidates(samples, run_table, agent_table, call_table, models)
    chosen = tiers.configuration_tiers(candidates, imported_runs, matrix)
    chosen = conform("configuration_tiers", chosen)  # before anybody deploys it
    folder = Warehouse(settings.warehouse).report / "recommended"
    # a file says what the document's pair asks for; a study's own agents have more to say
    files = write_recommended(chosen, matrix, folder) if matrix.is_the_documents_pair else []
    return Made(chosen, lambda: {"files": "\n".join(map(str, files)) or "none"})


@WING.step(
    "The report's anti-patterns and best practices, each with what the data say of it.",
    also=("study",),
)
def anti_patterns(
    settings: Settings,
    contrasts: pd.DataFrame,
    factor_effects: pd.DataFrame,
    population_statistics: pd.DataFrame,
    imported_runs: pd.DataFrame,
) -> Made:
    """Hold every rule against contrasts and factor effects."""
    from dualollama_pipeline.tr114.audit.evidence import load_plan
    from dualollama_pipeline.tr114.choices import anti_patterns as rules

    statistics = rules.Statistics(contrasts, factor_effects, population_statistics)
    planned = load_plan(settings.published)
    table = rules.anti_patterns(statistics, imported_runs, study_of(settings), planned)
    return Made(table, lambda: _counts(table["verdict"]))


def _counts(words: pd.Series) -> dict[str, int]:
    return {str(word): int(n) for word, n in words.value_counts().items()}


@WING.step(
    "The report's costs beside those that demand asks for; where its text is wrong.",
    also=("cost_inputs",),
)
def cost_model(
    settings: Settings,
    run_table: pd.DataFrame,
    block_table: pd.DataFrame,
    imported_runs: pd.DataFrame,
    claim_audit: pd.DataFrame,
) -> Made:
    """Do the sums of section 8 again."""
    from dualollama_pipeline.tr114.costs import cost_table
    from dualollama_pipeline.tr114.costs.cost_inputs import load_cost_inputs
    from dualollama_pipeline.tr114.costs.demand import demands

    inputs = load_cost_inputs(settings.data / "cost.yaml")
    found = demands(run_table, block_table, imported_runs)
    reported = load_cost_inputs(settings.published / "costs.yaml")
    return Made(cost_table.cost_model(reported, inputs, found, claim_audit))


@WING.step(
    "Every input of the costs over its range: how much it moves, whether it decides.",
    also=("cost_inputs",),
)
def cost_sensitivity(
    settings: Settings,
    run_table: pd.DataFrame,
    block_table: pd.DataFrame,
    imported_runs: pd.DataFrame,
) -> Made:
    """Change one input at a time."""
    from dualollama_pipeline.tr114.costs import sensitivity
    from dualollama_pipeline.tr114.costs.cost_inputs import load_cost_inputs
    from dualollama_pipeline.tr114.costs.demand import demands

    inputs = load_cost_inputs(settings.data / "cost.yaml")
    found = demands(run_table, block_table, imported_runs)
    table = sensitivity.cost_sensitivity(inputs, found)
    return Made(table, lambda: {"inputs that decide": int(table["flips"].sum())})


@WING.step(
    "Targets, SLAs, rollback and phase gates: met, missed, infeasible or not seen.",
    also=("call_table", "agent_table", "run_table", "service_levels"),
)
def slo_evaluation(
    settings: Settings,
    population_statistics: pd.DataFrame,
    cost_model: pd.DataFrame,
    imported_runs: pd.DataFrame,
    imported_calls: pd.DataFrame,
) -> Made:
    """Hold section 9 against all nights of the history, imported runs, and the costs."""
    from dualollama_pipeline.tables.history import ASKED, load_history
    from dualollama_pipeline.tables.store import TableStore
    from dualollama_pipeline.tr114.service_levels import observed, slo
    from dualollama_pipeline.tr114.service_levels.slo_inputs import load_slo_inputs

    inputs = load_slo_inputs(settings.data / "slo.yaml")  # a mistake in it is told first
    store, config_ids = TableStore.of(settings), study_of(settings).config_ids
    runs, no_runs = load_history(store, "run_table", config_ids, ASKED["run_table"])
    agents, no_agents = load_history(store, "agent_table", config_ids, ASKED["agent_table"])
    calls, no_calls = load_history(store, "call_table", config_ids, ASKED["call_table"])
    sources = [observed.observe(runs, agents, calls, population_statistics, cost_model)]
    if len(imported_runs):
        sources.append(observed.observe_imported(imported_runs, imported_calls, cost_model))
    sources.append(observed.observe_report(cost_model))
    table = slo.slo_evaluation(inputs, sources)
    return Made(
        table, lambda: {**_counts(table["status"]), "left out": no_runs | no_agents | no_calls}
    )
