"""Cliff's delta and Hodges-Lehmann, by hand and against all pairs.

The trap: ties, and the fast way for large n that is only nearly the slow one.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from dualollama_pipeline.statistics import effects
from dualollama_pipeline.statistics.means import sample


def test_cliffs_delta_by_hand() -> None:
    """Of 3 x 2 pairs: 1 < 2 < 4; (1,2)- (1,4)- (2,2)0 (2,4)- (5,2)+ (5,4)+ = -1 / 6."""
    found = effects.cliffs_delta(sample([1.0, 2.0, 5.0]), sample([2.0, 4.0]))
    assert found.value == pytest.approx(-1 / 6)
    assert math.isnan(found.low)  # too few for an interval, and the reason says it
    assert found.reason


def test_cliffs_delta_has_the_interval_of_its_placements() -> None:
    """Placements of 1 3 5 7 9 among 2 4 6 8 10: -1 -.6 -.2 .2 .6; a delta ends at -1."""
    odd, even = [1.0, 3.0, 5.0, 7.0, 9.0], [2.0, 4.0, 6.0, 8.0, 10.0]
    found = effects.cliffs_delta(sample(odd), sample(even))
    # each side: s^2 = (0.64 + 0.16) x 2 / 4 = 0.4; variance 0.4 / 5 x 2; 8 degrees of freedom
    half = 2.306004 * math.sqrt(0.16)
    assert found.value == pytest.approx(-0.2)
    assert (found.low, found.high) == pytest.approx((-1.0, -0.2 + half), rel=1e-6)
    assert -0.2 - half < -1


def test_complete_separation_has_no_interval() -> None:
    """A width of 0 would be certainty from five values."""
    found = effects.cliffs_delta(sample(np.arange(5.0)), sample(np.arange(5.0) + 10))
    assert found.value == -1.0
    assert math.isnan(found.low)
    assert "equal" in found.reason


def test_dominance_by_hand() -> None:
    """Two above, one at, one below: (2 - 1) / 4; ties count half, and widen the interval."""
    found = effects.dominance(np.array([2.0, 3.0, 1.0, 0.0]), 1.0)
    assert found.value == pytest.approx(0.25)
    # share above: 2 of 4 from below (0.0676), 3 of 4 from above (0.9937), Clopper-Pearson
    assert (found.low, found.high) == pytest.approx((2 * 0.0676 - 1, 2 * 0.9937 - 1), abs=2e-4)
    assert effects.dominance(np.array([])).reason


def test_hodges_lehmann_by_hand() -> None:
    """Of 1 2 3 4 5 100 the 21 Walsh averages have the median 3.5 (mean 19); n = 6, C = 0."""
    found = effects.hodges_lehmann(np.array([1.0, 2.0, 3.0, 4.0, 5.0, 100.0]))
    assert found.value == pytest.approx(3.5)
    # 10.5 - 1.96 sqrt(21 x 13 / 12) = 1.15: the second from each end; (1 + 2) / 2 and 105 / 2
    assert (found.low, found.high) == pytest.approx((1.5, 52.5))


def test_hodges_lehmann_shift_by_hand() -> None:
    """All pairs of 10..15 and 0..5 differ by 5 to 15; the middle is 10."""
    found = effects.hodges_lehmann_shift(np.arange(10.0, 16.0), np.arange(6.0))
    assert found.value == pytest.approx(10.0)
    # 18 - 1.96 sqrt(36 x 13 / 12) = 5.76: the 6th of 5 6 6 7 7 7 8 ... from each end
    assert (found.low, found.high) == pytest.approx((7.0, 13.0))


def test_below_six_values_there_is_no_rank_interval() -> None:
    """2 / 2^5 = 0.0625: an interval of 95 % does not exist."""
    assert "6" in effects.hodges_lehmann(np.arange(5.0)).reason
    assert "5 and 9" in effects.hodges_lehmann_shift(np.arange(5.0), np.arange(9.0)).reason


def test_large_samples_agree_with_all_pairs() -> None:
    """The bisection counts pairs; it must find the very pair that sorting finds."""
    chance = np.random.default_rng(114)
    one, other = chance.normal(1, 1, 301), chance.normal(0, 2, 203)
    slow, fast = (
        [
            effects.hodges_lehmann(one, exact_up_to=n),
            effects.hodges_lehmann_shift(one, other, exact_up_to=n),
        ]
        for n in (1_000, 10)
    )
    for a, b in zip(slow, fast, strict=True):
        assert b[:3] == pytest.approx(a[:3], abs=1e-9)
