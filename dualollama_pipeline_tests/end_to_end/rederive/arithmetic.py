"""Means with their error, intervals, tests and corrections: the formulas of METHOD 3, written out.

scipy gives distributions and tests; what is estimated from them is summed here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean, stdev
from typing import Any, NamedTuple

import numpy as np
from scipy import integrate, optimize, stats

from dualollama_pipeline_tests.end_to_end.rederive.ratios import BOUNDS, RATIOS, Key
from dualollama_pipeline_tests.end_to_end.rederive.samples import Value, by_config

MIN_BLOCKS = 5
MAX_LONE_SHARE = 0.2
MIN_NIGHTS = 5
ROUNDING = 1e-12


class Interval(NamedTuple):
    """A value with the ends of its interval; None is "not known"."""

    value: float | None
    low: float | None = None
    high: float | None = None


NOTHING = Interval(None)


@dataclass(frozen=True)
class Mean:
    """A mean, or a difference of means; without `error` nothing is known of its precision."""

    value: float
    error: float | None = None
    freedom: float = math.nan

    def interval(self, level: float = 0.95) -> Interval:
        if self.error is None:
            return Interval(self.value)
        half = float(stats.t.ppf((1 + level) / 2, self.freedom)) * self.error
        return Interval(self.value, self.value - half, self.value + half)


class Stratum(NamedTuple):
    """One configuration's values with the night of each, and its weight."""

    values: list[float]
    nights: list[str]
    weight: float


def strata_of(values: Sequence[Value]) -> list[Stratum]:
    """By configuration, weighted by its share of all values; ratios as logs."""
    return [
        Stratum(
            [math.log(v.known) if v.metric in RATIOS else v.known for v in mine],
            [v.batch_id for v in mine],
            len(mine) / len(values),
        )
        for mine in by_config(values).values()
    ]


def mean_of(strata: Sequence[Stratum]) -> Mean | None:
    """Sum of weight x mean; variance within strata, or over nights where there are several."""
    if not strata or not all(each.values for each in strata):
        return None
    value = sum(each.weight * fmean(each.values) for each in strata)
    largest = max(1.0, *(abs(v) for each in strata for v in each.values))
    if any(len(set(each.nights)) > 1 for each in strata):
        error, freedom = over_nights(strata)
    else:
        error, freedom = over_blocks(strata)
    if error is None or error <= ROUNDING * largest:
        return Mean(value)
    return Mean(value, error, freedom)


def over_blocks(strata: Sequence[Stratum]) -> tuple[float | None, float]:
    """Variance = sum w^2 s^2 / n, freedom after Welch and Satterthwaite; 4 of freedom at least.

    Strata of one value, up to a fifth of the weight, have the pooled variance of the others.
    """
    free = sum(len(each.values) - 1 for each in strata)
    lone = [each.weight for each in strata if len(each.values) == 1]
    weight = sum(abs(each.weight) for each in strata)
    if free < MIN_BLOCKS - 1 or sum(map(abs, lone)) > MAX_LONE_SHARE * weight:
        return None, math.nan
    several = [each for each in strata if len(each.values) > 1]
    borrowed = sum(w**2 for w in lone) / free
    sizes = [len(each.values) for each in several]
    parts = [
        (w**2 / n + borrowed * (n - 1)) * stdev(values) ** 2
        for (values, _, w), n in zip(several, sizes, strict=True)
    ]
    spread = sum(part**2 / (n - 1) for part, n in zip(parts, sizes, strict=True))
    if spread == 0:
        return None, math.nan
    return math.sqrt(sum(parts)), sum(parts) ** 2 / spread


def over_nights(strata: Sequence[Stratum]) -> tuple[float | None, float]:
    """The night is the unit (CR1): variance = k / (k - 1) x sum of the squares of its residuals."""
    if min(len(set(each.nights)) for each in strata) < MIN_NIGHTS:
        return None, math.nan
    totals: dict[str, float] = {}
    for values, nights, weight in strata:
        mean = fmean(values)
        for value, night in zip(values, nights, strict=True):
            totals[night] = totals.get(night, 0.0) + weight / len(values) * (value - mean)
    k = len(totals)
    return math.sqrt(k / (k - 1) * sum(u**2 for u in totals.values())), k - 1.0


def difference(one: Sequence[Stratum], other: Sequence[Stratum]) -> Mean | None:
    """The mean of one side less that of the other."""
    if not one or not other:
        return None
    return mean_of([*one, *(each._replace(weight=-each.weight) for each in other)])


def exponentiated(found: Interval) -> Interval:
    return Interval(*(None if end is None else math.exp(end) for end in found))


def cut(found: Interval, bound: float) -> Interval:
    return found._replace(high=None if found.high is None else min(found.high, bound))


def estimate(values: Sequence[Value], metric: Key) -> Interval:
    """What is printed of a metric: geometric for ratios, 97 % where few pile up at a bound."""
    mean = mean_of(strata_of(values))
    if mean is None:
        return NOTHING
    if metric in RATIOS:
        found = exponentiated(mean.interval())
        # unequal lengths: no interval is known to hold
        return found if all(v.equal_work for v in values) else Interval(found.value, None, None)
    if metric in BOUNDS:
        return below(BOUNDS[metric], mean)
    return mean.interval()


