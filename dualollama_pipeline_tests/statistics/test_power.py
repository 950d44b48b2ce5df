"""Can this n ever be significant, and what would it find?

The trap: "no difference shown" from a test that could not have shown one.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from dualollama_pipeline.statistics import power


def test_smallest_p_values_of_five_blocks() -> None:
    """METHOD section 3: paired 2 / 2^5 = 0.0625, unpaired 2 / C(10, 5) = 2 / 252 = 0.0079."""
    assert power.smallest_paired_p(5) == pytest.approx(0.0625)
    assert power.smallest_unpaired_p(5, 5) == pytest.approx(2 / 252)
    assert power.smallest_unpaired_p(1, 1) == 1.0
    assert power.smallest_unpaired_p(100_000, 100_000) == 0.0


def test_they_are_those_of_scipys_tests() -> None:
    """The most extreme data there is."""
    low, high = np.arange(1.0, 6.0), np.arange(11.0, 16.0)
    assert stats.wilcoxon(low).pvalue == pytest.approx(power.smallest_paired_p(5))
    assert stats.mannwhitneyu(low, high).pvalue == pytest.approx(power.smallest_unpaired_p(5, 5))


def test_n_for_a_threshold() -> None:
    """0.05 needs 2^n >= 40, n = 6; a family of 27 needs 2^n >= 1080, n = 11."""
    assert power.n_for_smallest_p(0.05) == 6
    assert power.n_for_smallest_p(0.05 / 27) == 11


def test_power_by_simulation() -> None:
    """0.8 sd at n = 10: how often does a t test of normal values find it?"""
    drawn = np.random.default_rng(114).normal(0.8, 1, (20_000, 10))
    found = (stats.ttest_1samp(drawn, 0, axis=1).pvalue <= 0.05).mean()
    assert power.power_of_t(0.8 * math.sqrt(10), 9) == pytest.approx(found, abs=0.01)


@pytest.mark.parametrize("effect", [0.5, 2.5, 6.0])
@pytest.mark.parametrize("freedom", [4.0, 30.5, 130.0])
def test_power_is_that_of_the_noncentral_t(freedom: float, effect: float) -> None:
    """Where scipy's own distribution converges."""
    limit = stats.t.ppf(0.975, freedom)
    exact = stats.nct.sf(limit, freedom, effect) + stats.nct.cdf(-limit, freedom, effect)
    assert power.power_of_t(effect, freedom) == pytest.approx(exact, abs=1e-5)


def test_power_without_an_effect_is_alpha_and_far_out_is_one() -> None:
    """Scipy's nct warns and answers nan in both corners: that must not read as no power."""
    assert power.power_of_t(0.0, 4) == pytest.approx(0.05, abs=1e-5)
    assert power.power_of_t(1e4, 120.0, 0.01) == pytest.approx(1.0)
    least = power.minimum_detectable(1.0, 0.05 / 351)
    # P(|T| > 4468) = 0.05 / 351 with one degree of freedom; chi(1) is below 1.2816 in 80 %
    assert least == pytest.approx(4468.6 * 1.2816, rel=0.01)


@pytest.mark.parametrize("freedom", [4.0, 13.7, 108.0, 1e6])
def test_the_detectable_effect_is_found_with_the_power_it_promises(freedom: float) -> None:
    """An effect of exactly the mde."""
    least = power.minimum_detectable(freedom, 0.01)
    assert power.power_of_t(least, freedom, 0.01) == pytest.approx(0.8, abs=1e-6)
    assert math.isnan(power.minimum_detectable(math.nan))


def test_n_needed_is_the_first_that_suffices() -> None:
    """Cohen's table: an effect of half an sd needs 34 pairs."""
    assert power.n_needed(1.0, 0.5) == 34
    assert power.n_needed(0.001, 1.0) == 5  # no interval below
    assert power.n_needed(1.0, 1e-9) is None
    assert power.n_needed(math.nan, 1.0) is None
