"""Has something changed over a series of nights? Slope, monotone trend, change point, last night.

Each value is one night's estimate, in order; nights count 0, 1, 2, ... whatever lies between them.
Pure numbers. Nights are taken as independent: a slow wave passes for a trend.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy import stats

from dualollama_pipeline.statistics.intervals import LEVEL, Interval, t_quantile
from dualollama_pipeline.statistics.means import MIN_NIGHTS, NAN, ROUNDING

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

N_PERMUTATIONS = 1_999


class MannKendall(NamedTuple):
    """Kendall's tau of the values with their order, and its two-sided p."""

    tau: float
    p_value: float


class ChangePoint(NamedTuple):
    """First night after the most likely change, and the permutation p of such a change."""

    first_after: int
    p_value: float


def theil_sen(values: Floats, level: float = LEVEL) -> Interval:
    """Return the median of all pairwise slopes a night (Sen, JASA 63 (1968) 1379)."""
    n = len(values)
    if n < MIN_NIGHTS:
        return Interval(NAN, NAN, NAN, f"a trend needs {MIN_NIGHTS} nights, there are {n}")
    found = stats.theilslopes(values, np.arange(n), alpha=level)
    return Interval(float(found.slope), float(found.low_slope), float(found.high_slope), "")


def mann_kendall(values: Floats) -> MannKendall:
    """Test for a monotone trend (Mann, Econometrica 13 (1945) 245); nan for equal values."""
    if len(values) < MIN_NIGHTS or np.ptp(values) == 0:
        return MannKendall(NAN, NAN)
    found = stats.kendalltau(np.arange(len(values)), values)
    return MannKendall(float(found.statistic), float(found.pvalue))


@lru_cache(maxsize=8)
def _orders(n: int, n_permutations: int, seed: int) -> NDArray[np.int64]:
    """Return permutations of n nights: the same for every course of as many."""
    chance = np.random.default_rng(seed)
    return chance.permuted(np.broadcast_to(np.arange(n), (n_permutations, n)), axis=1)


def pettitt(values: Floats, seed: int = 114, n_permutations: int = N_PERMUTATIONS) -> ChangePoint:
    """Find the most likely change of level, tested by permutation of the nights.

    Formula: U_t = 2 x (sum of the first t ranks) - t (n + 1), K = max |U_t| (Pettitt, Applied
    Statistics 28 (1979) 126); p = (1 + permutations with K at least as large) / (1 + permutations).
    """
    n = len(values)
    if n < MIN_NIGHTS or np.ptp(values) == 0:
        return ChangePoint(-1, NAN)
    ranks = stats.rankdata(values)
    steps = np.arange(1, n) * (n + 1)
    course = np.abs(2 * np.cumsum(ranks)[:-1] - steps)
    observed = course.max()
    single = ranks.astype(np.float32)  # halves, and their sums, are exact in it
    drawn = 2 * np.cumsum(single[_orders(n, n_permutations, seed)], axis=1)[:, :-1]
    drawn -= steps.astype(np.float32)
    largest = np.maximum(drawn.max(axis=1), -drawn.min(axis=1))
    as_large = int((largest >= observed - ROUNDING).sum())
    return ChangePoint(int(course.argmax()) + 1, (as_large + 1) / (n_permutations + 1))


def last_against_earlier(values: Floats, level: float = LEVEL) -> Interval:
    """Return the last night less the mean of those before, with night-to-night variance.

    Formula: d +- t(m - 1) x s x sqrt(1 + 1 / m), s the sd (ddof 1) of the m earlier nights: the
    prediction interval of one more night, so a night as usual lies outside in 5 % only.
    """
    earlier = values[:-1]
    m = len(earlier)
    if m < MIN_NIGHTS:
        reason = f"a change needs {MIN_NIGHTS} earlier nights, there are {max(m, 0)}"
        return Interval(NAN, NAN, NAN, reason)
    change, sd = float(values[-1] - earlier.mean()), float(earlier.std(ddof=1))
    if sd <= ROUNDING * max(float(np.abs(values).max()), 1.0):
        return Interval(change, NAN, NAN, "the earlier nights are equal: no variance is known")
    half = t_quantile((1 + level) / 2, m - 1) * sd * np.sqrt(1 + 1 / m)
    return Interval(change, change - half, change + half, "")


def is_alarm(change: Interval, tolerated: float) -> bool:
    """Return whether the whole interval lies beyond +-tolerated; without an interval it is not."""
    return bool(change.low > tolerated or change.high < -tolerated)
