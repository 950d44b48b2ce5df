"""The tables of this room refuse what would mislead: null and zero confused, bases invented."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from dualollama_pipeline.core.errors import TableError
from dualollama_pipeline.tables.conform import conform
from dualollama_pipeline_tests.tr114.imported.original_tree import FAILED

Tables = tuple[pd.DataFrame, pd.DataFrame]


@pytest.mark.parametrize(
    ("table", "changes", "said"),
    [
        ("imported_calls", {"total_ms": 0.0}, "a failed call has no total, tokens or rate"),
        ("imported_calls", {"origin": "measured"}, "origin"),
        ("imported_calls", {"failure_kind": "bad luck"}, "failure_kind"),
        ("imported_runs", {"scenario": "chimera-homo"}, "scenario"),
        (
            "imported_runs",
            {"balance_speedup": 1.9, "balance_efficiency_pct": 60.0},
            "balance_efficiency_pct = 50",
        ),
        ("imported_runs", {"run_number": 0}, "run_number"),
    ],
)
def test_rows_that_mislead_are_refused(
    imported: Tables, table: str, changes: dict[str, Any], said: str
) -> None:
    """One wrong value in the row of the failed call, all else sound."""
    df = dict(zip(("imported_runs", "imported_calls"), imported, strict=True))[table].copy()
    failed = df["status"].eq("failed")
    assert set(df.loc[failed, "config_id"]) == {FAILED[0]}
    for name, value in changes.items():
        df[name] = df[name].astype(object)
        df.loc[failed, name] = value
    with pytest.raises(TableError, match=said):
        conform(table, df)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"verdict": "not checkable", "basis": "imported runs"}, "not checkable means no basis"),
        ({"verdict": "wrong"}, "verdict"),
        ({"basis": "hearsay"}, "basis"),
        ({"claim_id": None}, "claim_id"),
    ],
)
def test_a_verdict_keeps_to_its_words(
    audit_without: pd.DataFrame, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(TableError, match=said):
        conform("claim_audit", audit_without.assign(**changes))
