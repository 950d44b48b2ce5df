"""Estimates: a number with its interval, n, unit and batches, for each level of the design."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dualollama_pipeline.statistics import description
from dualollama_pipeline.statistics.group import Group, consecutive
from dualollama_pipeline.statistics.intervals import (
    LEVEL,
    Interval,
    bca_interval,
    bounded_interval_of,
    exponentiate,
    interval_of,
    proportion_interval,
)
from dualollama_pipeline.statistics.means import NAN, Mean, mean_of, sample
from dualollama_pipeline.statistics.samples import by_key, most_of
from dualollama_pipeline.statistics.selection import best_if_equal, rank_intervals
from dualollama_pipeline.statistics.verdicts import evidence_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dualollama_pipeline.metrics.catalog import Key, Metric

    Floats = NDArray[np.float64]

METHODS = {
    ("ratio", "config", "block"): "geometric mean, t interval on logs",
    ("linear", "config", "block"): "mean, t interval",
    ("ratio", "pooled", "block"): "geometric mean, stratified t interval on logs over "
    "configurations",
    ("linear", "pooled", "block"): "mean, stratified t interval over configurations",
    ("ratio", "config", "night"): "geometric mean, t interval on logs over nights",
    ("linear", "config", "night"): "mean, t interval over nights",
    ("ratio", "pooled", "night"): "geometric mean, t interval on logs over nights",
    ("linear", "pooled", "night"): "mean, t interval over nights",
}
EXACT = "k of n, exact interval (Clopper-Pearson)"
WIDENED = ", widened for skew below 20 values"
IMPOSSIBLE = (
    "impossible: {:.3g} is more than {} agents can gain; look for a cold or throttled baseline, or "
    "clocks that disagree"
)
TOLERATED = 1.1  # below 5 blocks, of the number of agents
UNEQUAL = (
    "answers differ in length, so no interval is known to hold; the blocks range from {:.3g} to "
    "{:.3g}"
)
NO_POOL = "no configuration without a reload in the arm shared"
PUBLISHED = ("balance_efficiency_pct", "balance_speedup")
BINNED = "balance_efficiency_pct"
PLACES = ("rank", "rank_low", "rank_high")


def config_statistics(samples: pd.DataFrame) -> pd.DataFrame:
    """Estimate every metric of every configuration, in the catalog's order, with its rank."""
    rows = []
    for metric, key, part in by_key(Group.of(samples)):
        mine, means = [], []
        for config_id, group in part.by("config_id"):
            counting = group.take(group["counts"])
            mean = _mean(metric, counting, "config")
            row = {"config_id": config_id, "scenario": group.text("scenario", 0)}
            row |= _estimate(metric, key, group, counting, mean, "config")
            mine.append(row | _bootstrap(metric, counting))
            means.append(mean)
        _rank(metric, mine, means)
        rows += mine
    rows.sort(key=lambda row: row["config_id"])  # stable: the catalog's order within
    return pd.DataFrame(rows).astype(dict.fromkeys(PLACES if rows else (), "Int64"))


def scenario_statistics(samples: pd.DataFrame) -> pd.DataFrame:
    """Estimate every metric of every scenario, over the blocks of its configurations."""
    rows = [
        {"scenario": scenario, **row}
        for scenario, group in Group.of(samples).by("scenario")
        for row in _pooled(group)
    ]
    return pd.DataFrame(rows)


def population_statistics(samples: pd.DataFrame) -> pd.DataFrame:
    """Estimate every metric over the blocks of all configurations."""
    return pd.DataFrame(_pooled(Group.of(samples)))


def night_statistics(samples: pd.DataFrame, order: Sequence[str]) -> pd.DataFrame:
    """Estimate every batch by itself, over its configurations: n, value, interval, in `order`."""
    nights = dict(Group.of(samples).by("batch_id"))
    rows: list[dict[str, Any]] = []
    for batch_id in filter(nights.__contains__, order):
        for metric, key, part in by_key(nights[batch_id]):
            counting = part.take(part["pools"])
            mean = _mean(metric, counting, "pooled")
            found, _ = _interval(metric, part, counting, mean)
            shown = {"value": found.value, "ci_low": found.low, "ci_high": found.high}
            rows.append({"batch_id": batch_id, **key._asdict(), "n": len(counting), **shown})
    return pd.DataFrame(rows)


