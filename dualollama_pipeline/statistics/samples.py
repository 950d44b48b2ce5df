"""Which values count for which metric: the one place where tables become samples."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dualollama_pipeline.core.study import SHARED, TOGETHER
from dualollama_pipeline.metrics.catalog import ALL, METRICS, Key
from dualollama_pipeline.tables.validity import is_usable

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dualollama_pipeline.core.study import Study
    from dualollama_pipeline.metrics.catalog import Metric
    from dualollama_pipeline.statistics.group import Group

WHERE = ["origin", "batch_id", "config_id", "effective_class", "scenario"]
KEY = list(Key._fields)
COLUMNS = [
    *WHERE, "block", *KEY, "value", "counts", "pools", "prompt_share", "equal_work", "n_agents",
]  # fmt: skip
BLOCK = ["batch_id", "config_id", "block"]
USUAL_SHARE = 0.5
NO_FACTS = {"prompt_share": np.nan, "equal_work": True}


def option_classes(study: Study) -> dict[str, str]:
    """Return {config_id: the first config_id that asks for the same}."""
    first = {config_id: config_id for config_id in study.config_ids}
    for group in study.equal_groups():
        first |= dict.fromkeys(group, group[0])
    return first


def collect_samples(
    runs: pd.DataFrame,
    agents: pd.DataFrame,
    blocks: pd.DataFrame,
    classes: Mapping[str, str] | None = None,
    metrics: Sequence[Metric] = METRICS,
) -> pd.DataFrame:
    """Lay out one row for each estimate's key and block (or trial), columns COLUMNS.

    `counts`: the value is there and nothing speaks against it. `pools`: it may also be pooled over
    configurations; what rests on `shared` only of those that load no model in it (METHOD 2).
    `effective_class`: the tables' own column where it is filled, else `classes` {config_id:
    class}, else the configuration. `prompt_share`: of the arm's work in the window, what was
    prompts (of a ratio of two arms, their difference). `equal_work`: the agents made as many
    tokens as solo. Texts are categories: a million trials fit.
    """
    tables = _Tables(runs, agents, blocks)
    kinds = {metric.name: "run" if metric.table == "run_table" else "block" for metric in metrics}
    places = {(kinds[metric.name], arm) for metric in metrics for arm in metric.arms}
    names = _in_order(agents)
    wheres = {place: _where(tables.rows(*place), classes or {}) for place in places}
    return _stack(
        [
            (key, wheres[kinds[metric.name], key.arm], tables.values(metric, key))
            for metric in metrics
            for key in metric.keys(names)
        ]
    )


def _in_order(agents: pd.DataFrame) -> list[str]:
    """Return the agents in the order of the servers that they have to themselves."""
    alone = agents[~agents["arm"].isin(TOGETHER)]
    own = alone[["server", "agent"]].astype(str).drop_duplicates().sort_values("server")
    return list(dict.fromkeys([*own["agent"], *sorted(agents["agent"].astype(str).unique())]))


class _Tables:
    """The measured tables by arm, in step with each other: an agent's rows follow the blocks'."""

    def __init__(self, runs: pd.DataFrame, agents: pd.DataFrame, blocks: pd.DataFrame) -> None:
        self._agents = agents
        self._by_arm = {
            (kind, str(arm)): group
            for kind, table in (("run", runs), ("block", blocks))
            for arm, group in table.groupby("arm", observed=True, sort=False)
        }
        self._none = {"run": runs.iloc[:0], "block": blocks.iloc[:0]}
        self._reloading = reloading_configurations(blocks)

    def rows(self, kind: str, arm: str) -> pd.DataFrame:
        return self._by_arm.get((kind, arm), self._none[kind])

    def values(self, metric: Metric, key: Key) -> pd.DataFrame:
        if metric.table == "run_table":
            rows = self.rows("run", key.arm)
            sound = is_usable(rows)
            made = _sample(metric, rows, sound, None)
            return made.assign(n_agents=rows["n_agents"].to_numpy("int64"))
        blocks = self.rows("block", key.arm)
        rests_on_shared = SHARED in metric.rests_on(key.arm)
        pools = self._load_none(blocks) if rests_on_shared else None
        rows = blocks if key.agent == ALL else self._of_agent(metric, key, blocks)
        made = _sample(metric, rows, blocks["counts"], pools)
        share, work = blocks["prompt_share"].to_numpy("float64", na_value=np.nan), blocks
        if metric.against is not None:
            work = self._beside(blocks, metric.against)
            share = share - work["prompt_share"].to_numpy("float64", na_value=np.nan)
        made["prompt_share"] = share
        made["equal_work"] = work["exact_speedup"].notna().to_numpy()
        made["n_agents"] = blocks["n_agents"].to_numpy("int64")
        return made

    def _of_agent(self, metric: Metric, key: Key, blocks: pd.DataFrame) -> pd.DataFrame:
        is_mine = self._agents["arm"].eq(key.arm) & self._agents["agent"].eq(key.agent)
        mine = self._agents.loc[is_mine, [*BLOCK, metric.column or metric.name]]
        return blocks[BLOCK].merge(mine, on=BLOCK, how="left")

    def _beside(self, blocks: pd.DataFrame, arm: str) -> pd.DataFrame:
        """Return what another arm of the same blocks has."""
        wanted = ["prompt_share", "exact_speedup", "n_reloads"]
        if blocks is self.rows("block", arm):
            return blocks[wanted]
        others = self.rows("block", arm)[[*BLOCK, *wanted]]
        return blocks[BLOCK].merge(others, on=BLOCK, how="left")

    def _load_none(self, blocks: pd.DataFrame) -> pd.Series:
        """Say of each block whether its one server loads no model, by accident or by condition."""
        loads = self._beside(blocks, SHARED)["n_reloads"].set_axis(blocks.index)
        none_here = loads.eq(0).fillna(value=False)
        return none_here & ~blocks["config_id"].isin(self._reloading)


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


def _stack(parts: list[tuple[Key, pd.DataFrame, pd.DataFrame]]) -> pd.DataFrame:
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
    sizes = [len(where) for _, where, _ in parts]
    for place, name in enumerate(KEY):
        words = [key[place] for key, _, _ in parts]
        dtype = pd.CategoricalDtype(list(dict.fromkeys(words)))
        numbers = dtype.categories.get_indexer(pd.Index(words))
        columns[name] = pd.Categorical.from_codes(np.repeat(numbers, sizes), dtype=dtype)
    for name in ("value", "counts", "pools", *NO_FACTS, "n_agents"):
        columns[name] = np.concatenate([made[name].to_numpy() for _, _, made in parts])
    return pd.DataFrame(columns)[COLUMNS]


def reloading_configurations(blocks: pd.DataFrame) -> set[str]:
    """Return the configurations that make the one server load its model again in `shared`.

    Those that do so in at least half of the blocks (of `block_table`) in which the loads are known:
    then it belongs to the condition, and the blocks that happened not to are a biased part of it
    (METHOD 2). A rare load is an accident and costs its own block only.
    """
    is_known = blocks["arm"].eq(SHARED) & blocks["n_reloads"].notna()
    known = blocks.loc[is_known, ["config_id", "n_reloads"]]
    does = known["n_reloads"].gt(0).astype(bool)
    share = does.groupby(known["config_id"].astype(object)).mean()
    return set(share[share >= USUAL_SHARE].index)


def of_key(table: pd.DataFrame, key: Key) -> pd.DataFrame:
    """Return the rows of samples or estimates that are of one key."""
    is_mine = table["metric"].eq(key.metric) & table["arm"].eq(key.arm)
    return table[is_mine & table["agent"].eq(key.agent)]


def quick(samples: pd.DataFrame) -> pd.DataFrame:
    """Return the same samples, their texts as categories: what picks rows takes a tenth then."""
    return samples.astype(dict.fromkeys([*WHERE, *KEY], "category"))


def by_key(samples: Group) -> Iterator[tuple[Metric, Key, Group]]:
    """Yield the samples of each key, in the catalog's order."""
    places = samples.places(*KEY)
    _, firsts = np.unique(samples["agent"], return_index=True)
    agents = [name for first in sorted(firsts) if (name := samples.text("agent", first)) != ALL]
    for metric in METRICS:
        for key in metric.keys(agents):
            if key in places:
                yield metric, key, samples.take(places[key])


def most_of(metric: Metric, samples: pd.DataFrame | Group) -> int | None:
    """Return the number of agents where an estimate cannot be more; None where it can."""
    return int(samples["n_agents"].max()) if metric.by_agents and len(samples) else None


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
