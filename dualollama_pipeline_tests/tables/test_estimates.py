"""The tables of the statistics: what their schemas refuse.

The trap: a verdict in free words, an interval beside its value, a rank outside its own interval.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from dualollama_pipeline.core.errors import TableError
from dualollama_pipeline.statistics.schemas import ESTIMATE_TABLES, EVIDENCE, VERDICTS
from dualollama_pipeline.tables.conform import conform, schemas
from dualollama_pipeline_tests.statistics.campaign import sound_statistics

NAMES = [table.name for table in ESTIMATE_TABLES]


@pytest.fixture(scope="module")
def sound() -> dict[str, pd.DataFrame]:
    return sound_statistics()


def broken(df: pd.DataFrame, **changes: Any) -> pd.DataFrame:
    """The last row with other values."""
    made = df.reset_index(drop=True).astype(dict.fromkeys(changes, object))
    for name, value in changes.items():
        made.loc[len(made) - 1, name] = value
    return made


@pytest.mark.parametrize("name", NAMES)
def test_the_sound_tables_pass_and_come_back_whole(
    name: str, sound: dict[str, pd.DataFrame]
) -> None:
    """Otherwise every refusal below proves nothing."""
    assert schemas()[name] in ESTIMATE_TABLES
    assert len(conform(name, sound[name])) == len(sound[name]) >= 2
    assert all(column.description for column in schemas()[name].columns.values())


@pytest.mark.parametrize(
    ("name", "changes", "says"),
    [
        ("config_statistics", {"ci_low": 9.0, "ci_high": 9.5}, "ci_low <= value <= ci_high"),
        ("contrasts", {"ci_low": 9.0, "ci_high": 9.5}, "ci_low <= value <= ci_high"),
        ("factor_effects", {"ci_low": 9.0, "ci_high": 9.5}, "ci_low <= value <= ci_high"),
        ("config_statistics", {"rank_low": 3, "rank": 2, "rank_high": 3}, "rank_low <= rank"),
        ("config_statistics", {"rank_low": 1, "rank": 2, "rank_high": 1}, "rank <= rank_high"),
        ("config_statistics", {"evidence": "supported"}, "evidence"),
        ("contrasts", {"verdict": "supported"}, "verdict"),
        ("contrasts", {"cliffs_delta": -1.1}, "cliffs_delta"),
        ("contrasts", {"p_value": float("inf")}, "p_value"),
        ("outliers", {"value": None}, "value"),
        ("outliers", {"block": 0}, "block"),
        ("trend", {"n_nights": -1}, "n_nights"),
        ("trend", {"alarm": None}, "alarm"),
    ],
)
def test_what_is_refused(
    name: str, changes: dict[str, Any], says: str, sound: dict[str, pd.DataFrame]
) -> None:
    """By its name."""
    with pytest.raises(TableError, match=says):
        conform(name, broken(sound[name], **changes))


@pytest.mark.parametrize("name", NAMES)
def test_no_rows_are_a_table(name: str, sound: dict[str, pd.DataFrame]) -> None:
    """Nothing valid is the usual first contact: the report on it must not die of its tables."""
    assert list(conform(name, pd.DataFrame()).columns) == list(conform(name, sound[name]).columns)


def test_verdicts_and_evidence_are_closed_lists() -> None:
    """METHOD section 3: five verdicts; from simulated data, an illustration."""
    assert len(VERDICTS) == 5
    assert EVIDENCE == ("illustration", "measured")
