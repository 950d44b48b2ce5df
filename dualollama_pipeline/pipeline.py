"""The graph below the measured tables, once: each table, what it is made of, and how.

Dagster's assets are made from this list, and `dualollama report` walks it; a table that is added is
one function here and one schema. A parameter names the table that the function is given. Importing
this module imports no pandas: every process of the code location does.
"""

from __future__ import annotations

from dataclasses import dataclass
from inspect import signature
from typing import TYPE_CHECKING, Any, NamedTuple

from dualollama_pipeline.core.matrix import load_matrix
from dualollama_pipeline.core.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import pandas as pd

    from dualollama_pipeline.core.matrix import Matrix
    from dualollama_pipeline.core.settings import Settings
    from dualollama_pipeline.published.evidence import Evidence
    from dualollama_pipeline.published.folder import RunFolder
    from dualollama_pipeline.report.publish import Published

MEASURED = {
    "call_table": "A row for every call attempt: client stamps, the server's counters, its end.",
    "cell_table": "A row for every arm: how its trials ended, what servers and machine were like "
    "around them, and whether that lets it count.",
    "agent_table": "A row for every agent of every trial: durations, rates, TTFT.",
    "run_table": "A row for every trial: wall time, the report's balance figures, contention.",
    "block_table": "A row for every block: speedups, slowdowns and scaling from its four arms.",
}
MEASURED_DEPS = {
    "call_table": ("benchmark_trials",),
    "cell_table": ("benchmark_trials", "call_table"),
    "agent_table": ("call_table",),
    "run_table": ("call_table", "agent_table", "cell_table"),
    "block_table": ("run_table", "agent_table", "call_table"),
}
TABULAR = ("pandas", "pandera", "parquet")


class Markdown(str):
    """A note that is shown formatted."""

    __slots__ = ()


def _nothing() -> dict[str, Any]:
    return {}


class Made(NamedTuple):
    """A table, and what to say of it; `notes` is only called where somebody looks at them."""

    table: pd.DataFrame
    notes: Callable[[], Mapping[str, Any]] = _nothing


@dataclass(frozen=True)
class Step:
    """One table: the function that makes it, and the tables that it is given.

    `also` names what it reads itself: files that a person writes, tables of the history.
    """

    name: str
    group: str
    words: str
    kinds: tuple[str, ...]
    make: Callable[..., Made]
    inputs: tuple[str, ...]
    also: tuple[str, ...]


STEPS: dict[str, Step] = {}


def step(
    group: str, words: str, also: tuple[str, ...] = (), kinds: tuple[str, ...] = TABULAR
) -> Callable[[Callable[..., Made]], Callable[..., Made]]:
    """Put a function on the list: its name is the table's, its parameters are its inputs."""

    def add(make: Callable[..., Made]) -> Callable[..., Made]:
        name, inputs = make.__name__, tuple(signature(make).parameters)[1:]
        STEPS[name] = Step(name, group, words, kinds, make, inputs, also)
        return make

    return add


def rebuild_report(settings: Settings) -> Path:
    """Make every table of the list from the measured ones, publish it and the page.

    Returns the page's path.

    Raises:
        InputError: a file of data/ or what was imported cannot be used.
        TableError: a table cannot be written.
    """
    from dualollama_pipeline.tables.rebuild import build_lacking
    from dualollama_pipeline.tables.store import TableStore

    build_lacking(settings)
    store, config_ids = TableStore.of(settings), _matrix(settings).config_ids
    tables = {name: store.load_all(name, config_ids)[0] for name in MEASURED}
    for each in STEPS.values():
        made = each.make(settings, **{name: tables[name] for name in each.inputs})
        tables[each.name] = store.publish(each.name, made.table)
    return make_page(settings, tables).page


def make_page(settings: Settings, tables: Mapping[str, pd.DataFrame]) -> Published:
    """Render the report from PAGE's tables.

    Raises:
        InputError: the matrix cannot be used.
        OSError: the report cannot be written.
    """
    from dualollama_pipeline.report.gather import gather_inputs
    from dualollama_pipeline.report.publish import publish_report

    return publish_report(gather_inputs(settings, tables), Warehouse(settings.warehouse).report)


