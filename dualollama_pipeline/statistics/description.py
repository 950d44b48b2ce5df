"""What values look like: centre, spread, shape and percentiles, as far as n supports them.

Standard deviations have ddof 1; quantiles are linear between order statistics (type 7 of Hyndman
and Fan, The American Statistician 50 (1996) 361). What n cannot support is nan. Pure numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dualollama_pipeline.statistics.means import NAN, ROUNDING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# percentile: the n that supports it (METHOD section 3; a quartile needs four values)
LEAST_N = {1: 100, 5: 40, 10: 20, 25: 4, 75: 4, 90: 20, 95: 40, 99: 100}
PLAIN = (5, 10, 25, 50, 75, 90, 95)
BAND_PCT = (96.0, 100.0)


def describe(values: Floats) -> dict[str, float]:
    """Return mean, median, sd, cv_pct, min, max, range, mad, iqr and skewness."""
    n = len(values)
    if n == 0:
        names = ("mean", "median", "sd", "cv_pct", "min", "max", "range", "mad", "iqr", "skewness")
        return dict.fromkeys(names, NAN)
    low, high = float(values.min()), float(values.max())
    return {
        "mean": float(values.mean()),
        "median": median(values),
        **_spread(values),
        "min": low,
        "max": high,
        "range": high - low,
        "skewness": skewness(values),
    }


def _spread(values: Floats) -> dict[str, float]:
    mean = float(values.mean())
    sd = float(values.std(ddof=1)) if len(values) > 1 else NAN
    return {
        "sd": sd,
        "cv_pct": 100 * sd / abs(mean) if mean != 0 else NAN,
        "mad": mad(values),
        "iqr": iqr(values),
    }


def mad(values: Floats) -> float:
    """Return the median absolute deviation from the median, not scaled to a normal sd."""
    return median(np.abs(values - median(values))) if len(values) else NAN


def iqr(values: Floats) -> float:
    """Return P75 - P25; nan below n = 4."""
    if len(values) < LEAST_N[25]:
        return NAN
    ordered = np.sort(values)
    return quantile(ordered, 0.75) - quantile(ordered, 0.25)


def median(values: Floats) -> float:
    """Return what np.median does, in a tenth of its time."""
    middle = len(values) // 2
    if len(values) % 2:
        return float(np.partition(values, middle)[middle])
    parted = np.partition(values, (middle - 1, middle))
    return float((parted[middle - 1] + parted[middle]) / 2)


def quantile(ordered: Floats, share: float) -> float:
    """Return what np.quantile does of sorted values, in a tenth of its time."""
    place = (len(ordered) - 1) * share
    below = int(place)
    low, high = float(ordered[below]), float(ordered[min(below + 1, len(ordered) - 1)])
    part = place - below
    return low + (high - low) * part if part < 0.5 else high - (high - low) * (1 - part)  # noqa: PLR2004


def skewness(values: Floats) -> float:
    """Return the adjusted Fisher-Pearson skewness; nan below n = 3 or for equal values.

    Formula: G1 = sqrt(n (n - 1)) / (n - 2) x m3 / m2^1.5 (Joanes and Gill, The Statistician 47
    (1998) 183).
    """
    if len(values) < 3 or np.ptp(values) <= 1e-6 * max(float(np.abs(values).max()), ROUNDING):  # noqa: PLR2004 formula
        return NAN
    n, about = len(values), values - values.mean()
    squares = about**2
    # scipy's numbers to the last bit, in a twentieth of its time; it is asked for thousands of them
    return float(
        ((n - 1.0) * n) ** 0.5 / (n - 2.0) * (squares * about).mean() / squares.mean() ** 1.5
    )


def percentiles(values: Floats) -> tuple[dict[str, float], str]:
    """Return {p1: ...} and which of them n does not support, empty if all are there."""
    n = len(values)
    supported = [share for share, least in LEAST_N.items() if n >= least]
    found = dict.fromkeys((f"p{share}" for share in LEAST_N), NAN)
    ordered = np.sort(values)
    found |= {f"p{share}": quantile(ordered, share / 100) for share in supported}
    missing = [f"P{share} needs {least}" for share, least in LEAST_N.items() if n < least]
    return found, f"{', '.join(missing)}; there are {n}" if missing else ""


def plain_percentiles(values: Floats) -> dict[str, float]:
    """Return {plain_p5: ...} whatever n is: for comparison with published columns only."""
    if len(values) == 0:
        return dict.fromkeys((f"plain_p{share}" for share in PLAIN), NAN)
    ordered = np.sort(values)
    return {f"plain_p{share}": quantile(ordered, share / 100) for share in PLAIN}


def modal_bin_low(values: Floats, width: float = 1.0) -> float:
    """Return the lower end of the fullest bin [low, low + width); of equal ones the lowest."""
    if len(values) == 0:
        return NAN
    lows, counts = np.unique(np.floor(values / width), return_counts=True)
    return float(lows[counts.argmax()] * width)


def share_in_band_pct(values: Floats, band: tuple[float, float] = BAND_PCT) -> float:
    """Return the share of values in [low, high], in percent."""
    if len(values) == 0:
        return NAN
    return 100 * float(((values >= band[0]) & (values <= band[1])).mean())


def within(groups: Sequence[Floats]) -> dict[str, float]:
    """Return the mean over configurations of sd, CV, MAD and IQR within each.

    A configuration whose n does not support a figure is left out of its mean.
    """
    names = {"sd": "within_sd", "cv_pct": "within_cv_pct", "mad": "within_mad", "iqr": "within_iqr"}
    enough = [_spread(values) for values in groups if len(values) > 1]
    made = {}
    for name, column in names.items():
        known = [row[name] for row in enough if not np.isnan(row[name])]
        made[column] = float(np.mean(known)) if known else NAN
    return made
