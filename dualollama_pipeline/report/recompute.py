"""Everything below the measured tables, computed anew and published, without Dagster.

The same functions that the assets of the groups statistics, published and decisions call; an asset
that is added there is added here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.core.matrix import load_matrix
from dualollama_pipeline.decisions.anti_patterns import Statistics, anti_patterns
from dualollama_pipeline.decisions.decide import (
    choose_tiers,
    evaluate_levels,
    sum_costs,
    vary_costs,
)
from dualollama_pipeline.published.audit import claim_audit, gather
from dualollama_pipeline.published.commands import evidence_of, imported_tables
from dualollama_pipeline.published.comparison import runtime_comparison
from dualollama_pipeline.published.critique import method_critique
from dualollama_pipeline.published.evidence import load_plan
from dualollama_pipeline.published.figures import load_figures
from dualollama_pipeline.statistics import (
    contrasts,
    estimate,
    factors,
    outliers,
    samples,
    trend,
)
from dualollama_pipeline.tables.history import load_nights

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
    figures = load_figures(settings.published / "figures.csv")
    runs, calls = imported_tables(evidence_of(settings.warehouse).read())
    evidence = gather(settings.published, figures, runs, calls)
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
    statistics = Statistics(
        tables["contrasts"], tables["factor_effects"], tables["population_statistics"]
    )
    made = _publish(
        store,
        {
            "configuration_tiers": choose_tiers(settings, tables)[0],
            "anti_patterns": anti_patterns(
                statistics, tables["imported_runs"], matrix, load_plan(settings.published)
            ),
            "cost_model": sum_costs(settings, tables),
            "cost_sensitivity": vary_costs(settings, tables),
        },
    )
    return made | _publish(store, {"slo_evaluation": evaluate_levels(settings, tables | made)[0]})


def _publish(store: TableStore, made: Tables) -> Tables:
    return {name: store.publish(name, table) for name, table in made.items()}
