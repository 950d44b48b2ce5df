"""Interval estimates, each for the sampling it fits (METHOD section 3). Pure numbers, no tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LEVEL = 0.95
MIN_BLOCKS = 5
ROUNDING = 1e-12  # equal values have a standard deviation of some 1e-17, not of 0


class Interval(NamedTuple):
    """A point with its interval; `reason` says why the interval (or both) is nan."""

    value: float
    low: float
    high: float
    reason: str


NAN = float("nan")


def t_interval(values: Sequence[float] | NDArray[np.float64], level: float = LEVEL) -> Interval:
    """Student's t interval of the mean.

    Formula: mean +- t(n - 1) x sd / sqrt(n), sd with ddof 1. The interval needs 5 values: below
    that METHOD section 3 asks for none. Equal values say nothing about the variance.
    """
    sample = np.asarray(values, dtype=np.float64)
    n = len(sample)
    if n == 0 or np.isnan(sample).any():
        return _nothing(n)
    mean = float(sample.mean())
    if n < MIN_BLOCKS:
        return Interval(mean, NAN, NAN, f"an interval needs {MIN_BLOCKS} blocks, there are {n}")
    return _around(mean, float(sample.std(ddof=1)) / np.sqrt(n), n - 1, level)


def stratified_t_interval(
    strata: Sequence[Sequence[float] | NDArray[np.float64]], level: float = LEVEL
) -> Interval:
    """Interval of the mean over all values, the variance taken within strata (configurations).

    Formula: mean = sum_h w_h mean_h with w_h = n_h / N; variance = sum_h w_h^2 s_h^2 / n_h; degrees
    of freedom after Welch and Satterthwaite (Biometrics Bulletin 2 (1946) 110). The configurations
    are the ones studied, not a sample of others: what differs between them is no error. A stratum
    needs two values to show its variance, and all together the 4 degrees of freedom that the
    interval of one configuration has.
    """
    samples = [np.asarray(values, dtype=np.float64) for values in strata if len(values) > 0]
    if not samples or any(np.isnan(sample).any() for sample in samples):
        return _nothing(len(samples))
    mean = float(np.concatenate(samples).mean())
    sizes = np.array([len(sample) for sample in samples], dtype=np.float64)
    alone = int((sizes < 2).sum())  # noqa: PLR2004 a variance needs two values
    if alone:
        return Interval(mean, NAN, NAN, f"{alone} configuration(s) have a single block that counts")
    if sizes.sum() - len(sizes) < MIN_BLOCKS - 1:
        reason = f"an interval needs {MIN_BLOCKS - 1} degrees of freedom"
        return Interval(mean, NAN, NAN, f"{reason}, there are {int(sizes.sum() - len(sizes))}")
    weights = sizes / sizes.sum()
    parts = weights**2 * np.array([sample.var(ddof=1) for sample in samples]) / sizes
    variance = float(parts.sum())
    spread = float((parts**2 / (sizes - 1)).sum())
    freedom = variance**2 / spread if spread > 0 else float(sizes.sum() - len(sizes))
    return _around(mean, float(np.sqrt(variance)), freedom, level)


def _nothing(n: int) -> Interval:
    reason = "no block counts" if n == 0 else "a value is missing among those that count"
    return Interval(NAN, NAN, NAN, reason)


def _around(mean: float, standard_error: float, freedom: float, level: float) -> Interval:
    if standard_error <= ROUNDING * max(abs(mean), 1.0):
        return Interval(mean, NAN, NAN, "all values are equal: their variance is not known")
    half = float(stats.t.ppf((1 + level) / 2, freedom)) * standard_error
    return Interval(mean, mean - half, mean + half, "")


def cut_at(interval: Interval, bound: float) -> Interval:
    """Cut an interval at a value that the estimated quantity cannot exceed; it covers no less."""
    return interval._replace(high=min(interval.high, bound), low=min(interval.low, bound))


def exponentiate(interval: Interval) -> Interval:
    """Turn an interval of mean logs into one of the geometric mean."""
    low, high = float(np.exp(interval.low)), float(np.exp(interval.high))
    return Interval(float(np.exp(interval.value)), low, high, interval.reason)
