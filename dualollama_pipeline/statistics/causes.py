"""Why a trial was unusual, as far as a rule can say it from the columns of the tables.

Rules are asked in their order; the first that speaks of any trial a value rests on is its cause.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from dualollama_pipeline.core.study import SHARED, TOGETHER
from dualollama_pipeline.metrics.catalog import BY_NAME

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

RUNAWAY_FACTOR = 1.5  # of the median tokens of the same configuration, agent and stage
LATE_MS = 50.0  # agents of one trial started this far apart
QUEUE_SHARE = 0.2  # of a call's time, in an arm where nobody queues
UNEXPLAINED = "unexplained"
PLACE = ["config_id", "batch_id", "block"]
CAUSES = (
    "missing done",
    "failed call",
    "cold load",
    "runaway length",
    "short answer",
    "degenerate answer",
    "queueing",
    "late start",
    "contention by TTFT",
)


def arms_of(metric: str, arm: str, alone: Sequence[str]) -> tuple[str, ...]:
    """Return the arms that a value of a metric rests on; what compares two arms, on those alone.

    `alone` are the arms of one agent.
    """
    asked = BY_NAME[metric]
    if asked.table == "run_table" or asked.against is not None:
        return asked.rests_on(arm)
    return (*alone, arm)


def find_causes(places: pd.DataFrame, runs: pd.DataFrame, calls: pd.DataFrame) -> pd.DataFrame:
    """Return `cause` and `cause_detail` for each row of `places` (PLACE, `metric` and `arm`).

    `runs` and `calls` in the columns of run_table and call_table; of a trial only its last attempt
    is asked. Index as in `places`.
    """
    keys = places[PLACE].drop_duplicates()
    parts = [part for part in (_of_calls(calls, keys), _of_runs(runs, keys)) if len(part)]
    if not parts:
        return pd.DataFrame({"cause": UNEXPLAINED, "cause_detail": ""}, index=places.index)
    spoken = pd.concat(parts, ignore_index=True)
    asked = places[[*PLACE, "metric", "arm"]].reset_index(names="row")
    alone = sorted({str(arm) for arm in runs["arm"].unique()} - {*TOGETHER})
    asked["arm"] = [
        arms_of(metric, arm, alone)
        for metric, arm in zip(asked["metric"], asked["arm"], strict=True)
    ]
    met = asked.explode("arm").merge(spoken, on=[*PLACE, "arm"])
    first = met.sort_values("order", kind="stable").drop_duplicates("row").set_index("row")
    made = first.reindex(places.index)
    cause = made["order"].map(dict(enumerate(CAUSES))).fillna(UNEXPLAINED)
    return pd.DataFrame({"cause": cause, "cause_detail": made["detail"].fillna("")})


def _keep(table: pd.DataFrame, keys: pd.DataFrame) -> pd.DataFrame:
    return _plain(table).merge(_plain(keys), on=PLACE)


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """Give the keys one type on both sides: texts may be categories or Arrow strings."""
    made = {name: table[name].astype(object) for name in ("config_id", "batch_id")}
    return table.assign(**made, block=table["block"].astype("int64"))


def _of_calls(calls: pd.DataFrame, keys: pd.DataFrame) -> pd.DataFrame:
    """Return PLACE, arm, order and detail of every call about which a rule speaks."""
    usual = calls[calls["status"].eq("ok")].astype({"config_id": object})
    like = ["config_id", "agent", "stage"]
    median = usual.groupby(like)["n_tokens"].median().astype("float64").rename("usual_tokens")
    mine = _keep(calls, keys)
    last = mine.groupby("trial_id")["attempt"].transform("max")
    mine = mine[mine["attempt"].eq(last)].merge(median.reset_index(), on=like, how="left")
    if mine.empty:
        return pd.DataFrame(columns=[*PLACE, "arm", "order", "detail"])
    tokens = _floats(mine["n_tokens"])
    total_ms, queue_ms = _floats(mine["total_ms"]), _floats(mine["queue_ms"])
    usual_tokens = mine["usual_tokens"].to_numpy()
    ok, alone = mine["status"].eq("ok").to_numpy(), mine["arm"].ne(SHARED).to_numpy()
    reload = mine["is_reload"].astype("boolean").fillna(value=False).to_numpy(dtype=bool)
    rules = (
        _truth(mine["failure_kind"].eq("truncated")) | (ok & _truth(mine["done_reason"].isna())),
        ~ok,
        reload & alone,
        tokens > RUNAWAY_FACTOR * usual_tokens,
        tokens * RUNAWAY_FACTOR < usual_tokens,
        _truth(mine["is_degenerate"]),
        alone & (queue_ms > QUEUE_SHARE * total_ms),
    )
    order = np.select(rules, range(len(rules)), default=-1)
    who = mine[["arm", "agent", "stage"]].astype(str).agg(" ".join, axis=1)
    facts = [
        f"{name}: {count:.0f} tokens (usual {usually:.0f}), "
        f"load {load:.0f} ms, queue {queue:.0f} ms"
        for name, count, usually, load, queue in zip(
            who, tokens, usual_tokens, _floats(mine["load_ms"]), queue_ms, strict=True
        )
    ]
    made = mine[[*PLACE, "arm"]].assign(order=order, detail=facts)
    return made[made["order"].ge(0)]


def _of_runs(runs: pd.DataFrame, keys: pd.DataFrame) -> pd.DataFrame:
    """Return the same of every trial about which a rule speaks."""
    mine = _keep(runs, keys)
    skew_ms = _floats(mine["start_skew_ms"])
    # on one server, waiting for the other agent is the condition and no cause
    contended = _truth(mine["ttft_contention"]) & mine["arm"].ne(SHARED).to_numpy()
    late = CAUSES.index("late start")
    order = np.select((skew_ms > LATE_MS, contended), (late, late + 1), default=-1)
    arms = mine["arm"].astype(str)
    facts = [
        f"{arm}: agents started {ms:.0f} ms apart" for arm, ms in zip(arms, skew_ms, strict=True)
    ]
    made = mine[[*PLACE, "arm"]].assign(order=order, detail=facts)
    return made[made["order"].ge(0)]


def _floats(column: pd.Series) -> NDArray[np.float64]:
    values = column.astype("Float64").to_numpy("float64", na_value=np.nan)
    return values.astype(np.float64)


def _truth(column: pd.Series) -> NDArray[np.bool_]:
    values: NDArray[np.bool_] = (
        column.astype("boolean").fillna(value=False).to_numpy(dtype=np.bool_)
    )
    return values
