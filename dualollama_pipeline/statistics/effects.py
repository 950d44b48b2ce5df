"""Effect sizes that do not lean on a few values: Cliff's delta and the Hodges-Lehmann estimate.

All in n log n time and without the table of all pairs, so that a million trials fit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtri

from dualollama_pipeline.statistics.intervals import (
    LEVEL,
    Interval,
    proportion_interval,
    t_quantile,
)
from dualollama_pipeline.statistics.means import NAN, Sample, mean_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# values of a side whose pairs are laid out; above, quantiles are bisected, and the median of an
# even number of pairs is the lower of the two in the middle
EXACT_UP_TO = 1_500
BISECTIONS = 45
LEAST = 6  # from here on a 95 % rank interval exists: 2 / 2^6 = 0.03


def dominance(values: Floats, reference: float = 0.0, level: float = LEVEL) -> Interval:
    """Return Cliff's delta of one sample: share above the reference minus share below.

    Of the within-subject form (Cliff, Psychological Bulletin 114 (1993) 494). The interval is that
    of the share above (Clopper-Pearson), a tie counting half; it covers at least what it says.
    """
    n = len(values)
    if n == 0:
        return Interval(NAN, NAN, NAN, "no block counts")
    above = int((values > reference).sum())
    ties = int((values == reference).sum())
    low = proportion_interval(above, n, level).low
    high = proportion_interval(above + ties, n, level).high
    return Interval((2 * above + ties) / n - 1, 2 * low - 1, 2 * high - 1, "")


def cliffs_delta(one: Sample, other: Sample, level: float = LEVEL) -> Interval:
    """Return P(one > other) - P(one < other) over all pairs of values.

    Interval: t, from the placements d_i = mean of sign(x_i - y) and d_j = mean of sign(x - y_j),
    variance = var(mean d_i) + var(mean d_j) (Cliff 1993; DeLong et al., Biometrics 44 (1988) 837),
    each within strata or over nights (means.py). At -1 or 1 nothing is known of the variance.
    """
    x, y = np.sort(one.values), np.sort(other.values)
    of_one, of_other = _placements(one.values, y), -_placements(other.values, x)
    found = mean_of(
        Sample(
            np.concatenate([of_one, of_other]),
            np.concatenate([one.strata, other.strata + len(one.coefficients)]),
            np.concatenate([one.nights, other.nights]),
            np.concatenate([one.coefficients, other.coefficients]),
        )
    )
    delta = float(of_one.mean())
    if found.reason:
        return Interval(delta, NAN, NAN, found.reason)
    half = t_quantile((1 + level) / 2, found.freedom) * found.standard_error
    return Interval(delta, max(delta - half, -1.0), min(delta + half, 1.0), "")


def _placements(values: Floats, others: Floats) -> Floats:
    """Return for each value the share of (sorted) others below it minus the share above."""
    below = np.searchsorted(others, values, side="left")
    above = len(others) - np.searchsorted(others, values, side="right")
    made: Floats = (below - above) / len(others)
    return made


def hodges_lehmann(
    values: Floats, level: float = LEVEL, exact_up_to: int = EXACT_UP_TO
) -> Interval:
    """Return the median of the Walsh averages, with the interval of the signed-rank test.

    Formula: averages (x_i + x_j) / 2, i <= j; the interval takes the (C + 1)th from each end, C the
    lower quantile of the signed-rank statistic, normal approximation (Hollander, Wolfe and Chicken,
    Nonparametric Statistical Methods (2014), section 3.3). From n = 6 on.
    """
    n = len(values)
    if n < LEAST:
        return Interval(NAN, NAN, NAN, f"a rank interval needs {LEAST} values, there are {n}")
    total = n * (n + 1) // 2
    spread = float(ndtri((1 + level) / 2)) * np.sqrt(total * (2 * n + 1) / 12)
    depth = max(int(np.floor(total / 2 - spread)), 0)
    x = np.sort(values)
    if n <= exact_up_to:
        rows, columns = np.triu_indices(n)
        return _middle(np.sort((x[rows] + x[columns]) / 2), depth)
    ranks = (depth + 1, (total + 1) // 2, total - depth)
    # pairs i <= j with a sum up to t: half of all ordered pairs and the diagonal
    low, middle, high = (
        _bisect(
            lambda t: (int(np.searchsorted(x, 2 * t - x, "right").sum())
                       + int(np.searchsorted(x, t, "right"))) // 2,
            rank, float(x[0]), float(x[-1]),
        )
        for rank in ranks
    )  # fmt: skip
    return Interval(middle, low, high, "")


def hodges_lehmann_shift(
    one: Floats, other: Floats, level: float = LEVEL, exact_up_to: int = EXACT_UP_TO
) -> Interval:
    """Return the median of all differences one - other, with the interval of Mann and Whitney.

    Formula: the (C + 1)th difference from each end, C = mn/2 - z sqrt(mn (m + n + 1) / 12)
    (Hollander, Wolfe and Chicken (2014), section 4.3). From 6 values a side on.
    """
    m, n = len(one), len(other)
    if min(m, n) < LEAST:
        reason = f"a rank interval needs {LEAST} values a side, there are {m} and {n}"
        return Interval(NAN, NAN, NAN, reason)
    spread = float(ndtri((1 + level) / 2)) * np.sqrt(m * n * (m + n + 1) / 12)
    depth = max(int(np.floor(m * n / 2 - spread)), 0)
    x, y = np.sort(one), np.sort(other)
    if max(m, n) <= exact_up_to:
        return _middle(np.sort((x[:, np.newaxis] - y).ravel()), depth)
    low, middle, high = (
        _bisect(
            lambda t: m * n - int(np.searchsorted(y, x - t, "left").sum()),
            rank, float(x[0] - y[-1]), float(x[-1] - y[0]),
        )
        for rank in (depth + 1, (m * n + 1) // 2, m * n - depth)
    )  # fmt: skip
    return Interval(middle, low, high, "")


def _middle(pairs: Floats, depth: int) -> Interval:
    depth = min(depth, (len(pairs) - 1) // 2)
    return Interval(
        float(np.median(pairs)), float(pairs[depth]), float(pairs[len(pairs) - 1 - depth]), ""
    )


def _bisect(count_up_to: Callable[[float], int], rank: int, low: float, high: float) -> float:
    """Return the smallest t with at least `rank` pairs up to it, to the last few bits."""
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if count_up_to(middle) >= rank else (middle, high)
    return high
