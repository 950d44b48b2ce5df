"""Everything below the measured tables, computed anew and published, without Dagster.

The same functions that the assets of the groups statistics, published and decisions call; an asset
that is added there is added here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.core.matrix import load_matrix
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.decisions.anti_patterns import Statistics, anti_patterns
from dualollama_pipeline.decisions.candidates import find_candidates
from dualollama_pipeline.decisions.cost_inputs import load_cost_inputs
from dualollama_pipeline.decisions.cost_table import cost_model
from dualollama_pipeline.decisions.demand import demands
from dualollama_pipeline.decisions.observed import observe, observe_imported, observe_report
from dualollama_pipeline.decisions.recommended import write_recommended
from dualollama_pipeline.decisions.sensitivity import cost_sensitivity
from dualollama_pipeline.decisions.slo import slo_evaluation
from dualollama_pipeline.decisions.slo_inputs import load_slo_inputs
from dualollama_pipeline.decisions.tiers import configuration_tiers
from dualollama_pipeline.published.audit import claim_audit, gather
from dualollama_pipeline.published.commands import evidence_of, imported_tables
from dualollama_pipeline.published.comparison import runtime_comparison
from dualollama_pipeline.published.critique import method_critique
from dualollama_pipeline.published.figures import load_figures
from dualollama_pipeline.statistics import (
    contrasts,
    estimate,
    factors,
    outliers,
    samples,
    trend,
)
from dualollama_pipeline.tables.history import load_history, load_nights

if TYPE_CHECKING:
    import pandas as pd

    from dualollama_pipeline.core.settings import Settings
    from dualollama_pipeline.tables.store import TableStore

    Tables = dict[str, pd.DataFrame]


def publish_statistics(settings: Settings, store: TableStore, tables: Tables) -> Tables:
    """Publish the group `statistics` from the measured tables; return what was written.

    Raises:
        InputError: the matrix cannot be used.
        TableError: a table is damaged or cannot be written.
    """
    matrix = load_matrix(settings.data / "matrix.yaml")
    runs, blocks, calls = (tables[name] for name in ("run_table", "block_table", "call_table"))
    found = samples.collect_samples(runs, blocks)
    by_class = samples.collect_samples(runs, blocks, samples.option_classes(matrix))
    nights = load_nights(store, matrix.config_ids)
    of_nights = samples.collect_samples(nights.runs, nights.blocks)
    return _publish(
        store,
        {
            "config_statistics": estimate.config_statistics(found),
            "scenario_statistics": estimate.scenario_statistics(found),
            "population_statistics": estimate.population_statistics(found),
            "contrasts": contrasts.contrasts(by_class),
            "factor_effects": factors.factor_effects(by_class, matrix),
            "outliers": outliers.outliers(found, runs, calls),
            "trend": trend.trend(of_nights, nights.order),
        },
    )


def publish_published(settings: Settings, store: TableStore, tables: Tables) -> Tables:
    """Publish the group `published`, from what is imported and the statistics.

    Raises:
        InputError: the published figures, the matrix or what was imported cannot be used.
        TableError: a table cannot be written.
    """
    figures = load_figures(settings.data / "published" / "figures.csv")
    runs, calls = imported_tables(evidence_of(settings.warehouse).read())
    evidence = gather(settings.data, figures, runs, calls)
    critique = method_critique(runs, calls)
    return _publish(
        store,
        {
            "published_figures": figures.table(),
            "imported_calls": calls,
            "imported_runs": runs,
            "claim_audit": claim_audit(evidence),
            "method_critique": critique,
            "runtime_comparison": runtime_comparison(
                evidence, critique, tables["config_statistics"], tables["population_statistics"]
            ),
        },
    )


def publish_decisions(settings: Settings, store: TableStore, tables: Tables) -> Tables:
    """Publish the group `decisions`, and the recommended agents as TOML.

    Raises:
        InputError: matrix, costs or service levels cannot be used.
        TableError: a table cannot be written.
    """
    matrix = load_matrix(settings.data / "matrix.yaml")
    costs = load_cost_inputs(settings.data / "cost.yaml")
    runs, blocks, calls = (tables[name] for name in ("run_table", "block_table", "call_table"))
    imported = tables["imported_runs"]
    found = samples.collect_samples(runs, blocks, samples.option_classes(matrix))
    candidates = find_candidates(found, runs, calls, costs.models)
    statistics = Statistics(
        tables["contrasts"], tables["factor_effects"], tables["population_statistics"]
    )
    demand = demands(runs, blocks, imported)
    made = _publish(
        store,
        {
            "configuration_tiers": configuration_tiers(candidates, imported, matrix),
            "anti_patterns": anti_patterns(statistics, imported, matrix),
            "cost_model": cost_model(costs, demand, tables["published_figures"]),
            "cost_sensitivity": cost_sensitivity(costs, demand),
        },
    )
    folder = Warehouse(settings.warehouse).report / "recommended"
    write_recommended(made["configuration_tiers"], matrix, folder)
    return made | _publish(store, {"slo_evaluation": _slo(settings, store, tables | made)})


def _slo(settings: Settings, store: TableStore, tables: Tables) -> pd.DataFrame:
    config_ids = load_matrix(settings.data / "matrix.yaml").config_ids
    runs, _ = load_history(store, "run_table", config_ids)
    calls, _ = load_history(store, "call_table", config_ids)
    costs, imported = tables["cost_model"], tables["imported_runs"]
    sources = [observe(runs, calls, tables["population_statistics"], costs)]
    if len(imported):
        sources.append(observe_imported(imported, tables["imported_calls"], costs))
    sources.append(observe_report(costs))
    return slo_evaluation(load_slo_inputs(settings.data / "slo.yaml"), sources)


def _publish(store: TableStore, made: Tables) -> Tables:
    return {name: store.publish(name, table) for name, table in made.items()}
