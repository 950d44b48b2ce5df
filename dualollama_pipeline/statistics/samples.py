"""Which values count for which metric: the one place where tables become samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dualollama_pipeline.metrics.catalog import METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dualollama_pipeline.core.matrix import Matrix
    from dualollama_pipeline.metrics.catalog import Metric

WHERE = ["origin", "batch_id", "config_id", "effective_class", "scenario"]
COLUMNS = [*WHERE, "block", "metric", "value", "counts", "pools", "prompt_share", "equal_work"]
USUAL_SHARE = 0.5
NO_FACTS = {"prompt_share": np.nan, "equal_work": True}


def option_classes(matrix: Matrix) -> dict[str, str]:
    """Return {config_id: the first config_id that asks for the same}."""
    first = {config_id: config_id for config_id in matrix.config_ids}
    for group in matrix.equal_groups():
        first |= dict.fromkeys(group, group[0])
    return first


def collect_samples(
    runs: pd.DataFrame,
    blocks: pd.DataFrame,
    classes: Mapping[str, str] | None = None,
    metrics: Sequence[Metric] = METRICS,
) -> pd.DataFrame:
    """Lay out one row for each metric and block (or dual trial), columns COLUMNS.

    `counts`: the value is there and nothing speaks against it. `pools`: it may also be pooled over
    configurations; what rests on `single` only of those that load no model in it (METHOD 2).
    `effective_class`: the tables' own column where it is filled, else `classes` {config_id:
    class}, else the configuration. `prompt_share`: of the arm's work in the window, what was
    prompts (of a ratio of two arms, their difference). `equal_work`: the pair made as many tokens
    as solo. Texts are categories: a million trials fit.
    """
    duals = runs[runs["arm"].eq("dual")]
    where = {id(table): _where(table, classes or {}) for table in (duals, blocks)}
    loads_none = _load_none(blocks) if any(map(_rests_on_single, metrics)) else None
    parts = []
    for metric in metrics:
        if metric.table == "run_table":
            parts.append((metric, where[id(duals)], _of_run(metric, duals)))
        else:
            parts.append((metric, where[id(blocks)], _of_block(metric, blocks, loads_none)))
    return _stack(parts)


def _where(table: pd.DataFrame, classes: Mapping[str, str]) -> pd.DataFrame:
    config_ids = table["config_id"].astype(object)
    known = {name: classes.get(name, name) for name in config_ids.unique()}
    effective = config_ids.map(known).astype(object)
    if "effective_class" in table:
        given = table["effective_class"].astype(object)
        effective = given.where(given.notna() & given.ne(""), effective)
    made = {
        name: (effective if name == "effective_class" else table[name].astype(object)).astype(
            "category"
        )
        for name in WHERE
    }
    block = table["block"] if "block" in table else pd.Series(1, index=table.index)
    return pd.DataFrame({**made, "block": block.astype("int64")})


def _stack(parts: list[tuple[Metric, pd.DataFrame, pd.DataFrame]]) -> pd.DataFrame:
    """Put the metrics below each other; categories are joined once, not for each metric."""
    tables = {id(where): where for _, where, _ in parts}
    columns: dict[str, object] = {}
    for name in WHERE:
        known = sorted(set().union(*(where[name].cat.categories for where in tables.values())))
        codes = {
            key: where[name].cat.set_categories(known).cat.codes.to_numpy()
            for key, where in tables.items()
        }
        joined = np.concatenate([codes[id(where)] for _, where, _ in parts])
        columns[name] = pd.Categorical.from_codes(joined, dtype=pd.CategoricalDtype(known))
    columns["block"] = np.concatenate([where["block"].to_numpy() for _, where, _ in parts])
    names = pd.CategoricalDtype([metric.name for metric, _, _ in parts])
    sizes = [len(where) for _, where, _ in parts]
    columns["metric"] = pd.Categorical.from_codes(
        np.repeat(np.arange(len(parts)), sizes), dtype=names
    )
    for name in ("value", "counts", "pools", *NO_FACTS):
        columns[name] = np.concatenate([made[name].to_numpy() for _, _, made in parts])
    return pd.DataFrame(columns)[COLUMNS]


def _of_run(metric: Metric, duals: pd.DataFrame) -> pd.DataFrame:
    sound = duals["status"].eq("ok") & duals["validity"].ne("INVALID")
    return _sample(metric, duals, sound, None)


def _rests_on_single(metric: Metric) -> bool:
    return "single" in metric.name


def _of_block(metric: Metric, blocks: pd.DataFrame, loads_none: pd.Series | None) -> pd.DataFrame:
    arm = "single" if _rests_on_single(metric) else "dual"
    sound, share = blocks[f"in_{arm}_estimate"], blocks[f"{arm}_prompt_share"]
    if metric.name == "dual_against_single":
        sound = sound & blocks["in_dual_estimate"]
        share = blocks["dual_prompt_share"] - share
    pools = loads_none if loads_none is not None and _rests_on_single(metric) else None
    made = _sample(metric, blocks, sound, pools)
    made["prompt_share"] = share.to_numpy("float64", na_value=np.nan)
    made["equal_work"] = blocks[f"{arm}_exact_speedup"].notna().to_numpy()
    return made


def _load_none(blocks: pd.DataFrame) -> pd.Series:
    """Say of each block whether its one server loads no model, by accident or by condition."""
    none_here = blocks["n_single_reloads"].eq(0).fillna(value=False)
    return none_here & ~blocks["config_id"].isin(reloading_configurations(blocks))


def reloading_configurations(blocks: pd.DataFrame) -> set[str]:
    """Return the configurations that make the one server load its model again in `single`.

    Those that do so in at least half of the blocks (of `block_table`) in which the loads are known:
    then it belongs to the condition, and the blocks that happened not to are a biased part of it
    (METHOD 2). A rare load is an accident and costs its own block only.
    """
    known = blocks.loc[blocks["n_single_reloads"].notna(), ["config_id", "n_single_reloads"]]
    does = known["n_single_reloads"].gt(0).astype(bool)
    share = does.groupby(known["config_id"].astype(object)).mean()
    return set(share[share >= USUAL_SHARE].index)


def _sample(
    metric: Metric, rows: pd.DataFrame, sound: pd.Series, pools: pd.Series | None
) -> pd.DataFrame:
    column = rows[metric.column or metric.name].astype("Float64")
    value = column.to_numpy("float64", na_value=np.nan)
    if metric.scale == "rate":
        value = 100.0 * value
    counts = sound.to_numpy(dtype=bool, na_value=False) & ~np.isnan(value)
    may_pool = counts if pools is None else counts & pools.to_numpy(dtype=bool, na_value=False)
    return pd.DataFrame({"value": value, "counts": counts, "pools": may_pool, **NO_FACTS})