def to_scale(metric: Metric, values: Floats) -> Floats:
    """Ratios are averaged as logs: 2 and 1/2 average to 1."""
    return np.log(values) if metric.scale == "ratio" else values


def from_scale(metric: Metric, value: float) -> float:
    """Return a value on the metric's own scale."""
    return float(np.exp(value)) if metric.scale == "ratio" else value


def codes(column: pd.Series) -> NDArray[np.int64]:
    """Return whole numbers from 0 that stand for the texts of a column, in their order."""
    return consecutive(pd.Categorical(column).codes)


def _mean(metric: Metric, counting: Group, level: str) -> Mean:
    strata = counting.codes("config_id") if level == "pooled" else ()
    values = to_scale(metric, counting["value"])
    mean = mean_of(sample(values, strata, counting.codes("batch_id")))
    return possible(metric, mean, most_of(metric, counting))


def possible(metric: Metric, mean: Mean, most: int | None) -> Mean:
    """Return the mean, or null where it lies wholly above `most`, the number of agents.

    That cannot be, so a baseline was measured wrong. Wholly: its interval; where there is none, its
    point by more than a tenth (METHOD section 2).
    """
    if most is None or np.isnan(mean.value):
        return mean
    low = from_scale(metric, interval_of(mean).low)
    point = from_scale(metric, mean.value)
    if not (low > most or (np.isnan(low) and point > TOLERATED * most)):
        return mean
    return mean._replace(value=NAN, standard_error=NAN, reason=IMPOSSIBLE.format(point, most))


def _pooled(samples: Group) -> list[dict[str, Any]]:
    rows = []
    for metric, key, part in by_key(samples):
        counting = part.take(part["pools"])
        mean = _mean(metric, counting, "pooled")
        if not len(counting) and bool(part["counts"].any()):
            mean = mean._replace(reason=NO_POOL)
        groups = dict(counting.by("config_id"))
        rows.append(
            {
                "n_configurations": len(groups),
                **_estimate(metric, key, part, counting, mean, "pooled"),
                **_within(metric, [group["value"] for group in groups.values()]),
                **_best(metric, {name: _mean(metric, g, "config") for name, g in groups.items()}),
            }
        )
    return rows


def _within(metric: Metric, groups: Sequence[Floats]) -> dict[str, float]:
    return description.within([] if metric.scale == "rate" else groups)


def _best(metric: Metric, means: dict[str, Mean]) -> dict[str, Any]:
    """Name the best and the worst configuration beside what the best shows if all are equal."""
    made: dict[str, Any] = dict.fromkeys(("best_config_id", "worst_config_id"))
    made |= dict.fromkeys(
        ("best_value", "worst_value", "best_if_equal", "best_if_equal_p95", "p_best_if_equal"), NAN
    )
    if metric.better == "neither" or metric.scale == "rate" or not means:
        return made
    sign = 1 if metric.better == "higher" else -1
    names = sorted(means, key=lambda name: (-sign * means[name].value, name))
    if_equal = best_if_equal([m._replace(value=sign * m.value) for m in means.values()])
    return made | {
        "best_config_id": names[0],
        "best_value": from_scale(metric, means[names[0]].value),
        "worst_config_id": names[-1],
        "worst_value": from_scale(metric, means[names[-1]].value),
        "best_if_equal": from_scale(metric, sign * if_equal.mean),
        "best_if_equal_p95": from_scale(metric, sign * if_equal.p95),
        "p_best_if_equal": if_equal.p_value,
    }


def _rank(metric: Metric, rows: list[dict[str, Any]], means: list[Mean]) -> None:
    """Add place and interval of the place; null where there is no better side or no value."""
    sign = 1 if metric.better == "higher" else -1
    ranked = [i for i, mean in enumerate(means) if not np.isnan(mean.value)]
    if metric.better == "neither" or metric.scale == "rate":
        ranked = []
    for row in rows:
        row.update(dict.fromkeys(PLACES, pd.NA), n_ranked=len(ranked))
    if not ranked:
        return
    found = rank_intervals([means[i]._replace(value=sign * means[i].value) for i in ranked])
    for i, *places in zip(ranked, *found, strict=True):
        rows[i] |= {
            name: int(place) if place else pd.NA for name, place in zip(PLACES, places, strict=True)
        }


