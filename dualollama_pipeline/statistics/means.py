"""Means of stratified values with their standard error: what every interval and test rests on.

A value belongs to a stratum (its configuration or effective class) and to a night (its batch).
Strata are the ones studied, not a sample of others: what differs between them is no error. Pure
numbers, no tables.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

MIN_BLOCKS = 5  # an interval of one configuration (METHOD section 3)
MIN_NIGHTS = 5
MAX_LONE_SHARE = 0.2  # of the weight, in strata whose own variance is not known
ROUNDING = 1e-12  # equal values have a standard deviation of some 1e-17, not of 0
NAN = float("nan")


class Mean(NamedTuple):
    """A weighted mean (or a difference of means); `reason` says why its error is nan.

    `freedom` are the degrees of freedom of `standard_error`; `unit` is what was resampled.
    """

    value: float
    standard_error: float
    freedom: float
    reason: str
    unit: str = "block"


class Sample(NamedTuple):
    """Values with the stratum and the night of each (whole numbers from 0), and their weights.

    `coefficients` has one weight for each stratum; what is estimated is the sum of coefficient
    x mean of the stratum. For a mean over all values it is n_h / N.
    """

    values: Floats
    strata: NDArray[np.int64]
    nights: NDArray[np.int64]
    coefficients: Floats


def sample(values: ArrayLike, strata: ArrayLike = (), nights: ArrayLike = ()) -> Sample:
    """Return the sample whose estimate is the mean over all values.

    Without `strata` or `nights` there is one of them.
    """
    numbers = np.asarray(values, dtype=np.float64)
    h = _codes(strata, len(numbers))
    coefficients = np.bincount(h) / max(len(numbers), 1)
    return Sample(numbers, h, _codes(nights, len(numbers)), coefficients)


def difference(one: Sample, other: Sample) -> Sample:
    """Return the sample whose estimate is that of `one` less that of `other`.

    Strata must be their own; nights must be coded alike in both.
    """
    return Sample(
        np.concatenate([one.values, other.values]),
        np.concatenate([one.strata, other.strata + len(one.coefficients)]),
        np.concatenate([one.nights, other.nights]),
        np.concatenate([one.coefficients, -other.coefficients]),
    )


def _codes(labels: ArrayLike, n: int) -> NDArray[np.int64]:
    found = np.asarray(labels, dtype=np.int64)
    return found if found.size else np.zeros(n, dtype=np.int64)


def mean_of(found: Sample) -> Mean:
    """Estimate the sum of coefficient x stratum mean, with the error that the design allows.

    One night (or each stratum on a single one): variance = sum_h c_h^2 s_h^2 / n_h, degrees of
    freedom after Welch and Satterthwaite (Biometrics Bulletin 2 (1946) 110); with one stratum
    this is the plain t. Strata of one value, where they weigh little, take the pooled variance of
    the others, sum_h (n_h - 1) s_h^2 / sum_h (n_h - 1).

    Several nights: the night is the resampling unit, variance = k / (k - 1) x sum_b u_b^2 with
    u_b = sum over its values of c_h / n_h x (value - stratum mean), k - 1 degrees of freedom
    (cluster-robust, CR1: Cameron and Miller, J. Human Resources 50 (2015) 317); with equal nights
    this is the t of the nightly means.
    """
    n = np.bincount(found.strata, minlength=len(found.coefficients))
    used = found.coefficients != 0
    if len(found.values) == 0 or np.isnan(found.values).any():
        reason = "no block counts"
        if len(found.values):
            reason = "a value is missing among those that count"
        return Mean(NAN, NAN, NAN, reason)
    means = np.bincount(found.strata, found.values, len(n)) / np.maximum(n, 1)
    value = float(found.coefficients @ means)
    spread = nights_per_stratum(found)[used]
    if (spread > 1).any():
        return _over_nights(found, value, n, means, spread)
    return _over_blocks(found, value, n, means)


def nights_per_stratum(found: Sample) -> NDArray[np.int64]:
    """Return how many nights each stratum was measured in."""
    n_strata, n_nights = len(found.coefficients), int(found.nights.max(initial=0)) + 1
    pairs = np.bincount(found.strata * n_nights + found.nights, minlength=n_strata * n_nights)
    counted: NDArray[np.int64] = (pairs.reshape(n_strata, n_nights) > 0).sum(axis=1)
    return counted


def _over_blocks(found: Sample, value: float, n: NDArray[np.int64], means: Floats) -> Mean:
    used = found.coefficients != 0
    sizes = n[used].astype(np.float64)
    if len(sizes) == 1 and sizes[0] < MIN_BLOCKS:
        needs = f"too few degrees of freedom: an interval needs {MIN_BLOCKS} blocks"
        return Mean(value, NAN, NAN, f"{needs}, there are {int(sizes[0])}")
    free = int(sizes.sum()) - len(sizes)
    if free < MIN_BLOCKS - 1:
        reason = f"an interval needs {MIN_BLOCKS - 1} degrees of freedom, there are {free}"
        return Mean(value, NAN, NAN, reason)
    squares = np.bincount(found.strata, (found.values - means[found.strata]) ** 2, len(n))[used]
    weights = found.coefficients[used] ** 2
    own = sizes > 1
    lone, share = int((~own).sum()), np.abs(found.coefficients[used])
    if share[~own].sum() > MAX_LONE_SHARE * share.sum():
        return Mean(value, NAN, NAN, f"{lone} configuration(s) have a single block that counts")
    shares = weights[own] / sizes[own] + weights[~own].sum() * (sizes[own] - 1) / free
    parts = shares * squares[own] / (sizes[own] - 1)
    variance = float(parts.sum())
    spread = float((parts**2 / (sizes[own] - 1)).sum())
    freedom = variance**2 / spread if spread > 0 else float(free)
    return _checked(Mean(value, float(np.sqrt(variance)), freedom, ""), found)


def _over_nights(
    found: Sample, value: float, n: NDArray[np.int64], means: Floats, spread: NDArray[np.int64]
) -> Mean:
    k = int(np.count_nonzero(np.bincount(found.nights[found.coefficients[found.strata] != 0])))
    if k < MIN_NIGHTS:
        reason = f"over several nights an interval needs {MIN_NIGHTS}, there are {k}"
        return Mean(value, NAN, NAN, reason, "night")
    few = int((spread < MIN_NIGHTS).sum())
    if few:
        reason = f"{few} configuration(s) were measured in fewer than {MIN_NIGHTS} nights"
        return Mean(value, NAN, NAN, reason, "night")
    totals = _night_totals(found, n, means)
    error = float(np.sqrt(k / (k - 1) * (totals**2).sum()))
    return _checked(Mean(value, error, k - 1.0, "", "night"), found)


def _night_totals(found: Sample, n: NDArray[np.int64], means: Floats) -> Floats:
    weights = found.coefficients / np.maximum(n, 1)
    residuals = weights[found.strata] * (found.values - means[found.strata])
    totals = np.bincount(found.nights, residuals)[np.bincount(found.nights) > 0]
    return totals.astype(np.float64)


def _checked(mean: Mean, found: Sample) -> Mean:
    """Equal values say nothing about the variance: an interval of no width would be certainty."""
    largest = max(float(np.abs(found.values).max()), 1.0)
    if mean.standard_error <= ROUNDING * largest:
        reason = "all values are equal: their variance is not known"
        return mean._replace(standard_error=NAN, freedom=NAN, reason=reason)
    return mean


def aligned(found: Sample) -> Floats:
    """Return exchangeable values that scatter about the estimate as its parts do, for rank methods.

    Formula: one night: estimate + sqrt(n_h / (n_h - 1)) x (value - stratum mean), so that their
    mean square is the mean variance within strata; several nights: estimate + k u_b. After the
    aligned ranks of Hodges and Lehmann, Ann. Math. Statist. 33 (1962) 482. For a mean over all
    values; of a difference, align each side. A stratum of one value has none.
    """
    n = np.bincount(found.strata, minlength=len(found.coefficients))
    means = np.bincount(found.strata, found.values, len(n)) / np.maximum(n, 1)
    value = float(found.coefficients @ means)
    if (nights_per_stratum(found) > 1).any():
        totals = _night_totals(found, n, means)
        return value + len(totals) * totals
    keep = n[found.strata] > 1
    sizes = n[found.strata][keep]
    residuals = (found.values - means[found.strata])[keep]
    made: Floats = value + np.sqrt(sizes / (sizes - 1)) * residuals
    return made
