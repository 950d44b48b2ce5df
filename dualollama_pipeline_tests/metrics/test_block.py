"""What four arms say together: true speedup and its relatives, for two agents and for three."""

from __future__ import annotations

import math

import pytest

from dualollama_pipeline.metrics.block import (
    fairness,
    ideal_speedup,
    mean_slowdown,
    parallel_efficiency,
    slowdown,
    solo_time,
    throughput_scaling,
    true_speedup,
    weighted_speedup,
)

NAN = float("nan")


def test_true_speedup_compares_with_one_after_the_other() -> None:
    """The report's figure would be near 2 here, although nothing is gained."""
    # (20 + 25) / 60 = 0.75
    assert true_speedup([20.0, 25.0], 60.0) == pytest.approx(0.75)
    # three agents: (20 + 25 + 30) / 50 = 1.5
    assert true_speedup([20.0, 25.0, 30.0], 50.0) == pytest.approx(1.5)


def test_ideal_speedup_is_that_of_undisturbed_agents() -> None:
    """It is 2 only for equal agents; measured against 2, unequal ones would look disturbed."""
    # (20 + 25) / 25 = 1.8
    assert ideal_speedup([20.0, 25.0]) == pytest.approx(1.8)
    # (20 + 25 + 30) / 30 = 2.5
    assert ideal_speedup([20.0, 25.0, 30.0]) == pytest.approx(2.5)


def test_parallel_efficiency_is_the_share_of_the_ideal() -> None:
    """The longest agent sets the pace, whichever it is."""
    # max(20, 25) / 60 = 0.41666...
    assert parallel_efficiency([20.0, 25.0], 60.0) == pytest.approx(25 / 60)
    # max(20, 25, 30) / 50 = 0.6
    assert parallel_efficiency([25.0, 30.0, 20.0], 50.0) == pytest.approx(0.6)


@pytest.mark.parametrize("walls", [[20.0, 25.0], [7.0, 11.0, 13.0]])
def test_true_speedup_is_ideal_times_efficiency(walls: list[float]) -> None:
    """The identity that the schema of block_table checks in every row."""
    assert true_speedup(walls, 31.0) == pytest.approx(
        ideal_speedup(walls) * parallel_efficiency(walls, 31.0)
    )


def test_solo_time_of_other_lengths() -> None:
    """The first token costs the prompt and not the pace; n x pace would count it twice."""
    # 0.25 + (300 - 1) x 0.01 = 3.24
    assert solo_time(0.25, 0.01, 300) == pytest.approx(3.24)
    assert solo_time(0.25, NAN, 1) == 0.25


def test_weighted_speedup_is_the_sum_of_the_rates() -> None:
    """Each agent's rate as a share of its rate alone: 2 is as if alone, 1 like taking turns."""
    # 1 / 1.8 + 1 / 1.5 = 0.5555 + 0.6667
    assert weighted_speedup([1.8, 1.5]) == pytest.approx(1.2222222)
    assert weighted_speedup([1.0, 1.0]) == 2.0
    assert weighted_speedup([3.0, 3.0, 3.0]) == pytest.approx(1.0)
    assert weighted_speedup([1.25, math.inf]) == 0.8  # the second waited all the while


def test_slowdown_is_together_over_alone() -> None:
    """Above 1 is worse; the reciprocal would read as a gain."""
    # 40 / 16 = 2.5
    assert slowdown(40.0, 16.0) == pytest.approx(2.5)
    assert slowdown(40.0, 0.0) == math.inf  # nothing was done in 40 s
    assert slowdown(0.0, 0.0) == pytest.approx(NAN, nan_ok=True)


def test_the_mean_slowdown_hides_who_pays_and_fairness_shows_it() -> None:
    """A mean of 2 may be 2 and 2, or 1 and 3."""
    # (1 + 3) / 2 = 2; 1 / 3
    assert (mean_slowdown([1.0, 3.0]), fairness([1.0, 3.0])) == (2.0, pytest.approx(1 / 3))
    assert (mean_slowdown([2.0, 2.0]), fairness([2.0, 2.0])) == (2.0, 1.0)
    assert fairness([1.0, math.inf]) == 0.0  # the second waited all the while
    for unknown in (mean_slowdown([1.0, math.inf]), fairness([2.0, NAN])):
        assert unknown == pytest.approx(NAN, nan_ok=True)


def test_throughput_scaling_compares_with_the_mean_solo_rate() -> None:
    """The mean of rates, not tokens of both over both times."""
    # pair: (300 + 300) / 15 = 40 tok/s; solo: 300/10 = 30, 300/6 = 50, mean 40; 40 / 40 = 1
    assert throughput_scaling(600, 15.0, [300, 300], [10.0, 6.0]) == pytest.approx(1.0)
    # three: (100 x 3) / 5 = 60; solo rates 10, 20, 30, mean 20; 60 / 20 = 3
    three = throughput_scaling(300, 5.0, [100, 100, 150], [10.0, 5.0, 5.0])
    assert three == pytest.approx(3.0)
    with pytest.raises(ValueError, match="zip"):
        throughput_scaling(3, 1.0, [1, 1], [1.0, 1.0, 1.0])


@pytest.mark.parametrize("walls", [[NAN, 25.0], [NAN, NAN]])
def test_a_missing_solo_arm_leaves_everything_unknown(walls: list[float]) -> None:
    """One solo time over the pair's would read as a dreadful speedup."""
    for value in (
        true_speedup(walls, 60.0),
        ideal_speedup(walls),
        parallel_efficiency(walls, 60.0),
        throughput_scaling(600, 60.0, [300, 300], walls),
        slowdown(60.0, walls[0]),
    ):
        assert value == pytest.approx(NAN, nan_ok=True)


def test_parallel_efficiency_without_the_last_solo_arm_is_unknown() -> None:
    """It is unknown without the first one, and should not depend on which is missing."""
    assert parallel_efficiency([20.0, NAN], 60.0) == pytest.approx(NAN, nan_ok=True)


def test_a_missing_pair_leaves_everything_unknown() -> None:
    """The pair arm is the one that fails most often."""
    for value in (
        true_speedup([20.0, 25.0], NAN),
        parallel_efficiency([20.0, 25.0], NAN),
        weighted_speedup([1.2, NAN]),
        throughput_scaling(NAN, 60.0, [300, 300], [20.0, 25.0]),
        slowdown(NAN, 20.0),
    ):
        assert value == pytest.approx(NAN, nan_ok=True)
