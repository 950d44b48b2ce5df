"""Each decision from what it rests on: the tables in hand and the files of data/ that it reads.

The assets and `dualollama report` both come here, so that they decide the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.core.matrix import load_matrix
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.decisions import cost_table, sensitivity, slo, tiers
from dualollama_pipeline.decisions.candidates import find_candidates
from dualollama_pipeline.decisions.cost_inputs import load_cost_inputs
from dualollama_pipeline.decisions.demand import demands
from dualollama_pipeline.decisions.observed import observe, observe_imported, observe_report
from dualollama_pipeline.decisions.recommended import write_recommended
from dualollama_pipeline.decisions.slo_inputs import load_slo_inputs
from dualollama_pipeline.statistics.samples import collect_samples, option_classes
from dualollama_pipeline.tables.history import load_history
from dualollama_pipeline.tables.schemas import conform
from dualollama_pipeline.tables.store import TableStore

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

    from dualollama_pipeline.core.settings import Settings

    Tables = Mapping[str, pd.DataFrame]


def choose_tiers(settings: Settings, tables: Tables) -> tuple[pd.DataFrame, list[Path]]:
    """Choose for each tier and write the choices as TOML; return (configuration_tiers, files).

    Reads call_table, run_table, block_table and imported_runs.

    Raises:
        InputError: matrix or cost.yaml cannot be used.
    """
    matrix = load_matrix(settings.data / "matrix.yaml")
    runs, calls = tables["run_table"], tables["call_table"]
    samples = collect_samples(runs, tables["block_table"], option_classes(matrix))
    models = load_cost_inputs(settings.data / "cost.yaml").models
    candidates = find_candidates(samples, runs, calls, models)
    chosen = tiers.configuration_tiers(candidates, tables["imported_runs"], matrix)
    chosen = conform("configuration_tiers", chosen)
    folder = Warehouse(settings.warehouse).report / "recommended"
    return chosen, write_recommended(chosen, matrix, folder)


def sum_costs(settings: Settings, tables: Tables) -> pd.DataFrame:
    """Return cost_model, from run_table, block_table, imported_runs and published_figures.

    Raises:
        InputError: cost.yaml cannot be used.
    """
    inputs = load_cost_inputs(settings.data / "cost.yaml")
    found = demands(tables["run_table"], tables["block_table"], tables["imported_runs"])
    return cost_table.cost_model(inputs, found, tables["published_figures"])


def vary_costs(settings: Settings, tables: Tables) -> pd.DataFrame:
    """Return cost_sensitivity, from run_table, block_table and imported_runs.

    Raises:
        InputError: cost.yaml cannot be used.
    """
    inputs = load_cost_inputs(settings.data / "cost.yaml")
    found = demands(tables["run_table"], tables["block_table"], tables["imported_runs"])
    return sensitivity.cost_sensitivity(inputs, found)


def evaluate_levels(settings: Settings, tables: Tables) -> tuple[pd.DataFrame, dict[str, str]]:
    """Return slo_evaluation over all nights, and {file of the history: why it was left out}.

    Reads population_statistics, cost_model, imported_runs and imported_calls, and the history.

    Raises:
        InputError: matrix or slo.yaml cannot be used.
        TableError: nothing has been measured yet that can be used.
    """
    inputs = load_slo_inputs(settings.data / "slo.yaml")  # a mistake in it is told first
    config_ids = load_matrix(settings.data / "matrix.yaml").config_ids
    store = TableStore.of(settings)
    runs, no_runs = load_history(store, "run_table", config_ids)
    calls, no_calls = load_history(store, "call_table", config_ids)
    costs, imported = tables["cost_model"], tables["imported_runs"]
    sources = [observe(runs, calls, tables["population_statistics"], costs)]
    if len(imported):
        sources.append(observe_imported(imported, tables["imported_calls"], costs))
    sources.append(observe_report(costs))
    return slo.slo_evaluation(inputs, sources), no_runs | no_calls