def _matrix(settings: Settings) -> Matrix:
    return load_matrix(settings.data / "matrix.yaml")


def _samples(
    run_table: pd.DataFrame, block_table: pd.DataFrame, matrix: Matrix | None = None
) -> pd.DataFrame:
    """Return what statistics are made of, with a matrix by effective class."""
    from dualollama_pipeline.statistics.samples import collect_samples, option_classes

    if matrix is None:
        return collect_samples(run_table, block_table)
    return collect_samples(run_table, block_table, option_classes(matrix))


@step("statistics", "Every metric of every configuration, with its interval.")
def config_statistics(_: Settings, run_table: pd.DataFrame, block_table: pd.DataFrame) -> Made:
    """Estimate by configuration."""
    from dualollama_pipeline.report.pictures import speedups_picture
    from dualollama_pipeline.statistics import estimate

    table = estimate.config_statistics(_samples(run_table, block_table))
    return Made(table, lambda: {"plot": Markdown(speedups_picture(table))})


@step("statistics", "Every metric of every scenario, with its interval.")
def scenario_statistics(_: Settings, run_table: pd.DataFrame, block_table: pd.DataFrame) -> Made:
    """Estimate by scenario, over blocks."""
    from dualollama_pipeline.statistics import estimate

    return Made(estimate.scenario_statistics(_samples(run_table, block_table)))


@step("statistics", "Every metric over all configurations, with its interval.")
def population_statistics(_: Settings, run_table: pd.DataFrame, block_table: pd.DataFrame) -> Made:
    """Estimate over all configurations, over blocks."""
    from dualollama_pipeline.statistics import estimate

    return Made(estimate.population_statistics(_samples(run_table, block_table)))


@step(
    "statistics",
    "Together or one after the other, two servers or one, scenario against scenario: each with "
    "its test, effect sizes, power and verdict.",
    also=("config_matrix",),
)
def contrasts(settings: Settings, run_table: pd.DataFrame, block_table: pd.DataFrame) -> Made:
    """Compare, by effective class."""
    from dualollama_pipeline.report.pictures import contrasts_picture
    from dualollama_pipeline.statistics.contrasts import contrasts as compare

    table = compare(_samples(run_table, block_table, _matrix(settings)))
    return Made(table, lambda: {"plot": Markdown(contrasts_picture(table))})


@step(
    "statistics",
    "What num_gpu, num_ctx, temperature and asymmetry do, all other options equal.",
    also=("config_matrix",),
)
def factor_effects(settings: Settings, run_table: pd.DataFrame, block_table: pd.DataFrame) -> Made:
    """Compare matched pairs of the matrix."""
    from dualollama_pipeline.report.pictures import factors_picture
    from dualollama_pipeline.statistics import factors

    matrix = _matrix(settings)
    table = factors.factor_effects(_samples(run_table, block_table, matrix), matrix)
    return Made(table, lambda: {"plot": Markdown(factors_picture(table))})


@step(
    "statistics",
    "Values far from the others of their configuration, each with its cause; kept.",
)
def outliers(
    _: Settings, call_table: pd.DataFrame, run_table: pd.DataFrame, block_table: pd.DataFrame
) -> Made:
    """Label outliers and look for their causes."""
    from dualollama_pipeline.statistics.outliers import outliers as label

    return Made(label(_samples(run_table, block_table), run_table, call_table))


@step(
    "statistics",
    "Slope, change point and alarm over the nights of the history.",
    also=("call_table", "run_table", "block_table"),
)
def trend(settings: Settings) -> Made:
    """Follow each metric over all batches that were published."""
    from dualollama_pipeline.statistics.trend import trend as follow
    from dualollama_pipeline.tables.history import load_nights
    from dualollama_pipeline.tables.store import TableStore

    nights = load_nights(TableStore.of(settings), _matrix(settings).config_ids)
    table = follow(_samples(nights.runs, nights.blocks), nights.order)
    return Made(table, lambda: {"left out": nights.left_out})


