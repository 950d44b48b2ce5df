"""One statistic computed in every way that a reader could mean: level, ddof, quantile method.

The first candidate is the way METHOD section 3 states (runs, ddof 1, linear quantiles); the others
are tried so that a figure is not called wrong for a choice that was merely not written down.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dualollama_pipeline.tr114.audit.verdict import Way

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

QUANTILE_METHODS = (
    "linear",
    "lower",
    "higher",
    "nearest",
    "midpoint",
    "inverted_cdf",
    "averaged_inverted_cdf",
    "closest_observation",
    "interpolated_inverted_cdf",
    "hazen",
    "weibull",
    "median_unbiased",
    "normal_unbiased",
)
PERCENTILES = {"median": 50, "p5": 5, "p10": 10, "p25": 25, "p50": 50, "p75": 75, "p95": 95}
SPREADS = ("std", "cv")


def candidates(runs: pd.DataFrame, column: str, statistic: str) -> tuple[Way, ...]:
    """Return a statistic of a column of `imported_runs`, over runs and over configuration means.

    Statistics: mean, median, min, max, range, std, cv (percent), p5 to p95.
    """
    by_run = runs[column].astype("float64")
    by_config = by_run.groupby(runs["config_id"]).mean()
    levels = [(by_run, "over runs"), (by_config, "over configuration means")]
    if by_config.size < 2:  # noqa: PLR2004 one configuration: the levels are one
        levels = levels[:1]
    return tuple(
        Way(value, f"{level}{way}")
        for values, level in levels
        for value, way in _ways(values.to_numpy(), statistic)
    )


def _ways(values: np.ndarray, statistic: str) -> list[tuple[float, str]]:
    if statistic in PERCENTILES:
        # a median has one usual meaning; the tails have many
        methods = QUANTILE_METHODS[:1] if PERCENTILES[statistic] == 50 else QUANTILE_METHODS  # noqa: PLR2004
        share = PERCENTILES[statistic] / 100
        return [
            (float(np.quantile(values, share, method=method)), f", {method} quantile")  # type: ignore[call-overload]
            for method in methods
        ]
    if statistic in SPREADS:
        scale = 100 / abs(values.mean()) if statistic == "cv" else 1.0
        ddofs = (1, 0) if len(values) > 1 else ()
        return [(float(values.std(ddof=ddof) * scale), f", ddof {ddof}") for ddof in ddofs]
    if statistic == "range":
        return [(float(values.max() - values.min()), "")]
    simple: dict[str, Callable[..., Any]] = {"mean": np.mean, "min": np.min, "max": np.max}
    return [(float(simple[statistic](values)), "")]
