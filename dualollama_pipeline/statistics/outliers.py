"""Values far from the others of their configuration: labelled and explained, never dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from dualollama_pipeline.metrics.catalog import BALANCE
from dualollama_pipeline.statistics.causes import find_causes
from dualollama_pipeline.statistics.description import mad, median, quantile
from dualollama_pipeline.statistics.estimate import from_scale, to_scale
from dualollama_pipeline.statistics.group import Group
from dualollama_pipeline.statistics.means import MIN_BLOCKS, NAN, ROUNDING
from dualollama_pipeline.statistics.samples import KEY, by_key
from dualollama_pipeline.statistics.verdicts import evidence_of
from dualollama_pipeline.tables.rows import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from dualollama_pipeline.metrics.catalog import Key, Metric

    Floats = NDArray[np.float64]

MAD_LIMIT = 14.826  # ten standard deviations of a normal distribution: 10 x 1.4826 MAD
FENCE_IQR = 3.0  # Tukey's "far out" (Exploratory Data Analysis (1977), section 2D)
TUKEY_FROM = 10  # quartiles of fewer values are two of them
REPORT_LIMIT_PCT = 95.0
MOVED_PCT = 10.0
WHERE = ("origin", "config_id", "scenario", "batch_id")
COLUMNS = [
    "origin", "evidence", "config_id", "scenario", "batch_id", "block", *KEY, "unit", "value",
    "counts", "n", "median", "mad", "mad_score", "is_mad_outlier", "is_tukey_outlier",
    "is_below_95_pct", "cause", "cause_detail", "value_with", "value_without", "change_pct",
    "moves_result",
]  # fmt: skip


class Labels(NamedTuple):
    """For each value: distance in MADs (nan if the MAD is 0), and what the two rules say."""

    mad_score: Floats
    is_mad_outlier: NDArray[np.bool_]
    is_tukey_outlier: NDArray[np.bool_]


def label(values: Floats, usual: Floats) -> Labels:
    """Label `values` against `usual` ones: by the MAD from 5 usual ones on, by quartiles from 10.

    Formulas: |x - median| / MAD > 14.826 (MAD not scaled; a limit of ten robust standard
    deviations), and x outside [P25 - 3 IQR, P75 + 3 IQR].
    """
    nothing = np.zeros(len(values), dtype=bool)
    if len(usual) < MIN_BLOCKS:
        return Labels(np.full(len(values), NAN), nothing, nothing)
    ordered, centre, spread = np.sort(usual), median(usual), mad(usual)
    tiny = ROUNDING * max(abs(centre), 1.0)
    score = np.abs(values - centre) / spread if spread > tiny else np.full(len(values), NAN)
    low, high = quantile(ordered, 0.25), quantile(ordered, 0.75)
    reach = FENCE_IQR * (high - low)
    beyond = (values < low - reach) | (values > high + reach)
    may = reach > tiny and len(usual) >= TUKEY_FROM
    return Labels(score, score > MAD_LIMIT, beyond if may else nothing)


def outliers(samples: pd.DataFrame, runs: pd.DataFrame, calls: pd.DataFrame) -> pd.DataFrame:
    """List every labelled value with its cause, columns of `outliers`; no row if there is none.

    Also listed: balance efficiencies below 95 %, the report's own rule (its section 3.4). A value
    that does not count is judged against those that do.
    """
    found = [
        each
        for metric, key, part in by_key(Group.of(samples))
        if metric.scale != "rate"
        for _, group in part.take(~np.isnan(part["value"])).by("config_id")
        for each in _of_group(metric, key, group)
    ]
    if not found:
        return pd.DataFrame(columns=COLUMNS)
    listed = pd.DataFrame(found).astype({"is_tukey_outlier": "boolean"})
    return listed.assign(**find_causes(listed, runs, calls))[COLUMNS]


def _of_group(metric: Metric, key: Key, group: Group) -> Iterator[Row]:
    """Yield what one configuration has to list: most have nothing."""
    values, counts = group["value"], group["counts"]
    usual = values[counts]
    labels = label(values, usual)
    # whom the limit is for
    is_low = (values < REPORT_LIMIT_PCT) & (group["n_agents"] == (2 if key == BALANCE else 0))
    is_far = labels.is_mad_outlier | labels.is_tukey_outlier
    shown = np.flatnonzero(is_far | is_low)
    if not len(shown):
        return
    common = {
        **key._asdict(),
        "unit": metric.unit,
        "n": len(usual),
        "median": median(usual) if len(usual) else NAN,
        "mad": mad(usual),
        **_moved(metric, usual, values[counts & ~is_far]),
    }
    for place in map(int, shown):
        yield {
            **{name: group.text(name, place) for name in WHERE},
            "evidence": evidence_of(group.text("origin", place)),
            "block": int(group["block"][place]),
            **common,
            "value": values[place],
            "counts": counts[place],
            "mad_score": labels.mad_score[place],
            "is_mad_outlier": labels.is_mad_outlier[place],
            "is_tukey_outlier": (
                labels.is_tukey_outlier[place] if len(usual) >= TUKEY_FROM else None
            ),
            "is_below_95_pct": is_low[place],
        }


def _moved(metric: Metric, every: Floats, without: Floats) -> dict[str, Any]:
    """Return the estimate with and without the outliers, and whether it matters."""
    both = [
        from_scale(metric, float(to_scale(metric, part).mean())) if len(part) else NAN
        for part in (every, without)
    ]
    change = 100 * (both[1] - both[0]) / abs(both[0]) if both[0] else NAN
    return {
        "value_with": both[0],
        "value_without": both[1],
        "change_pct": change,
        "moves_result": abs(change) > MOVED_PCT,
    }