def below(bound: float, mean: Mean) -> Interval:
    """The interval of values that pile up below a bound: at 97 % where they are few."""
    return cut(mean.interval(0.97 if mean.freedom < 19 else 0.95), bound)


def share(k: int, n: int) -> Interval:
    """K of n in percent, with the exact interval of Clopper and Pearson."""
    if not n:
        return NOTHING
    low = stats.beta.ppf(0.025, k, n - k + 1) if k else 0.0
    high = stats.beta.ppf(0.975, k + 1, n - k) if k < n else 1.0
    return Interval(100 * k / n, 100 * float(low), 100 * float(high))


def p_of(mean: Mean | None) -> float | None:
    """Two-sided p of no effect."""
    if mean is None or mean.error is None:
        return None
    return float(2 * stats.t.sf(abs(mean.value) / mean.error, mean.freedom))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusted p: the i-th smallest times (m - i + 1), never falling, at most 1."""
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for place, (p, i) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - place) * p))
        adjusted[i] = highest
    return adjusted


def benjamini_hochberg(p_values: Sequence[float | None]) -> list[float | None]:
    """Adjusted p: m / i times the i-th smallest, never rising from the largest down."""
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    lowest = 1.0
    for place, (p, i) in reversed(list(enumerate(known, start=1))):
        lowest = min(lowest, p * len(known) / place)
        adjusted[i] = lowest
    return adjusted


def detectable(mean: Mean, alpha: float) -> float:
    """The effect that a two-sided t test finds with power 0.8, in the unit of the mean.

    Power is P(|Z + effect| > t x sqrt(chi2 / f)), averaged over 192 quantiles of chi2 (those of
    Gauss and Legendre), freedom rounded to 3 decimals; the integral itself must agree to 1e-6.
    """
    freedom = round(mean.freedom, 3)
    limit = float(stats.t.ppf(1 - alpha / 2, freedom))
    highest = 2 * (limit + float(stats.t.ppf(0.8, freedom)))
    nodes, weights = np.polynomial.legendre.leggauss(192)
    scales = np.sqrt(stats.chi2.ppf((nodes + 1) / 2, freedom) / freedom)

    def over_quantiles(effect: float) -> float:
        return float(weights @ beyond(effect, limit * scales) / 2)

    def integral(effect: float) -> float:
        chi = stats.chi(freedom)

        def at(x: float) -> float:
            return float(beyond(effect, limit * x / math.sqrt(freedom)) * chi.pdf(x))

        return float(integrate.quad(at, chi.ppf(1e-15), chi.isf(1e-15), epsrel=1e-11)[0])

    found, exact = (
        float(optimize.brentq(lambda e, power=power: power(e) - 0.8, 1e-9, highest))
        for power in (over_quantiles, integral)
    )
    assert math.isclose(found, exact, rel_tol=1e-6)
    return found * (mean.error or math.nan)


def beyond(effect: float, limit: Any) -> Any:
    """P(|Z + effect| > limit)."""
    return stats.norm.sf(limit - effect) + stats.norm.sf(limit + effect)


def ranks(means: Sequence[Mean]) -> list[Interval]:
    """Places from 1, the highest first, by Welch's t at level 1 - 0.05 / (N - 1)."""
    made = []
    others_at_most = max(len(means) - 1, 1)
    for mine in means:
        higher = lower = 0
        for other in means:
            if mine.error is None or other.error is None or other is mine:
                continue
            a, b = mine.error**2, other.error**2
            freedom = (a + b) ** 2 / (a**2 / mine.freedom + b**2 / other.freedom)
            limit = stats.t.ppf(1 - 0.025 / others_at_most, freedom)
            t = (other.value - mine.value) / math.sqrt(a + b)
            higher += t > limit
            lower += t < -limit
        place = 1 + sum(other.value > mine.value for other in means)
        ends = (None, None) if mine.error is None else (1.0 + higher, float(len(means) - lower))
        made.append(Interval(float(place), *ends))
    return made


def order_interval(values: Sequence[float], p: float) -> tuple[float | None, float | None]:
    """95 % interval of a quantile between order statistics (Conover 1999, section 3.2)."""
    ordered, n = sorted(values), len(values)
    low = high = None
    for rank in range(1, n + 1):
        below = stats.binom.cdf(rank - 1, n, p)  # P(fewer than `rank` values are below)
        if below <= 0.025:
            low = ordered[rank - 1]
        if below >= 0.975:
            high = ordered[rank - 1]
            break
    return low, high


def quantile(values: Sequence[float], p: float) -> float:
    """Linear between order statistics: type 7 of Hyndman and Fan."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * p
    below = math.floor(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def theil_sen(values: Sequence[float]) -> Interval:
    """Median of all slopes between two nights, with Sen's interval."""
    found = stats.theilslopes(values, np.arange(len(values)), alpha=0.95)
    return Interval(float(found.slope), float(found.low_slope), float(found.high_slope))


def negated(mean: Mean) -> Mean:
    return replace(mean, value=-mean.value)


def mapped(found: Interval, scale: Callable[[float], float]) -> Interval:
    return Interval(*(None if end is None else scale(end) for end in found))


def known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if value is not None]
