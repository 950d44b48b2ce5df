"""Estimates: a number with its interval, n, unit and batches, for each level of the design."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dualollama_pipeline.metrics.catalog import BY_NAME, METRICS
from dualollama_pipeline.statistics.intervals import (
    LEVEL,
    Interval,
    cut_at,
    exponentiate,
    stratified_t_interval,
    t_interval,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dualollama_pipeline.metrics.catalog import Metric

METHODS = {
    ("ratio", "config"): "geometric mean, t interval on logs",
    ("linear", "config"): "mean, t interval",
    ("ratio", "pooled"): "geometric mean, stratified t interval on logs over configurations",
    ("linear", "pooled"): "mean, stratified t interval over configurations",
}
NO_POOL = "no configuration without a reload in the single arm"


def config_statistics(samples: pd.DataFrame) -> pd.DataFrame:
    """Estimate every metric of every configuration, in the catalog's order."""
    rows = []
    for (config_id, scenario), group in samples.groupby(["config_id", "scenario"], sort=True):
        for metric, part in _by_metric(group):
            values = _values(part, "counts")
            interval = _transform(metric, t_interval(_scale(metric, values)))
            rows.append(
                {
                    "config_id": config_id,
                    "scenario": scenario,
                    **_estimate(metric, part, "config", values, interval),
                }
            )
    return pd.DataFrame(rows)


def scenario_statistics(samples: pd.DataFrame) -> pd.DataFrame:
    """Estimate every metric of every scenario, over the blocks of its configurations."""
    rows = [
        {"scenario": scenario, **row}
        for scenario, group in samples.groupby("scenario", sort=True)
        for row in _pooled(group)
    ]
    return pd.DataFrame(rows)


def population_statistics(samples: pd.DataFrame) -> pd.DataFrame:
    """Estimate every metric over the blocks of all configurations."""
    return pd.DataFrame(_pooled(samples))


def _pooled(samples: pd.DataFrame) -> list[dict[str, Any]]:
    rows = []
    for metric, part in _by_metric(samples):
        strata = [_values(group, "pools") for _, group in part.groupby("config_id", sort=True)]
        strata = [stratum for stratum in strata if len(stratum) > 0]
        interval = stratified_t_interval([_scale(metric, stratum) for stratum in strata])
        if not strata and bool(part["counts"].any()):
            interval = interval._replace(reason=NO_POOL)
        values = np.concatenate(strata) if strata else np.array([], dtype=np.float64)
        estimate = _estimate(metric, part, "pooled", values, _transform(metric, interval))
        rows.append({"n_configurations": len(strata), **estimate})
    return rows


def _by_metric(samples: pd.DataFrame) -> list[tuple[Metric, pd.DataFrame]]:
    groups = dict(iter(samples.groupby("metric", sort=False)))
    return [(metric, groups[metric.name]) for metric in METRICS if metric.name in groups]


def _values(part: pd.DataFrame, which: str) -> NDArray[np.float64]:
    values: NDArray[np.float64] = part.loc[part[which], "value"].to_numpy(dtype=np.float64)
    return values


def _scale(metric: Metric, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ratios are averaged as logs: 2 and 1/2 average to 1."""
    return np.log(values) if metric.scale == "ratio" else values


def _transform(metric: Metric, interval: Interval) -> Interval:
    back = exponentiate(interval) if metric.scale == "ratio" else interval
    return back if metric.upper is None else cut_at(back, metric.upper)


def _estimate(
    metric: Metric,
    part: pd.DataFrame,
    level: str,
    values: NDArray[np.float64],
    interval: Interval,
) -> dict[str, Any]:
    """Join the estimate with the plain description of the same values; nan where n forbids."""
    several = len(values) > 1
    some = len(values) > 0
    mean = float(values.mean()) if some else np.nan
    sd = float(values.std(ddof=1)) if several else np.nan
    return {
        "origin": "simulated" if part["origin"].eq("simulated").any() else part["origin"].iloc[0],
        "metric": metric.name,
        "unit": BY_NAME[metric.name].unit,
        "n": len(values),
        "n_left_out": len(part) - len(values),
        "value": interval.value,
        "ci_low": interval.low,
        "ci_high": interval.high,
        "level": LEVEL,
        "method": METHODS[metric.scale, level],
        "null_reason": interval.reason,
        "mean": mean,
        "median": float(np.median(values)) if some else np.nan,
        "sd": sd,
        "cv_pct": 100 * sd / abs(mean) if several and mean != 0 else np.nan,
        "min": float(values.min()) if some else np.nan,
        "max": float(values.max()) if some else np.nan,
        "batches": " ".join(sorted(part["batch_id"].unique())),
    }
