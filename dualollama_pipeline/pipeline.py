"""The graph below the measured tables, once: each table, what it is made of, and how.

Dagster's assets are made from this list, and `dualollama report` walks it; a table that is added is
one function here and one schema. A parameter names the table that the function is given. Importing
this module imports no pandas: every process of the code location does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dualollama_pipeline.core.errors import DualOllamaError
from dualollama_pipeline.core.study import study_of
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.tables.step import Made, Markdown, Steps
from dualollama_pipeline.tr114.steps import WING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from dualollama_pipeline.core.settings import Settings
    from dualollama_pipeline.report.publish import Published
    from dualollama_pipeline.tables.step import Step
    from dualollama_pipeline.tables.store import TableStore
    from dualollama_pipeline.worker.journal import Journal

MEASURED = {
    "call_table": "A row for every call attempt: client stamps, the server's counters, its end.",
    "cell_table": "A row for every arm: how its trials ended, what servers and machine were like "
    "around them, and whether that lets it count.",
    "agent_table": "A row for every agent of every trial: durations, rates, TTFT, slowdown.",
    "run_table": "A row for every trial: wall time, the report's balance figures, contention.",
    "block_table": "A row for every block and arm of several agents: speedups and scaling against "
    "their solo arms.",
}
MEASURED_DEPS = {
    "call_table": ("benchmark_trials",),
    "cell_table": ("benchmark_trials", "call_table"),
    "agent_table": ("call_table",),
    "run_table": ("call_table", "agent_table", "cell_table"),
    "block_table": ("run_table", "call_table"),
}
STATISTICS = Steps("statistics")


class Pages(NamedTuple):
    """Where the page lies, and why the wing's is not beside it (None: it is)."""

    page: Path
    no_wing: DualOllamaError | None


def rebuild_report(settings: Settings) -> Pages:
    """Make every table of the list from the measured ones, publish it and the pages.

    Raises:
        InputError: the study cannot be used.
        TableError: a table or the page cannot be written.
    """
    from dualollama_pipeline.tables.rebuild import build_lacking
    from dualollama_pipeline.tables.store import TableStore

    Warehouse(settings.warehouse).refuse_another(study_of(settings).name)
    build_lacking(settings)
    store, config_ids = TableStore.of(settings), study_of(settings).config_ids
    tables = {name: store.load_all(name, config_ids)[0] for name in MEASURED}
    for each in STATISTICS.values():
        _publish(settings, store, each, tables)
    page = make_page(settings, tables).page
    try:  # after the page: a document's trouble costs no answer
        for each in WING.values():
            _publish(settings, store, each, tables)
        make_wing(settings, tables)
    except DualOllamaError as error:
        return Pages(page, error)
    return Pages(page, None)


def _publish(
    settings: Settings, store: TableStore, step: Step, tables: dict[str, pd.DataFrame]
) -> None:
    made = step.make(settings, **{name: tables[name] for name in step.inputs})
    tables[step.name] = store.publish(step.name, made.table)


def make_page(settings: Settings, tables: Mapping[str, pd.DataFrame]) -> Published:
    """Render the report from PAGE's tables.

    Raises:
        InputError: the matrix cannot be used.
        TableError: the report cannot be written.
    """
    from dualollama_pipeline.report.capacity import LINK as CAPACITY
    from dualollama_pipeline.report.gather import gather_inputs
    from dualollama_pipeline.report.publish import publish_report
    from dualollama_pipeline.report.sections.contents import SECTIONS
    from dualollama_pipeline.tr114.page import LINK, reserve

    warehouse = Warehouse(settings.warehouse)
    warehouse.refuse_another(study_of(settings).name)
    folder = warehouse.report
    reserve(folder)
    beside = [LINK, CAPACITY] if (folder / CAPACITY.file).exists() else [LINK]
    return publish_report(gather_inputs(settings, tables), folder, SECTIONS, beside)


class Capacity(NamedTuple):
    """The answer in words, the table, and where the page lies."""

    lines: list[str]
    table: pd.DataFrame
    page: Path


def make_capacity(settings: Settings, journals: Sequence[Journal]) -> Capacity:
    """Make the table and the page `capacity` from the journals of `measure_capacity`.

    Raises:
        InputError: the study cannot be used.
        JournalError: a journal holds no trial.
        TableError: a table or the page cannot be written.
    """
    from dualollama_pipeline.advice.capacity import capacity_table, in_words, limits
    from dualollama_pipeline.bench.capacity import slots_of
    from dualollama_pipeline.report.capacity import publish_capacity
    from dualollama_pipeline.tables.build import build_tables
    from dualollama_pipeline.tables.store import TableStore

    study = study_of(settings)
    Warehouse(settings.warehouse).belongs_to(study.name)
    levels = study.service_levels
    measured = ((build_tables(journal), slots_of(journal)) for journal in journals)
    table = TableStore.of(settings).publish("capacity", capacity_table(measured, levels))
    page = publish_capacity(table, levels, Warehouse(settings.warehouse).report)
    return Capacity(in_words(limits(table), levels), table, page)


