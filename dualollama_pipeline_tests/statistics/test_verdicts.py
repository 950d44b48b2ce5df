"""One rule for all verdicts.

The trap: nan < 0.05 is False, which would read as "no difference".
"""

from __future__ import annotations

import math

import pytest
from scipy import stats

from dualollama_pipeline.statistics import verdicts
from dualollama_pipeline.statistics.means import Mean
from dualollama_pipeline.statistics.verdicts import Outcome, judge

SURE = Outcome(
    effect=0.1, p_adjusted=0.01, p_equivalence=0.9, smallest_p=0.001, n_family=1, null_reason=""
)


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({}, "better"),
        ({"effect": -0.1}, "worse"),
        ({"higher_is_better": False}, "worse"),
        ({"p_adjusted": 0.05}, "better"),
        ({"p_adjusted": 0.051}, "no difference shown"),
        ({"p_adjusted": 0.5, "p_equivalence": 0.04}, "equivalent"),
        ({"p_adjusted": 0.01, "p_equivalence": 0.04}, "equivalent"),  # shown, and within the margin
        ({"p_adjusted": 0.5, "p_equivalence": 0.04, "n_family": 2}, "no difference shown"),
        ({"p_adjusted": 0.5, "smallest_p": 0.0625}, "undetermined"),
        ({"p_adjusted": 0.5, "smallest_p": 0.004, "n_family": 27}, "undetermined"),
        ({"p_adjusted": math.nan}, "undetermined"),
        ({"null_reason": "no block counts"}, "undetermined"),
    ],
)
def test_each_verdict(changes: dict[str, object], verdict: str) -> None:
    """A test that could not have reached the threshold shows nothing by not reaching it."""
    found = judge(SURE._replace(**changes))
    assert found.verdict == verdict
    assert found.reason


def test_p_of_t_by_hand() -> None:
    """T = 0.2 / 0.1 with 4 degrees of freedom; nothing is tested without an error."""
    assert verdicts.p_of_t(Mean(1.2, 0.1, 4, ""), 1.0) == pytest.approx(2 * stats.t.sf(2, 4))
    assert verdicts.p_of_t(Mean(1.2, 0.1, 4, "")) == pytest.approx(2 * stats.t.sf(12, 4))
    assert math.isnan(verdicts.p_of_t(Mean(1.2, math.nan, math.nan, "why")))


def test_equivalence_is_two_one_sided_tests() -> None:
    """0.01 within 0.03: t = 0.02 / 0.01 to the nearer margin and 4 to the other."""
    mean = Mean(-0.01, 0.01, 10, "")
    assert verdicts.p_of_equivalence(mean, 0.03) == pytest.approx(stats.t.sf(2, 10))
    assert verdicts.p_of_equivalence(mean, 0.005) > 0.5  # outside of the margin
    assert math.isnan(verdicts.p_of_equivalence(Mean(0.0, math.nan, math.nan, "why"), 1.0))


def test_simulated_data_is_an_illustration() -> None:
    """It supports no statement about real servers."""
    assert verdicts.evidence_of("simulated") == "illustration"
    assert verdicts.evidence_of("measured") == verdicts.evidence_of("imported") == "measured"
