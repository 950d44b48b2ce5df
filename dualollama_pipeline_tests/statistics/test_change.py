"""Change over nights, by hand and against what chance does.

The trap: one slow night that passes for a trend, or a trend from three nights.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from dualollama_pipeline.statistics import change
from dualollama_pipeline.statistics.intervals import Interval

NIGHTS = np.array([1.0, 2.0, 3.0, 4.0, 100.0])


def test_theil_sen_is_not_drawn_by_one_night() -> None:
    """Slopes: six of 1 (among the first four), and 99, 98/2, 97/3, 24: the middle of ten is 1."""
    found = change.theil_sen(NIGHTS)
    assert found.value == pytest.approx(1.0)
    assert found.low <= 1.0 <= found.high


def test_mann_kendall_by_hand() -> None:
    """All ten pairs rise: tau 1, and of 120 orders two are as extreme."""
    found = change.mann_kendall(NIGHTS)
    assert found.tau == pytest.approx(1.0)
    assert found.p_value == pytest.approx(2 / 120)


def test_four_nights_are_no_trend() -> None:
    """Null with a reason, whatever they look like."""
    few = NIGHTS[:4]
    assert "5 nights, there are 4" in change.theil_sen(few).reason
    assert math.isnan(change.mann_kendall(few).p_value)
    assert math.isnan(change.pettitt(few).p_value)
    assert "5 earlier nights, there are 4" in change.last_against_earlier(NIGHTS).reason


def test_equal_nights_have_no_test() -> None:
    """Kendall of constants is nan in scipy, and a permutation p would be 1."""
    same = np.full(9, 0.83)
    assert math.isnan(change.mann_kendall(same).p_value)
    assert math.isnan(change.pettitt(same).p_value)
    assert "equal" in change.last_against_earlier(same).reason


def test_pettitt_by_hand() -> None:
    """Ranks 1 2 3 6 5 4: U_t = 2 cumsum - 7 t = -5 -8 -9 -4 -1: the change follows night 3."""
    found = change.pettitt(np.array([1.0, 2.0, 3.0, 60.0, 50.0, 40.0]))
    assert found.first_after == 3
    orders = np.array(list(itertools.permutations(range(1, 7))))
    course = np.abs(2 * np.cumsum(orders, axis=1)[:, :-1] - 7 * np.arange(1, 6))
    assert found.p_value == pytest.approx((course.max(axis=1) >= 9).mean(), abs=0.03)


def test_pettitt_in_chunks_is_the_same_test() -> None:
    """All permutations of years of nights at once would not fit."""
    found = change.pettitt(np.r_[np.zeros(1_500), np.ones(1_500)], n_permutations=1_999)
    assert found.first_after == 1_500
    assert found.p_value == pytest.approx(1 / 2_000)


def test_the_last_night_by_hand() -> None:
    """7 - 3; sd of 1..5 sqrt(2.5), one more night: x sqrt(1 + 1/5); t(4) 2.776."""
    found = change.last_against_earlier(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 7.0]))
    half = 2.776445 * math.sqrt(2.5) * math.sqrt(1.2)
    assert found[:3] == pytest.approx((4.0, 4 - half, 4 + half), rel=1e-6)


@pytest.mark.parametrize(
    ("low", "high", "alarm"),
    [
        (2.1, 3.0, True), (-3.0, -2.1, True), (1.9, 9.0, False), (-9.0, -1.9, False),
        (-5.0, 5.0, False), (math.nan, math.nan, False),
    ],
)  # fmt: skip
def test_an_alarm_needs_the_whole_interval_beyond(low: float, high: float, alarm: bool) -> None:
    """A point beyond the tolerated change, with an interval that holds it, is no alarm."""
    assert change.is_alarm(Interval(0.0, low, high, ""), 2.0) is alarm
