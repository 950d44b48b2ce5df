"""The mean and its error, by the design: blocks, strata, nights.

The trap: an error that ignores how the values were drawn.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from dualollama_pipeline.statistics.means import Sample, aligned, difference, mean_of, sample

FIVE = [1.0, 2.0, 3.0, 4.0, 5.0]  # mean 3, s^2 = 10 / 4 = 2.5


def test_one_stratum_is_the_plain_t() -> None:
    """Se = sqrt(2.5 / 5), 4 degrees of freedom."""
    found = mean_of(sample(FIVE))
    assert found[:3] == pytest.approx((3.0, math.sqrt(0.5), 4.0))
    assert (found.reason, found.unit) == ("", "block")


def test_equal_nights_are_the_t_of_their_means() -> None:
    """Ten blocks of five nights are five values, when the nights differ more than the blocks."""
    values = [value + noise for value in FIVE for noise in (-0.1, 0.1)]
    nights = np.repeat(np.arange(5), 2)
    found = mean_of(sample(values, nights=nights))
    assert found[:3] == pytest.approx((3.0, math.sqrt(0.5), 4.0))  # as above, of the means
    assert found.unit == "night"


def test_nights_common_to_all_configurations_do_not_average_out() -> None:
    """Two configurations in the same five nights: still five values, not ten."""
    values = [*FIVE, *(value + 10 for value in FIVE)]
    strata, nights = np.repeat([0, 1], 5), np.tile(np.arange(5), 2)
    found = mean_of(sample(values, strata, nights))
    assert found[:3] == pytest.approx((8.0, math.sqrt(0.5), 4.0))
    # without nights: 2 x (1/4 x 2.5 / 5) = 0.25, 8 degrees of freedom
    assert mean_of(sample(values, strata))[:3] == pytest.approx((8.0, 0.5, 8.0))


def test_nights_of_opposite_sign_cancel() -> None:
    """What one configuration gains the other loses each night: the mean is sure but for blocks."""
    values = [*FIVE, *(10 - value for value in FIVE)]
    found = mean_of(sample(values, np.repeat([0, 1], 5), np.tile(np.arange(5), 2)))
    assert found.value == pytest.approx(5.0)
    assert "equal" in found.reason


def test_each_configuration_on_a_night_of_its_own_is_one_night() -> None:
    """The latest batches after a single configuration was repeated: no night can be told apart."""
    values = [*FIVE, *(value + 10 for value in FIVE)]
    found = mean_of(sample(values, np.repeat([0, 1], 5), np.repeat([0, 1], 5)))
    assert found[:3] == pytest.approx((8.0, 0.5, 8.0))
    assert found.unit == "block"


@pytest.mark.parametrize(
    ("strata", "nights", "says"),
    [
        ([0] * 8, [0, 0, 1, 1, 2, 2, 3, 3], "needs 5, there are 4"),
        ([0] * 5 + [1] * 5, [0, 1, 2, 3, 4, 0, 0, 0, 0, 0], "1 configuration"),
    ],
)
def test_too_few_nights_are_told(strata: list[int], nights: list[int], says: str) -> None:
    """A configuration of one night shows no night-to-night variance: 0 would count as none."""
    values = np.random.default_rng(1).standard_normal(len(strata))
    found = mean_of(sample(values, strata, nights))
    assert math.isnan(found.standard_error)
    assert says in found.reason


def test_a_single_block_borrows_the_variance_of_the_others() -> None:
    """One interrupted configuration of eleven blocks took the interval from all of them."""
    doubled = [2 * value for value in FIVE]  # s^2 = 4 x 2.5 = 10
    found = mean_of(sample([*FIVE, *doubled, 7.0], [0] * 5 + [1] * 5 + [2]))
    pooled = (4 * 2.5 + 4 * 10) / 8  # = 6.25
    variance = (5 / 11) ** 2 * 2.5 / 5 + (5 / 11) ** 2 * 10 / 5 + (1 / 11) ** 2 * pooled
    assert found.value == pytest.approx((15 + 30 + 7) / 11)
    assert found.standard_error == pytest.approx(math.sqrt(variance))
    a = ((5 / 11) ** 2 / 5 + (1 / 11) ** 2 * 4 / 8) * 2.5
    b = ((5 / 11) ** 2 / 5 + (1 / 11) ** 2 * 4 / 8) * 10
    assert found.freedom == pytest.approx((a + b) ** 2 / (a**2 / 4 + b**2 / 4))


def test_difference_by_hand() -> None:
    """Welch: 3 - 1.5; variance 2.5/5 + 0.5/2... with strata of their own, sizes 5 and 4."""
    other = [1.0, 1.0, 2.0, 2.0]  # mean 1.5, s^2 = 4 x 0.25 / 3 = 1/3
    found = mean_of(difference(sample(FIVE), sample(other)))
    a, b = 2.5 / 5, 1 / 3 / 4
    freedom = (a + b) ** 2 / (a**2 / 4 + b**2 / 3)
    assert found[:3] == pytest.approx((1.5, math.sqrt(a + b), freedom))


def test_a_night_that_both_sides_share_drops_out_of_their_difference() -> None:
    """Both scenarios measured in the same slow night: the difference does not see it."""
    night = np.array([0.0, 5.0, -5.0, 9.0, -9.0])
    noise = np.array([0.1, -0.2, 0.3, -0.1, -0.1])
    one, other = sample(night + noise, nights=range(5)), sample(night, nights=range(5))
    found = mean_of(difference(one, other))
    assert found.standard_error == pytest.approx(np.std(noise, ddof=1) / math.sqrt(5))


def test_aligned_values_scatter_as_the_estimate_says() -> None:
    """Ten raw values of two configurations lie 10 apart; aligned, their t is the stratified one."""
    found = sample([*FIVE, *(value + 10 for value in FIVE)], np.repeat([0, 1], 5))
    made = aligned(found)
    assert made.mean() == pytest.approx(8.0)
    # sqrt(5/4) x residuals: mean square (5/4) x 2 = 2.5, the mean variance within
    assert (made**2).mean() - 64 == pytest.approx(2.5)
    nights = sample([*FIVE, *FIVE], np.repeat([0, 1], 5), np.tile(np.arange(5), 2))
    assert sorted(aligned(nights)) == pytest.approx(FIVE)


def test_coefficients_of_zero_are_left_alone() -> None:
    """A class without a partner stands in no effect, and its lone value breaks nothing."""
    found = Sample(
        np.array([*FIVE, 99.0]),
        np.array([0, 0, 0, 0, 0, 1]),
        np.zeros(6, dtype=np.int64),
        np.array([1.0, 0.0]),
    )
    assert mean_of(found)[:3] == pytest.approx((3.0, math.sqrt(0.5), 4.0))