@step(
    "published",
    "The figures that the report prints, a row for each printing, value as printed.",
    kinds=("csv", "pandera"),
)
def published_figures(settings: Settings) -> Made:
    """Read the figures from the project's data."""
    from dualollama_pipeline.published.figures import load_figures

    path = settings.published / "figures.csv"
    figures = load_figures(path)
    return Made(figures.table(), lambda: {"file": path.name, "figures": len(figures)})


def _imported(settings: Settings) -> RunFolder | None:
    from dualollama_pipeline.published.commands import evidence_of

    return evidence_of(settings.warehouse).read()


def _of_import(settings: Settings, folder: RunFolder | None) -> dict[str, str]:
    from dualollama_pipeline.published.commands import import_summary
    from dualollama_pipeline.published.evidence import load_plan

    return import_summary(folder, load_plan(settings.published).config_ids)


@step("published", "A row for every call of the imported runs: counters, failures, loops, overlap.")
def imported_calls(settings: Settings) -> Made:
    """Lay out the calls of what `dualollama import` copied; empty if it never ran."""
    from dualollama_pipeline.published.imported import build_imported_calls

    folder = _imported(settings)
    return Made(build_imported_calls(folder), lambda: _of_import(settings, folder))


@step("published", "A row for every imported run: as the original scored it, and ours beside it.")
def imported_runs(settings: Settings, imported_calls: pd.DataFrame) -> Made:
    """Lay out the runs of what `dualollama import` copied; empty if it never ran."""
    from dualollama_pipeline.published.imported import build_imported_runs

    folder = _imported(settings)
    return Made(build_imported_runs(folder, imported_calls), lambda: _of_import(settings, folder))


def _evidence(
    settings: Settings, figures: pd.DataFrame, runs: pd.DataFrame, calls: pd.DataFrame
) -> Evidence:
    from dualollama_pipeline.published.audit import gather
    from dualollama_pipeline.published.figures import Figures

    return gather(settings.published, Figures.from_table(figures), runs, calls)


@step("published", "Every published figure recomputed: basis, verdict, one line of explanation.")
def claim_audit(
    settings: Settings,
    published_figures: pd.DataFrame,
    imported_runs: pd.DataFrame,
    imported_calls: pd.DataFrame,
) -> Made:
    """Audit the figures against imported runs and against each other."""
    from dualollama_pipeline.published import audit

    evidence = _evidence(settings, published_figures, imported_runs, imported_calls)
    table = audit.claim_audit(evidence)
    return Made(table, lambda: {**audit.verdict_counts(table), "imported runs": len(imported_runs)})


@step("published", "What reported efficiency is, the true speedup behind it, and its accidents.")
def method_critique(_: Settings, imported_runs: pd.DataFrame, imported_calls: pd.DataFrame) -> Made:
    """Judge the method on the imported runs; empty without them."""
    from dualollama_pipeline.published import critique

    return Made(critique.method_critique(imported_runs, imported_calls))


@step("published", "Rust, Python and this machine side by side; a winner only where justified.")
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
    from dualollama_pipeline.published import comparison

    evidence = _evidence(settings, published_figures, imported_runs, imported_calls)
    return Made(
        comparison.runtime_comparison(
            evidence, method_critique, config_statistics, population_statistics
        )
    )


@step(
    "decisions",
    "Three choices by rule, each with the group that the data cannot separate; report/recommended "
    "holds them as TOML.",
    also=("config_matrix", "cost_inputs"),  # the sizes of the models
)
def configuration_tiers(
    settings: Settings,
    call_table: pd.DataFrame,
    run_table: pd.DataFrame,
    block_table: pd.DataFrame,
    imported_runs: pd.DataFrame,
) -> Made:
    """Choose for each tier and write the choice down."""
    from dualollama_pipeline.decisions import tiers
    from dualollama_pipeline.decisions.candidates import find_candidates
    from dualollama_pipeline.decisions.cost_inputs import load_cost_inputs
    from dualollama_pipeline.decisions.recommended import write_recommended
    from dualollama_pipeline.tables.schemas import conform

    matrix = _matrix(settings)
    models = load_cost_inputs(settings.data / "cost.yaml").models
    samples = _samples(run_table, block_table, matrix)
    candidates = find_candidates(samples, run_table, call_table, models)
    chosen = tiers.configuration_tiers(candidates, imported_runs, matrix)
    chosen = conform("configuration_tiers", chosen)  # before anybody deploys it
    folder = Warehouse(settings.warehouse).report / "recommended"
    files = write_recommended(chosen, matrix, folder)
    return Made(chosen, lambda: {"files": "\n".join(map(str, files)) or "none"})


