"""Which values count for which metric: the one place where tables become samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dualollama_pipeline.core.study import SHARED, TOGETHER
from dualollama_pipeline.metrics.catalog import ALL, METRICS, Key
from dualollama_pipeline.tables.validity import is_usable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

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
VALUES = {
    "value": float, "counts": bool, "pools": bool, "prompt_share": float, "equal_work": bool,
    "n_agents": "int16",
}  # fmt: skip
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
    wanted = [(metric, key) for metric in metrics for key in metric.keys(names)]
    laid_out = [(key, wheres[kinds[metric.name], key.arm]) for metric, key in wanted]
    return _stack(laid_out, (tables.values(metric, key) for metric, key in wanted))


def _in_order(agents: pd.DataFrame) -> list[str]:
    """Return the agents in the order of the servers that they have to themselves."""
    alone = agents[~agents["arm"].isin(TOGETHER)]
    own = alone[["server", "agent"]].astype(str).drop_duplicates().sort_values("server")
    return list(dict.fromkeys([*own["agent"], *sorted(agents["agent"].astype(str).unique())]))


class _Tables:
    """The measured tables by arm, in step with each other: an agent's rows follow the blocks'."""

    def __init__(self, runs: pd.DataFrame, agents: pd.DataFrame, blocks: pd.DataFrame) -> None:
        self._agents = agents
        self._tables = {"run": runs, "block": blocks}
        self._by_arm: dict[tuple[str, str], pd.DataFrame] = {}
        self._reloading = reloading_configurations(blocks)
        self._found: dict[tuple[str, ...], NDArray[np.int64]] = {}

    def rows(self, kind: str, arm: str) -> pd.DataFrame:
        if (kind, arm) not in self._by_arm:
            table = self._tables[kind]
            self._by_arm[kind, arm] = table[table["arm"].eq(arm)]
        return self._by_arm[kind, arm]

    def values(self, metric: Metric, key: Key) -> pd.DataFrame:
        if metric.table == "run_table":
            rows = self.rows("run", key.arm)
            sound = is_usable(rows)
            made = _sample(metric, rows, sound, None)
            return made.assign(n_agents=rows["n_agents"].to_numpy("int16"))
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
        made["n_agents"] = blocks["n_agents"].to_numpy("int16")
        return made

    def _of_agent(self, metric: Metric, key: Key, blocks: pd.DataFrame) -> pd.DataFrame:
        place = (key.arm, key.agent)
        if place not in self._found:
            is_mine = self._agents["arm"].eq(key.arm) & self._agents["agent"].eq(key.agent)
            found = _found_in(self._agents.loc[is_mine, BLOCK], blocks)
            self._found[place] = np.append(np.flatnonzero(is_mine), -1)[found]
        name = metric.column or metric.name
        return self._agents[[name]].reset_index(drop=True).reindex(self._found[place])

    def _beside(self, blocks: pd.DataFrame, arm: str) -> pd.DataFrame:
        """Return what another arm of the same blocks has."""
        others = self.rows("block", arm)
        wanted = others[["prompt_share", "exact_speedup", "n_reloads"]]
        if blocks is others:
            return wanted
        place = (*blocks["arm"].unique()[:1], "beside", arm)
        if place not in self._found:
            self._found[place] = _found_in(others[BLOCK], blocks)
        return wanted.reset_index(drop=True).reindex(self._found[place])

    def _load_none(self, blocks: pd.DataFrame) -> pd.Series:
        """Say of each block whether its one server loads no model, by accident or by condition."""
        loads = self._beside(blocks, SHARED)["n_reloads"].set_axis(blocks.index)
        none_here = loads.eq(0).fillna(value=False)
        return none_here & ~blocks["config_id"].isin(self._reloading)


def _found_in(rows: pd.DataFrame, blocks: pd.DataFrame) -> NDArray[np.int64]:
    """Return where among rows of BLOCK each block is; -1: nowhere."""
    placed = rows.assign(place=np.arange(len(rows)))
    found = blocks[BLOCK].merge(placed, on=BLOCK, how="left")["place"]
    return found.fillna(-1).to_numpy("int64")


def _where(table: pd.DataFrame, classes: Mapping[str, str]) -> pd.DataFrame:
    made = {name: table[name].astype("category") for name in WHERE if name in table}
    config_ids = made["config_id"]
    asked = [classes.get(name, name) for name in config_ids.cat.categories]
    known = sorted(set(asked))
    codes = np.array([known.index(name) for name in asked], dtype="int16")[config_ids.cat.codes]
    classed = pd.Categorical.from_codes(codes, dtype=pd.CategoricalDtype(known))
    effective = pd.Series(classed, table.index)
    given = made.get("effective_class", effective)
    is_given = given.notna() & given.ne("")
    if not is_given.all():
        given = given.astype(object).where(is_given, effective.astype(object)).astype("category")
    block = table["block"] if "block" in table else pd.Series(1, index=table.index)
    return pd.DataFrame({**made, "effective_class": given, "block": block.astype("int16")})


def _stack(
    places: Sequence[tuple[Key, pd.DataFrame]], values: Iterable[pd.DataFrame]
) -> pd.DataFrame:
    """Put the metrics below each other; categories are joined once, not for each metric.

    Into what has its size from the beginning: a million trials would be there twice.
    """
    tables = {id(where): where for _, where in places}
    sizes = [len(where) for _, where in places]
    columns: dict[str, Any] = {}
    for name in WHERE:
        known = sorted(set().union(*(where[name].cat.categories for where in tables.values())))
        codes = {
            key: where[name].cat.set_categories(known).cat.codes.to_numpy()
            for key, where in tables.items()
        }
        joined = np.concatenate([codes[id(where)] for _, where in places])
        columns[name] = pd.Categorical.from_codes(joined, dtype=pd.CategoricalDtype(known))
    columns["block"] = np.concatenate([where["block"].to_numpy() for _, where in places])
    for place, name in enumerate(KEY):
        words = [key[place] for key, _ in places]
        dtype = pd.CategoricalDtype(list(dict.fromkeys(words)))
        numbers = dtype.categories.get_indexer(pd.Index(words)).astype("int16")
        columns[name] = pd.Categorical.from_codes(np.repeat(numbers, sizes), dtype=dtype)
    columns |= {name: np.empty(sum(sizes), dtype=kind) for name, kind in VALUES.items()}
    start = 0
    for made in values:
        for name in VALUES:
            columns[name][start : start + len(made)] = made[name]
        start += len(made)
    return pd.DataFrame({name: columns[name] for name in COLUMNS}, copy=False)


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
