"""From calls to `agent_table`: one row for each agent of each trial.

Only a trial's last attempt counts from here on; earlier ones stay in `call_table`. A value that
rests on a missing one is nan: a partial sum would pass for a measurement.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from dualollama_pipeline.core.study import TOGETHER, solo
from dualollama_pipeline.core.units import MS_PER_S
from dualollama_pipeline.tables.guards import MIN_POOLED_TOKENS
from dualollama_pipeline.tables.rows import (
    NAN,
    TRIAL,
    WHERE,
    Row,
    column,
    grouped,
    judge,
    pick,
)
from dualollama_pipeline.tables.work import NO_WORK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dualollama_pipeline.tables.work import Works


def _mean_and_sd(values: Sequence[float]) -> tuple[float, float]:
    """Mean and standard deviation (ddof 1); the latter is nan for a single value."""
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else NAN


def build_agents(calls: Sequence[Row], works: Works) -> list[Row]:
    """Lay out one row for each agent of each trial; `calls` are last attempts."""
    agents = [_agent(group) for group in grouped(calls, "trial_id", "agent").values()]
    alone_ms = {
        (agent["block"], agent["agent"]): agent["mean_ttft_ms"]
        for agent in agents
        if agent["arm"] == solo(agent["agent"])
    }
    return [agent | _against_alone(agent, works, alone_ms) for agent in agents]


def _against_alone(agent: Row, works: Works, alone_ms: dict[tuple[int, str], float]) -> Row:
    """Compare an agent that runs beside others with itself alone, in its block."""
    work = works.get((agent["block"], agent["arm"], agent["agent"]), NO_WORK)
    own_ms = alone_ms.get((agent["block"], agent["agent"]), NAN)
    slowdowns = {
        "slowdown": work.slowdown,
        "decode_slowdown": work.decode_slowdown,
        "prompt_slowdown": work.prompt_slowdown,
    }
    return {  # null where an agent did nothing in the window
        **{name: value if math.isfinite(value) else NAN for name, value in slowdowns.items()},
        "ttft_ratio": agent["mean_ttft_ms"] / own_ms if agent["arm"] in TOGETHER else NAN,
    }


def _agent(calls: list[Row]) -> Row:
    first = calls[0]
    start_ms, end_ms = first["sent_ms"], calls[-1]["end_ms"]
    finished = all(call["status"] == "ok" for call in calls)
    duration_s = (end_ms - start_ms) / MS_PER_S if finished else NAN
    rate, rate_sd = _mean_and_sd(column(calls, "decode_tok_per_s"))
    ttft, ttft_sd = _mean_and_sd(column(calls, "ttft_ms"))
    n_tokens = sum(column(calls, "n_tokens"))
    known = all(call["is_reload"] is not None for call in calls)
    reloads = [call["load_ms"] for call in calls if call["is_reload"]]
    return {
        **pick(first, [*WHERE, *TRIAL, "agent", "server"]),
        **judge(calls),
        "start_ms": start_ms,
        "end_ms": end_ms,
        "duration_s": duration_s,
        "ingest_s": first["ingest_s"],
        "workflow_s": first["ingest_s"] + duration_s,
        "mean_decode_tok_per_s": rate,
        "sd_decode_tok_per_s": rate_sd,
        "mean_ttft_ms": ttft,
        "sd_ttft_ms": ttft_sd,
        "wall_tok_per_s": n_tokens / duration_s if n_tokens >= MIN_POOLED_TOKENS else NAN,
        "n_tokens": n_tokens,
        **{
            name: sum(column(calls, name))
            for name in ("load_ms", "prompt_eval_ms", "eval_ms", "queue_ms")
        },
        "n_reloads": len(reloads) if known else NAN,
        "reload_ms": float(sum(reloads)) if known else NAN,
    }
