"""What a comparison can show at all: smallest p values, power, detectable effects, n needed."""

from __future__ import annotations

from functools import cache, lru_cache
from math import comb, isfinite
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize
from scipy.special import gammaincinv, ndtr, ndtri

from dualollama_pipeline.statistics.intervals import t_quantile
from dualollama_pipeline.statistics.means import MIN_BLOCKS, NAN

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

POWER = 0.8
N_NODES = 192
MANY = 100_000  # above this many blocks "n needed" is not worth naming


def smallest_paired_p(n: int) -> float:
    """Return the smallest two-sided p of a sign-flip or signed-rank test: 2 / 2^n."""
    return min(1.0, 2.0 ** (1 - min(n, 1_000)))


def smallest_unpaired_p(n: int, m: int) -> float:
    """Return the smallest two-sided p of a permutation or Mann-Whitney test: 2 / C(n + m, n)."""
    few, many = sorted((n, m))
    if few > 500:  # noqa: PLR2004 2^-500: no threshold is below
        return 0.0
    return min(1.0, 2 / comb(few + many, few))


def n_for_smallest_p(alpha: float, smallest: Callable[[int], float] = smallest_paired_p) -> int:
    """Return the smallest n (of each side) at which the test can reach alpha at all."""
    return next(n for n in range(1, MANY) if smallest(n) <= alpha)


def power_of_t(effect: float, freedom: float, alpha: float = 0.05) -> float:
    """Return the power of a two-sided t test; `effect` in standard errors.

    Formula: P(|Z + effect| > t(1 - alpha / 2) sqrt(chi2(f) / f)), the noncentral t (Cohen,
    Statistical Power Analysis (1988), section 2), as the mean over the quantiles of chi2 at 192
    Gauss-Legendre nodes, within 4e-7 of the integral: scipy's nct warns and answers nan where f
    is small or the effect is large.
    """
    scales, weights = _scales(freedom)
    limits = t_quantile(1 - alpha / 2, freedom) * scales
    return float(weights @ (ndtr(effect - limits) + ndtr(-effect - limits)))


@cache
def _nodes() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.polynomial.legendre.leggauss(N_NODES)


@lru_cache(maxsize=4_096)
def _scales(freedom: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return sqrt(chi2(f) / f) at Gauss-Legendre nodes of its distribution, and their weights."""
    nodes, weights = _nodes()
    chi2 = 2 * gammaincinv(freedom / 2, (nodes + 1) / 2)  # its quantiles
    return np.sqrt(chi2 / freedom), weights / 2


@lru_cache(maxsize=4_096)
def minimum_detectable(freedom: float, alpha: float = 0.05, power: float = POWER) -> float:
    """Return the effect, in standard errors, that is found with `power`."""
    if not (isfinite(freedom) and freedom > 0):
        return NAN
    # from above: t quantiles of both sides; from below: nothing
    high = float(t_quantile(1 - alpha / 2, freedom) + t_quantile(power, freedom)) * 2
    return float(optimize.brentq(lambda e: power_of_t(e, freedom, alpha) - power, 1e-9, high))


def n_needed(sd: float, effect: float, alpha: float = 0.05, power: float = POWER) -> int | None:
    """Return the n at which a one-sample (paired) t test finds `effect` with `power`.

    `sd` and `effect` in one unit (logs, for ratios). At least 5, from which on there is an
    interval; None if above 100,000 or unknown.
    """
    if not (isfinite(sd) and sd > 0 and effect > 0):
        return None

    def reached(n: int) -> bool:
        return power_of_t(effect / sd * np.sqrt(n), n - 1.0, alpha) >= power

    # with the variance known, from where a t test needs a few more
    known = float(((ndtri(1 - alpha / 2) + ndtri(power)) * sd / effect) ** 2)
    if known > MANY:
        return None
    return next((n for n in range(max(int(known), MIN_BLOCKS), MANY) if reached(n)), None)
