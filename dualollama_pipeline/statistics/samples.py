"""Which values count for which metric: the one place where tables become samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from dualollama_pipeline.metrics.catalog import METRICS

if TYPE_CHECKING:
    from dualollama_pipeline.metrics.catalog import Metric

COLUMNS = ["origin", "batch_id", "config_id", "scenario", "metric", "value", "counts", "pools"]


def collect_samples(runs: pd.DataFrame, blocks: pd.DataFrame) -> pd.DataFrame:
    """Lay out one row for each metric and block (or dual trial), columns COLUMNS.

    `counts`: the value is there and nothing speaks against it. `pools`: it may also be pooled over
    configurations; what rests on `single` only where no model was reloaded in it (METHOD 2).
    """
    duals = runs[runs["arm"] == "dual"]
    parts = [
        _of_run(metric, duals) if metric.table == "run_table" else _of_block(metric, blocks)
        for metric in METRICS
    ]
    return pd.concat(parts, ignore_index=True)[COLUMNS]


def _of_run(metric: Metric, duals: pd.DataFrame) -> pd.DataFrame:
    sound = duals["status"].eq("ok") & duals["validity"].ne("INVALID")
    return _sample(metric, duals, sound, pd.Series(data=True, index=duals.index))


def _of_block(metric: Metric, blocks: pd.DataFrame) -> pd.DataFrame:
    rests_on_single = "single" in metric.name
    arm = "single" if rests_on_single else "dual"
    sound = blocks[f"in_{arm}_{'per_token' if 'per_token' in metric.name else 'estimate'}"]
    if metric.name == "dual_against_single":
        sound = sound & blocks["in_dual_estimate"]
    pools = blocks["n_single_reloads"].eq(0).fillna(value=False) | (not rests_on_single)
    return _sample(metric, blocks, sound, pools)


def _sample(metric: Metric, rows: pd.DataFrame, sound: pd.Series, pools: pd.Series) -> pd.DataFrame:
    value = rows[metric.name]
    counts = sound.astype(bool) & value.notna()
    return rows.assign(
        metric=metric.name, value=value, counts=counts, pools=counts & pools.astype(bool)
    )