@step(
    "decisions",
    "The report's anti-patterns and best practices, each with what the data say of it.",
    also=("config_matrix",),
)
def anti_patterns(
    settings: Settings,
    contrasts: pd.DataFrame,
    factor_effects: pd.DataFrame,
    population_statistics: pd.DataFrame,
    imported_runs: pd.DataFrame,
) -> Made:
    """Hold every rule against contrasts and factor effects."""
    from dualollama_pipeline.decisions import anti_patterns as rules
    from dualollama_pipeline.published.evidence import load_plan

    statistics = rules.Statistics(contrasts, factor_effects, population_statistics)
    planned = load_plan(settings.published)
    table = rules.anti_patterns(statistics, imported_runs, _matrix(settings), planned)
    return Made(table, lambda: _counts(table["verdict"]))


def _counts(words: pd.Series) -> dict[str, int]:
    return {str(word): int(n) for word, n in words.value_counts().items()}


@step(
    "decisions",
    "The report's costs beside those that demand asks for; where its text is wrong.",
    also=("cost_inputs",),
)
def cost_model(
    settings: Settings,
    run_table: pd.DataFrame,
    block_table: pd.DataFrame,
    imported_runs: pd.DataFrame,
    published_figures: pd.DataFrame,
) -> Made:
    """Do the sums of section 8 again."""
    from dualollama_pipeline.decisions import cost_table
    from dualollama_pipeline.decisions.cost_inputs import load_cost_inputs
    from dualollama_pipeline.decisions.demand import demands

    inputs = load_cost_inputs(settings.data / "cost.yaml")
    found = demands(run_table, block_table, imported_runs)
    return Made(cost_table.cost_model(inputs, found, published_figures))


@step(
    "decisions",
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
    from dualollama_pipeline.decisions import sensitivity
    from dualollama_pipeline.decisions.cost_inputs import load_cost_inputs
    from dualollama_pipeline.decisions.demand import demands

    inputs = load_cost_inputs(settings.data / "cost.yaml")
    found = demands(run_table, block_table, imported_runs)
    table = sensitivity.cost_sensitivity(inputs, found)
    return Made(table, lambda: {"inputs that decide": int(table["flips"].sum())})


@step(
    "decisions",
    "Targets, SLAs, rollback and phase gates: met, missed, infeasible or not seen.",
    also=("call_table", "run_table", "service_levels"),
)
def slo_evaluation(
    settings: Settings,
    population_statistics: pd.DataFrame,
    cost_model: pd.DataFrame,
    imported_runs: pd.DataFrame,
    imported_calls: pd.DataFrame,
) -> Made:
    """Hold section 9 against all nights of the history, imported runs, and the costs."""
    from dualollama_pipeline.decisions import observed, slo
    from dualollama_pipeline.decisions.slo_inputs import load_slo_inputs
    from dualollama_pipeline.tables.history import load_history
    from dualollama_pipeline.tables.store import TableStore

    inputs = load_slo_inputs(settings.data / "slo.yaml")  # a mistake in it is told first
    store, config_ids = TableStore.of(settings), _matrix(settings).config_ids
    runs, no_runs = load_history(store, "run_table", config_ids)
    calls, no_calls = load_history(store, "call_table", config_ids)
    sources = [observed.observe(runs, calls, population_statistics, cost_model)]
    if len(imported_runs):
        sources.append(observed.observe_imported(imported_runs, imported_calls, cost_model))
    sources.append(observed.observe_report(cost_model))
    table = slo.slo_evaluation(inputs, sources)
    return Made(table, lambda: {**_counts(table["status"]), "left out": no_runs | no_calls})


UNSHOWN = {"agent_table", "published_figures", "imported_calls", "imported_runs"}
PAGE = tuple(name for name in (*MEASURED, *STEPS) if name not in UNSHOWN)
