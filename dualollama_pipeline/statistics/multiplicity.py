"""Many comparisons at once: Holm for a declared family, Benjamini-Hochberg for a screen.

A missing p value stays missing and is not counted: nothing was tested there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return adjusted p values; the chance of any false alarm in the family stays below alpha.

    Formula: p_(i) -> max over j <= i of min(1, (m - j + 1) p_(j)) (Holm, Scand. J. Statist. 6
    (1979) 65).
    """
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(len(p), np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    steps = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps * p[order]), 1.0)
    return adjusted


def benjamini_hochberg(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return adjusted p values; of what passes alpha, at most that share is false on average.

    Benjamini and Hochberg, J. R. Statist. Soc. B 57 (1995) 289; scipy's false_discovery_control.
    """
    p = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(len(p), np.nan)
    known = ~np.isnan(p)
    if known.any():
        adjusted[known] = stats.false_discovery_control(p[known], method="bh")
    return adjusted
