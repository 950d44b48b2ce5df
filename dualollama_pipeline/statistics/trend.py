"""The nights of a history as rows of `trend`: by configuration and over all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dualollama_pipeline.metrics.catalog import (
    ALL,
    APART_AGAINST_SHARED,
    APART_SPEEDUP,
    BALANCE,
    BY_NAME,
    SHARED_SPEEDUP,
)
from dualollama_pipeline.statistics import change as changes
from dualollama_pipeline.statistics.estimate import from_scale, origin_of, to_scale
from dualollama_pipeline.statistics.intervals import LEVEL
from dualollama_pipeline.statistics.means import MIN_NIGHTS, NAN
from dualollama_pipeline.statistics.multiplicity import benjamini_hochberg
from dualollama_pipeline.statistics.samples import of_key
from dualollama_pipeline.statistics.verdicts import evidence_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dualollama_pipeline.metrics.catalog import Key, Metric

KEYS = (APART_SPEEDUP, SHARED_SPEEDUP, APART_AGAINST_SHARED, BALANCE)
METRICS = tuple(dict.fromkeys(BY_NAME[key.metric] for key in KEYS))
MOST_NIGHTS = 365  # all pairs of nights: older ones say little of today
TOLERATED_PCT = 2.0  # of a ratio
TOLERATED_LINEAR = 1.0  # percentage points


def trend(samples: pd.DataFrame, order: Sequence[str], n_configurations: int = 0) -> pd.DataFrame:
    """Describe the course of each metric over the nights, columns of `trend`.

    `order` holds all batch ids in the order in which they were measured, `n_configurations` is the
    size of the study (0: what was ever measured). A configuration has a
    value in every batch that measured it; scope `all` is of nights alone (`are_nights`) and of
    configurations that are compared with themselves (`over_all`). What rests on `shared` leaves
    out those that reload a model in it, as the population does.
    """
    rows = [row for key in KEYS for row in _of_key(samples, key, order, n_configurations)]
    made = pd.DataFrame(rows)
    if made.empty:
        return made
    for p_value in ("p_trend", "p_change"):
        made[f"{p_value}_adjusted"] = benjamini_hochberg(made[p_value])
    return made


def _of_key(
    samples: pd.DataFrame, key: Key, order: Sequence[str], n_configurations: int
) -> list[dict[str, Any]]:
    metric, mine = BY_NAME[key.metric], of_key(samples, key)
    counting = mine[mine["counts"]]
    scaled = counting.assign(value=to_scale(metric, counting["value"].to_numpy(dtype=np.float64)))
    nights, sizes = _by_night(scaled, order)
    origin = origin_of(mine) if len(mine) else ""
    common = {"origin": origin, "evidence": evidence_of(origin), **key._asdict()}
    courses = [("configuration", str(name), nights[name], sizes[name]) for name in nights.columns]
    if len(nights.columns):
        fair, n_fair = _by_night(scaled[scaled["pools"]], order)
        whole = nights.index[are_nights(nights, n_configurations)]
        fair, n_fair = fair.reindex(whole), n_fair.reindex(whole)
        courses.append((ALL, ALL, over_all(fair), n_fair.sum(axis=1)))
    return [
        {**common, "scope": scope, "config_id": name, **_course(metric, values, n)}
        for scope, name, values, n in courses
    ]


def are_nights(batches: pd.DataFrame, n_configurations: int = 0) -> pd.Series:
    """Say which batches (rows; a column a configuration) are nights: those of the whole study.

    A batch of at least half of the configurations: one that failed is a missing value of its
    night, while a part of a study is none (METHOD, nights).
    """
    return batches.notna().sum(axis=1) >= (n_configurations or batches.shape[1]) / 2


def over_all(nights: pd.DataFrame) -> pd.Series:
    """Return the mean over the configurations, of each night.

    Each configuration against its own mean over the nights, so that one that is missing in a night
    moves it neither up nor down.
    """
    own = nights.mean()
    return nights.sub(own).mean(axis=1) + own.mean()


def _by_night(scaled: pd.DataFrame, order: Sequence[str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return means and counts, a row for each night in its order, a column for each config_id."""
    grouped = scaled.groupby(["batch_id", "config_id"], observed=True)["value"]
    nights = grouped.mean().unstack("config_id")  # noqa: PD010 one row a night
    sizes = grouped.size().unstack("config_id").reindex(nights.index)  # noqa: PD010
    there = set(nights.index)
    kept = [batch for batch in order if batch in there]
    return nights.loc[kept], sizes.loc[kept]


def _course(metric: Metric, course: pd.Series, sizes: pd.Series) -> dict[str, Any]:
    """Describe one series of nights; what so few nights cannot show is null with a reason."""
    known = course.dropna().tail(MOST_NIGHTS)
    values = known.to_numpy(dtype=np.float64)
    batches = [str(batch) for batch in known.index]
    slope, kendall = changes.theil_sen(values), changes.mann_kendall(values)
    point, last = changes.pettitt(values), changes.last_against_earlier(values)
    shown = [_shown(metric, part) for part in (last.value, last.low, last.high)]
    tolerated = TOLERATED_PCT if metric.scale == "ratio" else TOLERATED_LINEAR
    alarm = changes.is_alarm(last._replace(low=shown[1], high=shown[2]), tolerated)
    return {
        "unit": metric.unit,
        "n_nights": len(values),
        "n": int(sizes.loc[known.index].sum()),
        "first_batch": batches[0] if batches else "",
        "last_batch": batches[-1] if batches else "",
        "slope": _shown(metric, slope.value),
        "slope_low": _shown(metric, slope.low),
        "slope_high": _shown(metric, slope.high),
        "kendall_tau": kendall.tau,
        "p_trend": kendall.p_value,
        "p_trend_adjusted": NAN,
        "change_batch": batches[point.first_after] if point.first_after > 0 else None,
        "p_change": point.p_value,
        "p_change_adjusted": NAN,
        "last_value": from_scale(metric, float(values[-1])) if batches else NAN,
        "earlier_value": from_scale(metric, float(values[:-1].mean())) if values[:-1].size else NAN,
        "change": shown[0],
        "change_low": shown[1],
        "change_high": shown[2],
        "level": LEVEL,
        "tolerated": tolerated,
        "alarm": alarm,
        "null_reason": _reason(values, slope.reason, last.reason),
        "batches": " ".join(batches),
    }


def _reason(values: Any, of_slope: str, of_change: str) -> str:
    if not len(values):
        return "no night of the whole study has a value"
    if len(values) >= MIN_NIGHTS and not np.ptp(values):
        return "all nights are equal"
    return of_slope or of_change


def _shown(metric: Metric, value: float) -> float:
    """Return a difference on the scale of the test as % for a ratio, else as it is."""
    return float(100 * np.expm1(value)) if metric.scale == "ratio" else value
