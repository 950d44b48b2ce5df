"""An interval for a ratio that is estimated from clusters of unequal size: leave one out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from dualollama_pipeline.statistics.intervals import LEVEL, Interval
from dualollama_pipeline.statistics.means import MIN_BLOCKS

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

NAN = float("nan")


def jackknife(
    rows: pd.DataFrame, statistic: Callable[[pd.DataFrame], float], level: float = LEVEL
) -> Interval:
    """Delete-one-cluster jackknife on the log scale; `rows` has a column `cluster`.

    Formula: se^2 = (k - 1) / k x sum (log s_(i) - mean)^2, Student's t with k - 1 degrees of
    freedom around log s (Efron and Tibshirani 1993, chapter 11). Without an interval from fewer
    than 5 clusters, or where a cluster alone carries the estimate.
    """
    value = statistic(rows) if len(rows) else NAN
    if not value > 0 or not math.isfinite(value):
        return Interval(NAN, NAN, NAN, "these calls do not show it")
    clusters = rows["cluster"].unique()
    k = len(clusters)
    if k < MIN_BLOCKS:
        return Interval(value, NAN, NAN, f"an interval needs {MIN_BLOCKS} clusters, there are {k}")
    left_out = np.array([statistic(rows[rows["cluster"] != cluster]) for cluster in clusters])
    if not (left_out > 0).all():
        return Interval(value, NAN, NAN, "one cluster alone carries the estimate")
    logs = np.log(left_out)
    se = math.sqrt((k - 1) / k * float(((logs - logs.mean()) ** 2).sum()))
    half = float(stats.t.ppf((1 + level) / 2, k - 1)) * se
    return Interval(value, value * math.exp(-half), value * math.exp(half), "")
