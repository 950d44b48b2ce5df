"""The tables of this room refuse what would mislead."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from dualollama_pipeline.core.errors import TableError
from dualollama_pipeline.core.study import Study
from dualollama_pipeline.tables.conform import conform
from dualollama_pipeline.tr114.choices.tiers import configuration_tiers
from dualollama_pipeline.tr114.costs.cost_inputs import CostInputs
from dualollama_pipeline.tr114.costs.cost_table import cost_model
from dualollama_pipeline.tr114.costs.sensitivity import cost_sensitivity
from dualollama_pipeline_tests.tr114.choices.choices import candidate

Imported = tuple[pd.DataFrame, pd.DataFrame]


@pytest.fixture(scope="module")
def tables(
    inputs: CostInputs, audit_without: pd.DataFrame, matrix: Study, nothing_imported: Imported
) -> dict[str, pd.DataFrame]:
    return {
        "cost_model": cost_model(inputs, inputs, [], audit_without),
        "cost_sensitivity": cost_sensitivity(inputs, []),
        "configuration_tiers": configuration_tiers(
            [candidate("test001")], nothing_imported[0], matrix
        ),
    }


@pytest.mark.parametrize(
    ("table", "changes", "said"),
    [
        ("cost_model", {"basis": "guessed"}, "basis"),
        ("cost_model", {"evidence": "supported"}, "evidence"),
        ("cost_model", {"value": 3.0, "ci_low": 4.0, "ci_high": 5.0}, "ci_low <= value"),
        ("cost_model", {"value": float("inf")}, "finite"),
        ("cost_sensitivity", {"place": 0}, "place"),
        ("cost_sensitivity", {"base": None}, "base"),
        ("configuration_tiers", {"standing": "winner"}, "standing"),
        ("configuration_tiers", {"weighted_speedup": 9.0}, "weighted_speedup lies in its interval"),
        ("configuration_tiers", {"tier": "gold"}, "tier"),
    ],
)
def test_rows_that_mislead_are_refused(
    tables: dict[str, pd.DataFrame], table: str, changes: dict[str, Any], said: str
) -> None:
    df = tables[table].copy()
    conform(table, df)
    with pytest.raises(TableError) as error:
        conform(table, df.assign(**changes))
    assert said in error.value.problem


def test_simulated_support_is_refused() -> None:
    """Whoever builds the table otherwise: METHOD section 3 stands in the schema too."""
    row = {
        "origin": "simulated", "evidence": "illustration", "rule": "AP1", "section": "7.3",
        "applies_to": "configuration", "statement": "s", "fix": "f", "n_hits": 0, "hits": "",
        "verdict": "illustration", "would_be": "supported", "finding": "",
        "comparison": "", "source_table": "", "metric": "", "unit": "",
        "value": 1.0, "ci_low": 0.9, "ci_high": 1.1,
        "n": 5, "statistical_verdict": "",
    }  # fmt: skip
    conform("anti_patterns", pd.DataFrame([row]))
    with pytest.raises(TableError, match="what is simulated supports nothing"):
        conform("anti_patterns", pd.DataFrame([row | {"verdict": "supported"}]))
