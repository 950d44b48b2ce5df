"""What there is to choose from: effective classes with their estimates, failures and memory.

Configurations that the servers made equal are one candidate, their blocks pooled. The estimates
are the statistics' own; no rule of choice stands here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from dualollama_pipeline.core.study import APART, SHARED
from dualollama_pipeline.core.yaml_file import Written
from dualollama_pipeline.metrics.catalog import APART_SPEEDUP, BALANCE, BY_NAME, Key
from dualollama_pipeline.statistics.contrasts import batches_of, side
from dualollama_pipeline.statistics.estimate import codes, origin_of
from dualollama_pipeline.statistics.intervals import (
    Interval,
    bounded_interval_of,
    exponentiate,
    interval_of,
    proportion_interval,
)
from dualollama_pipeline.statistics.means import NAN, Mean, mean_of, sample
from dualollama_pipeline.statistics.samples import of_key
from dualollama_pipeline.tables.validity import is_usable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

CONTENTION = Key("balance_contention_pct", APART)
BYTES_PER_GB = 1e9
Positive = Annotated[float, Field(gt=0)]


class ModelMemory(Written):
    """GPU memory that one server needs for a model; 10^9 bytes a GB."""

    weights_gb: Positive
    n_layers: Annotated[int, Field(ge=1)]
    kv_bytes_per_token: Positive


@dataclass(frozen=True)
class Memory:
    """GPU memory of both servers, 10^9 bytes, or nan; `reason` says how it is known, or why not."""

    gb: float
    reason: str


@dataclass(frozen=True)
class Candidate:
    """One effective class. Means are on the scale of the tests (logs for a ratio)."""

    origin: str
    effective_class: str
    config_ids: tuple[str, ...]
    scenario: str
    speedup: Mean
    ttft: Mean
    n_blocks: int
    n_ttft: int
    balance: Interval
    peak_balance: float
    n_balance: int
    contention: Interval
    n_contention: int
    n_trials: int
    n_failed: int
    memory: Memory
    batches: tuple[str, ...]

    @property
    def weighted_speedup(self) -> Interval:
        """The geometric mean of the block ratios with its interval."""
        return exponentiate(interval_of(self.speedup))

    @property
    def ttft_ms(self) -> Interval:
        """The geometric mean over trials of the TTFT of the agent that waits longer."""
        return exponentiate(interval_of(self.ttft))

    @property
    def failed(self) -> Interval:
        """Share of the trials that failed or were INVALID, exact interval."""
        return proportion_interval(self.n_failed, self.n_trials)


def find_candidates(
    samples: pd.DataFrame,
    runs: pd.DataFrame,
    agents: pd.DataFrame,
    calls: pd.DataFrame,
    models: Mapping[str, ModelMemory],
) -> list[Candidate]:
    """Pool samples, trials, agents and calls by effective class."""
    where = samples[["config_id", "effective_class"]].astype(str).drop_duplicates()
    class_of = dict(zip(where["config_id"], where["effective_class"], strict=True))
    mine = agents[agents["arm"].eq(APART)]
    waits = mine.groupby("trial_id")["mean_ttft_ms"].agg(_longest)
    apart = runs[runs["arm"].eq(APART)].join(waits.rename("wait_ms"), on="trial_id")
    own = apart["config_id"].map(class_of)
    groups = samples.groupby("effective_class", observed=True, sort=True)
    memory_of = {name: _memory(part, models) for name, part in _own_calls(calls, class_of)}
    return [
        _candidate(str(name), part, apart[own.eq(name)], memory_of.get(str(name)))
        for name, part in groups
    ]


def _longest(waits: pd.Series) -> float:
    return float(waits.max(skipna=False))


def _own_calls(
    calls: pd.DataFrame, class_of: Mapping[str, str]
) -> Iterable[tuple[str, pd.DataFrame]]:
    """Yield each class with its calls on the agents' own servers."""
    own = calls[calls["arm"].ne(SHARED)]
    for name, part in own.groupby(own["config_id"].map(class_of), sort=True):
        yield str(name), part


def _candidate(
    name: str, samples: pd.DataFrame, apart: pd.DataFrame, memory: Memory | None
) -> Candidate:
    counting = {
        key: of_key(samples, key).query("pools") for key in (APART_SPEEDUP, BALANCE, CONTENTION)
    }
    sound = apart[is_usable(apart)]
    waits = sound["wait_ms"].dropna()
    waiting = sound.loc[waits.index]
    ttft = sample(
        np.log(waits.to_numpy("float64")), codes(waiting["config_id"]), codes(waiting["batch_id"])
    )
    balances = counting[BALANCE]["value"]
    flags = counting[CONTENTION]["value"]
    return Candidate(
        origin=origin_of(samples),
        effective_class=name,
        config_ids=tuple(sorted(map(str, samples["config_id"].unique()))),
        scenario=str(samples["scenario"].iloc[0]),
        speedup=mean_of(side(BY_NAME[APART_SPEEDUP.metric], counting[APART_SPEEDUP])),
        ttft=mean_of(ttft),
        n_blocks=len(counting[APART_SPEEDUP]),
        n_ttft=len(waits),
        balance=bounded_interval_of(
            mean_of(side(BY_NAME[BALANCE.metric], counting[BALANCE])), 100.0
        ),
        peak_balance=float(balances.max()) if len(balances) else NAN,
        n_balance=len(balances),
        contention=proportion_interval(int((flags > 0).sum()), len(flags)),
        n_contention=len(flags),
        n_trials=len(apart),
        n_failed=len(apart) - len(sound),
        memory=memory or Memory(NAN, "no call on a server of its own"),
        batches=tuple(batches_of(samples)),
    )


def _memory(calls: pd.DataFrame, models: Mapping[str, ModelMemory]) -> Memory:
    """Return weights and cache of both servers as loaded.

    Formula, of each server: weights_gb x layers on the GPU / n_layers + context x
    kv_bytes_per_token / 10^9. An upper bound where a model's layers see only part of the context.
    """
    wanted = ["agent", "model", "effective_num_gpu", "effective_num_ctx"]
    servers = calls[wanted].drop_duplicates()
    if servers.isna().any(axis=None):
        return Memory(NAN, "a server has not shown what it loaded")
    unknown = sorted(set(servers["model"]) - set(models))
    if unknown:
        return Memory(NAN, f"data/cost.yaml does not know the memory of {', '.join(unknown)}")
    total, parts = 0.0, []
    worst = servers.assign(need=[_need_gb(row, models) for row in servers.to_dict("records")])
    for agent, part in worst.groupby("agent", sort=True):
        need = float(part["need"].max())
        total += need
        parts.append(f"{agent} {need:.2f}")
    return Memory(total, f"computed from what was loaded: {' + '.join(parts)} GB; not measured")


def _need_gb(server: Mapping[Any, Any], models: Mapping[str, ModelMemory]) -> float:
    model = models[str(server["model"])]
    layers, context = int(str(server["effective_num_gpu"])), int(str(server["effective_num_ctx"]))
    on_gpu = min(layers, model.n_layers) / model.n_layers
    return model.weights_gb * on_gpu + context * model.kv_bytes_per_token / BYTES_PER_GB
