"""Intervals: hand arithmetic with t values from the textbook, and whether they keep their promise.

The trap: scipy answers nan, or an interval of no width, where nothing can be known.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import stats

from dualollama_pipeline.statistics.intervals import (
    Interval,
    cut_at,
    exponentiate,
    interval_of,
    skewed_interval_of,
    t_interval,
)
from dualollama_pipeline.statistics.means import Mean, mean_of, sample

if TYPE_CHECKING:
    from collections.abc import Sequence

# Student's t, 0.975 quantile, by degrees of freedom
T4, T8, T9 = 2.776445, 2.306004, 2.262157
NAN = float("nan")


def stratified_t_interval(strata: Sequence[Sequence[float]]) -> Interval:
    """As the statistics estimate over several configurations: labelled values, one mean."""
    labels = [number for number, stratum in enumerate(strata) for _ in stratum]
    return interval_of(mean_of(sample([v for stratum in strata for v in stratum], labels)))


def without_interval(interval: Interval) -> bool:
    """No ends, and a reason; whether there is a value is another matter."""
    return math.isnan(interval.low) and math.isnan(interval.high) and bool(interval.reason)


def test_t_interval_by_hand() -> None:
    """With ddof 0, or the normal 1.96, five values would look too sure."""
    # mean 3; sd sqrt((4 + 1 + 0 + 1 + 4) / 4) = sqrt(2.5); se sqrt(2.5 / 5) = sqrt(0.5)
    found = t_interval([1.0, 2.0, 3.0, 4.0, 5.0])
    half = T4 * math.sqrt(0.5)
    assert found.value == pytest.approx(3.0)
    assert (found.low, found.high) == pytest.approx((3 - half, 3 + half), rel=1e-6)
    assert found.reason == ""


def test_t_interval_with_ten_values_and_another_level() -> None:
    """The level is told beside the interval; it must be the one that was used."""
    values = [1.0, 2.0, 3.0, 4.0, 5.0] * 2  # mean 3; variance 20 / 9; se sqrt(2 / 9)
    found = t_interval(values)
    assert found.high - 3 == pytest.approx(T9 * math.sqrt(2 / 9), rel=1e-6)
    at_90 = t_interval(values, level=0.90)
    assert at_90.high - 3 == pytest.approx(1.833113 * math.sqrt(2 / 9), rel=1e-6)


@pytest.mark.parametrize("n", [1, 2, 3, 4])
def test_fewer_than_five_values_have_a_value_and_no_interval(n: int) -> None:
    """METHOD section 3: intervals from 5 complete blocks."""
    found = t_interval([float(value) for value in range(1, n + 1)])
    assert found.value == pytest.approx((n + 1) / 2)
    assert without_interval(found)
    assert "5 blocks" in found.reason
    assert found.reason.endswith(f" {n}")


def test_nothing_has_no_value() -> None:
    """The mean of nothing is not 0."""
    for found in (t_interval([]), stratified_t_interval([]), stratified_t_interval([[], []])):
        assert math.isnan(found.value)
        assert without_interval(found)


def test_equal_values_have_no_interval() -> None:
    """An interval of no width would exclude everything, with certainty."""
    found = t_interval([2.0] * 5)
    assert found.value == pytest.approx(2.0)
    assert without_interval(found)
    strata = stratified_t_interval([[2.0] * 5, [3.0] * 5])
    assert strata.value == pytest.approx(2.5)
    assert without_interval(strata)


@pytest.mark.parametrize(("value", "n"), [(0.11, 5), (0.1, 6), (0.11, 10)])
def test_equal_values_that_are_no_binary_fractions_have_no_interval(value: float, n: int) -> None:
    """A comparison with 0 exactly finds 2.0 x 5, but not 0.11 x 5; so with a stratum."""
    assert without_interval(t_interval([value] * n))
    assert without_interval(stratified_t_interval([[value] * n, [value] * n]))


def test_a_missing_value_is_told() -> None:
    """Null without a reason reads as an oversight of the report."""
    assert without_interval(t_interval([1.0, 2.0, 3.0, 4.0, NAN]))


def test_stratified_interval_by_hand() -> None:
    """What differs between configurations is no error: 3 and 13 are as sure as 3 and 3."""
    near = stratified_t_interval([[1.0, 2.0, 3.0, 4.0, 5.0], [1.0, 2.0, 3.0, 4.0, 5.0]])
    far = stratified_t_interval([[1.0, 2.0, 3.0, 4.0, 5.0], [11.0, 12.0, 13.0, 14.0, 15.0]])
    # w = 1/2 each; variance 2 x (1/4 x 2.5 / 5) = 0.25; df 0.25^2 / (2 x 0.125^2 / 4) = 8
    assert (near.value, far.value) == pytest.approx((3.0, 8.0))
    assert near.high - near.low == pytest.approx(2 * T8 * 0.5, rel=1e-6)
    assert (far.low, far.high) == pytest.approx((8 - T8 * 0.5, 8 + T8 * 0.5), rel=1e-6)
    assert far.reason == ""


def test_strata_of_unequal_size_weigh_by_their_values() -> None:
    """The mean of means would give a configuration with two blocks the weight of ten."""
    strata = [[1.0, 2.0, 3.0, 4.0, 5.0], [11.0, 12.0, 13.0, 14.0, 15.0] * 2]
    found = stratified_t_interval(strata)
    # mean (15 + 130) / 15; w 1/3, 2/3; parts 1/9 x 2.5/5 = 1/18 and 4/9 x (20/9)/10 = 8/81
    a, b = 1 / 18, 8 / 81
    freedom = (a + b) ** 2 / (a**2 / 4 + b**2 / 9)  # 12.8 after Welch and Satterthwaite
    half = stats.t.ppf(0.975, freedom) * math.sqrt(a + b)
    assert found.value == pytest.approx(145 / 15)
    assert (found.low, found.high) == pytest.approx((found.value - half, found.value + half))


def test_one_stratum_is_the_plain_interval() -> None:
    """A scenario of one configuration must not say something else than the configuration."""
    values = [1.0, 2.0, 4.0, 4.0, 5.0]
    assert stratified_t_interval([values, []]) == pytest.approx(t_interval(values))


@pytest.mark.parametrize(
    ("strata", "says"),
    [
        ([[1.0, 2.0, 3.0], [3.0, 4.0, 5.0], [7.0], [8.0]], "2 configuration"),  # 2 of 8: above 0.2
        ([[1.0], [2.0], [3.0]], "4 degrees of freedom, there are 0"),
        ([[1.0, 2.0], [3.0, 5.0], [4.0, 5.0]], "4 degrees of freedom, there are 3"),
    ],
)
def test_too_little_for_a_variance_is_told(strata: list[list[float]], says: str) -> None:
    """The value stands; what is missing is the certainty."""
    found = stratified_t_interval(strata)
    values = [value for stratum in strata for value in stratum]
    assert found.value == pytest.approx(sum(values) / len(values))
    assert without_interval(found)
    assert says in found.reason


def test_four_degrees_of_freedom_are_enough_in_all() -> None:
    """Four configurations of two blocks know as much as one of five."""
    found = stratified_t_interval([[1.0, 3.0], [1.0, 3.0], [1.0, 3.0], [1.0, 3.0]])
    # s^2 = 2 each, w = 1/4: variance 4 x (1/16 x 2 / 2) = 0.25; df 0.0625 / (4 x (1/16)^2) = 4
    assert (found.low, found.high) == pytest.approx((2 - T4 * 0.5, 2 + T4 * 0.5), rel=1e-6)


def test_exponentiate_gives_the_geometric_mean() -> None:
    """2 and 1/2 average to 1 and not to 1.25."""
    logs = t_interval(np.log([0.5, 1.0, 1.0, 1.0, 2.0]))
    found = exponentiate(logs)
    # logs -ln2, 0, 0, 0, ln2: mean 0; se sqrt(2 ln2^2 / 4 / 5)
    half = T4 * math.log(2) * math.sqrt(0.1)
    assert found.value == pytest.approx(1.0)
    assert (found.low, found.high) == pytest.approx((math.exp(-half), math.exp(half)), rel=1e-6)


def test_exponentiate_keeps_what_is_not_there() -> None:
    """exp(nan) is nan, and the reason is worth as much as before."""
    found = exponentiate(Interval(0.0, NAN, NAN, "why"))
    assert found.value == pytest.approx(1.0)
    assert without_interval(found)
    assert found.reason == "why"


def test_cut_at_a_bound() -> None:
    """A balance efficiency of up to 101 % would be printed otherwise; nulls stay null."""
    assert cut_at(Interval(99.0, 97.0, 101.0, ""), 100.0) == Interval(99.0, 97.0, 100.0, "")
    assert cut_at(Interval(90.0, 89.0, 91.0, ""), 100.0) == Interval(90.0, 89.0, 91.0, "")
    assert without_interval(cut_at(Interval(99.0, NAN, NAN, "why"), 100.0))


def test_the_interval_of_a_configuration_covers_the_truth_as_often_as_it_says() -> None:
    """A bootstrap covers 85 % at n = 5 where it promises 95 (METHOD section 3)."""
    ratios = np.random.default_rng(114).lognormal(math.log(0.75), 0.05, size=(2_000, 5))
    found = [exponentiate(t_interval(np.log(block_ratios))) for block_ratios in ratios]
    covered = sum(interval.low <= 0.75 <= interval.high for interval in found)
    assert 0.93 <= covered / 2_000 <= 0.97


def test_the_interval_of_a_population_covers_the_truth_as_often_as_it_says() -> None:
    """27 configurations of 5 blocks that differ in level and in spread; one pool covers 99 %."""
    chance = np.random.default_rng(114)
    levels = np.linspace(-0.5, 0.1, 27)[:, np.newaxis]
    spreads = np.linspace(0.02, 0.10, 27)[:, np.newaxis]
    draws = levels + spreads * chance.standard_normal((1_500, 27, 5))
    truth = float(levels.mean())
    found = [stratified_t_interval(list(draw)) for draw in draws]
    covered = sum(interval.low <= truth <= interval.high for interval in found)
    assert 0.93 <= covered / 1_500 <= 0.97


def test_values_at_a_bound_get_a_wider_interval_while_they_are_few() -> None:
    """Mean 2, se 0.5 at five values: t(4) at 98.5 % is 3.29763, so 2 +- 1.648815."""
    few = skewed_interval_of(Mean(2.0, 0.5, 4.0, ""))
    assert (few.low, few.high) == pytest.approx((2 - 1.648815, 2 + 1.648815), abs=1e-5)
    many = skewed_interval_of(Mean(2.0, 0.5, 19.0, ""))
    plain = interval_of(Mean(2.0, 0.5, 19.0, ""))
    assert many == plain
    assert skewed_interval_of(Mean(2.0, 0.5, 18.0, "")).high > 2 + 0.5 * 2.1