def make_wing(settings: Settings, tables: Mapping[str, pd.DataFrame]) -> Path:
    """Render the page about TR114 from WING_PAGE's tables.

    Raises:
        TableError: the page cannot be written.
    """
    from dualollama_pipeline.tr114.page import publish_wing

    return publish_wing(tables, Warehouse(settings.warehouse).report)


@STATISTICS.step("Which value counts for which metric, arm and agent.", also=("study",))
def samples(
    settings: Settings,
    run_table: pd.DataFrame,
    agent_table: pd.DataFrame,
    block_table: pd.DataFrame,
) -> Made:
    """Lay out what all statistics are made of."""
    from dualollama_pipeline.statistics.samples import collect_samples, option_classes

    classes = option_classes(study_of(settings))
    return Made(collect_samples(run_table, agent_table, block_table, classes))


@STATISTICS.step("Every metric of every configuration, with its interval.")
def config_statistics(_: Settings, samples: pd.DataFrame) -> Made:
    """Estimate by configuration."""
    from dualollama_pipeline.report.pictures import speedups_picture
    from dualollama_pipeline.statistics import estimate

    table = estimate.config_statistics(samples)
    return Made(table, lambda: {"plot": Markdown(speedups_picture(table))})


@STATISTICS.step("Every metric of every scenario, with its interval.")
def scenario_statistics(_: Settings, samples: pd.DataFrame) -> Made:
    """Estimate by scenario, over blocks."""
    from dualollama_pipeline.statistics import estimate

    return Made(estimate.scenario_statistics(samples))


@STATISTICS.step("Every metric over all configurations, with its interval.")
def population_statistics(_: Settings, samples: pd.DataFrame) -> Made:
    """Estimate over all configurations, over blocks; in the notes the night's figures."""
    from dualollama_pipeline.report.configuration import figures_of_answers
    from dualollama_pipeline.statistics import estimate

    table = estimate.population_statistics(samples)
    return Made(table, lambda: figures_of_answers(table))


@STATISTICS.step(
    "Together or one after the other, two servers or one, scenario against scenario: each with "
    "its test, effect sizes, power and verdict."
)
def contrasts(_: Settings, samples: pd.DataFrame) -> Made:
    """Compare, by effective class."""
    from dualollama_pipeline.report.pictures import contrasts_picture
    from dualollama_pipeline.statistics.contrasts import contrasts as compare

    table = compare(samples)
    return Made(table, lambda: {"plot": Markdown(contrasts_picture(table))})


@STATISTICS.step(
    "What num_gpu, num_ctx, temperature and asymmetry do, all other options equal.",
    also=("study",),
)
def factor_effects(settings: Settings, samples: pd.DataFrame) -> Made:
    """Compare matched pairs of the study."""
    from dualollama_pipeline.report.pictures import factors_picture
    from dualollama_pipeline.statistics import factors

    table = factors.factor_effects(samples, study_of(settings))
    return Made(table, lambda: {"plot": Markdown(factors_picture(table))})


@STATISTICS.step("Values far from the others of their configuration, each with its cause; kept.")
def outliers(
    _: Settings, samples: pd.DataFrame, run_table: pd.DataFrame, call_table: pd.DataFrame
) -> Made:
    """Label outliers and look for their causes."""
    from dualollama_pipeline.statistics.outliers import outliers as label

    return Made(label(samples, run_table, call_table))


@STATISTICS.step(
    "Slope, change point and alarm over the nights of the history.",
    also=("call_table", "run_table", "block_table"),
)
def trend(settings: Settings) -> Made:
    """Follow each metric over all batches that were published."""
    from dualollama_pipeline.statistics.samples import collect_samples
    from dualollama_pipeline.statistics.trend import METRICS
    from dualollama_pipeline.statistics.trend import trend as follow
    from dualollama_pipeline.tables.conform import empty
    from dualollama_pipeline.tables.history import load_nights
    from dualollama_pipeline.tables.store import TableStore

    nights = load_nights(TableStore.of(settings), study_of(settings).config_ids)
    values = collect_samples(nights.runs, empty("agent_table"), nights.blocks, metrics=METRICS)
    made = follow(values, nights.order, len(study_of(settings).config_ids))
    return Made(made, lambda: {"left out": nights.left_out})


STEPS = {**STATISTICS, **WING}
UNSHOWN = {"agent_table", "published_figures", "imported_calls", "imported_runs"}
PAGE = tuple(name for name in (*MEASURED, *STATISTICS) if name not in UNSHOWN)
WING_PAGE = tuple(name for name in WING if name not in UNSHOWN)