def _bootstrap(metric: Metric, counting: Group) -> dict[str, Any]:
    """Bootstrap what is skewed and bounded, where n allows; beside the t interval, not instead."""
    if metric.scale != "linear" or len(counting.texts("batch_id")) > 1:
        reason = "only for means of one night"
        return {"boot_low": NAN, "boot_high": NAN, "boot_reason": reason}
    found = bca_interval(counting["value"])
    return {"boot_low": found.low, "boot_high": found.high, "boot_reason": found.reason}


def _interval(
    metric: Metric, part: Group, counting: Group, mean: Mean
) -> tuple[Interval, int | None]:
    """Return the estimate with its interval, and of a rate how many of n."""
    values = counting["value"]
    if metric.scale == "rate":
        n_events = int((values > 0).sum())
        found = proportion_interval(n_events, len(values))
        scaled = [100 * number for number in (found.value, found.low, found.high)]
        return Interval(scaled[0], scaled[1], scaled[2], found.reason or ""), n_events
    if metric.upper is not None:
        upper = float(part["n_agents"].max()) if metric.upper == "agents" else metric.upper
        interval = bounded_interval_of(mean, upper)
    else:
        interval = interval_of(mean)
        interval = exponentiate(interval) if metric.scale == "ratio" else interval
    if metric.by_length and not interval.reason and not counting["equal_work"].all():
        text = UNEQUAL.format(values.min(), values.max())
        interval = Interval(interval.value, NAN, NAN, text)
    return interval, None


def _estimate(
    metric: Metric, key: Key, part: Group, counting: Group, mean: Mean, level: str
) -> dict[str, Any]:
    """Join the estimate with the plain description of the same values; nan where n forbids."""
    values = counting["value"]
    interval, n_events = _interval(metric, part, counting, mean)
    reason = mean.reason if mean.reason == NO_POOL else interval.reason
    origin = _among(part.texts("origin"))
    is_rate = metric.scale == "rate"
    return {
        "origin": origin,
        "evidence": evidence_of(origin),
        **key._asdict(),
        "unit": metric.unit,
        "n": len(values),
        "n_left_out": len(part) - len(values),
        "n_nights": len(counting.texts("batch_id")),
        "n_events": n_events,
        "value": interval.value,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "level": LEVEL,
        "method": _method(metric, level, mean),
        "null_reason": reason,
        **_shape(metric, values),
        **_peak(counting, is_rate=is_rate),
        "batches": " ".join(sorted(part.texts("batch_id"))),
    }


def _method(metric: Metric, level: str, mean: Mean) -> str:
    if metric.scale == "rate":
        return EXACT
    return METHODS[metric.scale, level, mean.unit] + ("" if metric.upper is None else WIDENED)


def _shape(metric: Metric, values: Floats) -> dict[str, Any]:
    """Describe the values; of a rate only the mean, of published columns the plain percentiles."""
    nothing = values[:0]
    is_rate, is_binned = metric.scale == "rate", metric.name == BINNED
    described = description.describe(nothing if is_rate else values)
    found, reason = description.percentiles(nothing if is_rate else values)
    if is_rate:
        described["mean"] = float(values.mean()) if len(values) else NAN
        reason = "a rate has none"
    binned = values if is_binned else nothing
    return {
        **described,
        **found,
        "percentile_reason": reason,
        **description.plain_percentiles(values if metric.name in PUBLISHED else nothing),
        "modal_bin_low_pct": description.modal_bin_low(binned),
        "share_in_band_pct": description.share_in_band_pct(binned),
    }


def _peak(counting: Group, *, is_rate: bool) -> dict[str, Any]:
    """Say which value is the highest; the first of equal ones."""
    if is_rate or not len(counting):
        return dict.fromkeys(("peak_config_id", "peak_batch_id", "peak_block"))
    place = int(counting["value"].argmax())
    return {
        "peak_config_id": counting.text("config_id", place),
        "peak_batch_id": counting.text("batch_id", place),
        "peak_block": int(counting["block"][place]),
    }


def origin_of(part: pd.DataFrame) -> str:
    """Return the origin of rows: one simulated row makes the estimate simulated."""
    return _among(list(part["origin"].unique()))


def _among(origins: Sequence[str]) -> str:
    return "simulated" if "simulated" in origins else str(origins[0])
