"""Interval estimates, each for the sampling it fits (METHOD section 3). Pure numbers, no tables."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.special import ndtr, stdtrit

from dualollama_pipeline.statistics.means import NAN, Mean, mean_of, sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LEVEL = 0.95
MIN_SYMMETRIC = 20
SKEWED_LEVEL = 0.97
BOOTSTRAP_FROM, BOOTSTRAP_TO = 20, 2_000
N_RESAMPLES = 1_999


class Interval(NamedTuple):
    """A point with its interval; `reason` says why the interval (or both) is nan."""

    value: float
    low: float
    high: float
    reason: str


def t_quantile(share: float, freedom: float) -> float:
    """Return what stats.t.ppf does, to the last bit; its checks take 50 times as long."""
    return float(stdtrit(freedom, share))


def interval_of(mean: Mean, level: float = LEVEL) -> Interval:
    """Return Student's t interval of a mean: value +- t(freedom) x standard error."""
    if mean.reason:
        return Interval(mean.value, NAN, NAN, mean.reason)
    half = t_quantile((1 + level) / 2, mean.freedom) * mean.standard_error
    return Interval(mean.value, mean.value - half, mean.value + half, "")


def bounded_interval_of(mean: Mean, bound: float) -> Interval:
    """Return the interval of values that pile up below a bound that they cannot exceed."""
    return cut_at(skewed_interval_of(mean), bound)


def skewed_interval_of(mean: Mean) -> Interval:
    """Return the t interval of values that pile up at a bound: at 97 % below 19 degrees of freedom.

    Such values are about half-normal (the balance figures are: the distance of two finish times).
    Simulated (docs/statistics.md), the plain interval covers 92.2 % at n = 5 and 94.0 % at 19, this
    one 94.5 to 96.0 %. From 20 values on the plain one is sound.
    """
    few = mean.freedom < MIN_SYMMETRIC - 1
    return interval_of(mean, SKEWED_LEVEL if few else LEVEL)


def t_interval(values: Sequence[float] | NDArray[np.float64], level: float = LEVEL) -> Interval:
    """Student's t interval of the mean.

    Formula: mean +- t(n - 1) x sd / sqrt(n), sd with ddof 1. The interval needs 5 values: below
    that METHOD section 3 asks for none. Equal values say nothing about the variance.
    """
    return interval_of(mean_of(sample(values)), level)


def bca_interval(
    values: Sequence[float] | NDArray[np.float64], level: float = LEVEL, seed: int = 114
) -> Interval:
    """Bias-corrected and accelerated bootstrap interval of the mean (Efron, JASA 82 (1987) 171).

    Its level is widened to Phi(sqrt(n / (n - 1)) t(n - 1)), since resamples vary less than samples
    (Hesterberg, The American Statistician 69 (2015) 371): without, 20 values cover 92 %.
    Only between 20 and 2,000 values: below, it covers less than it says; above, it says what the
    t interval says and costs its square.
    """
    data = np.asarray(values, dtype=np.float64)
    n = len(data)
    mean = mean_of(sample(data))
    if mean.reason:
        return Interval(mean.value, NAN, NAN, mean.reason)
    if not BOOTSTRAP_FROM <= n <= BOOTSTRAP_TO:
        reason = f"a bootstrap is for {BOOTSTRAP_FROM} to {BOOTSTRAP_TO} blocks, there are {n}"
        return Interval(mean.value, NAN, NAN, reason)
    widened = ndtr(t_quantile((1 + level) / 2, n - 1) * np.sqrt(n / (n - 1)))
    from scipy import stats  # noqa: PLC0415 half a second, which few need

    found = stats.bootstrap(
        (data,),
        np.mean,
        confidence_level=float(2 * widened - 1),
        n_resamples=N_RESAMPLES,
        method="BCa",
        vectorized=True,
        batch=200,
        random_state=np.random.default_rng(seed),  # "rng" would need scipy 1.15
    ).confidence_interval
    low, high = float(found.low), float(found.high)
    if not np.isfinite([low, high]).all():
        return Interval(mean.value, NAN, NAN, "the bootstrap of these values is degenerate")
    return Interval(mean.value, low, high, "")


@lru_cache(maxsize=4_096)  # 3 ms of root finding, and most rates are 0 of n
def proportion_interval(k: int, n: int, level: float = LEVEL) -> Interval:
    """Exact interval of a rate, k of n (Clopper and Pearson, Biometrika 26 (1934) 404).

    Covers at least what it says. k = 0 of n = 135 does not show a rate of 0, but one below 2.7 %.
    """
    if n == 0:
        return Interval(NAN, NAN, NAN, "no block counts")
    from scipy import stats  # noqa: PLC0415 half a second, which few need

    found = stats.binomtest(k, n).proportion_ci(confidence_level=level, method="exact")
    return Interval(k / n, float(found.low), float(found.high), "")


def cut_at(interval: Interval, bound: float) -> Interval:
    """Cut an interval at a value that the estimated quantity cannot exceed; it covers no less."""
    return interval._replace(high=min(interval.high, bound), low=min(interval.low, bound))


def exponentiate(interval: Interval) -> Interval:
    """Turn an interval of mean logs into one of the geometric mean."""
    low, high = float(np.exp(interval.low)), float(np.exp(interval.high))
    return Interval(float(np.exp(interval.value)), low, high, interval.reason)
