"""From agents to `run_table`: one row for each trial, the report's own figures in it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from dualollama_pipeline.core.study import SHARED
from dualollama_pipeline.core.units import MS_PER_S
from dualollama_pipeline.metrics import run as run_metrics
from dualollama_pipeline.metrics.run import balance_contention
from dualollama_pipeline.tables.contention import slowdown_flags, ttft_flags
from dualollama_pipeline.tables.guards import findings_of
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
from dualollama_pipeline.tables.validity import trial_findings

if TYPE_CHECKING:
    from collections.abc import Sequence

BATCHED_OVERLAP = 0.5


def build_runs(
    calls: Sequence[Row], agents: Sequence[Row], cells: Sequence[Row], order: Sequence[str]
) -> list[Row]:
    """Lay out the trials of one configuration, with what the contention rules say of each.

    `calls` are last attempts, `order` is that of the study's agents. What speaks against a whole
    cell speaks against each of its trials.
    """
    calls_of = grouped(calls, "trial_id")
    against = {
        cell["arm"]: findings_of(cell["validity"], cell["validity_reasons"]) for cell in cells
    }
    by_ttft = ttft_flags(calls)
    by_slowdown = slowdown_flags(agents)
    runs = []
    for (trial_id,), group in grouped(agents, "trial_id").items():
        mine = calls_of[(trial_id,)]
        run = {**_run(group, order), "trial_order": mine[-1]["trial_order"], **judge(group)}
        overlap = _overlap(mine)
        run |= {
            "window_s": max(column(mine, "window_ms")) / MS_PER_S,
            "decode_overlap": overlap,
            "shared_mode": _shared_mode(run["arm"], overlap),
        }
        run |= judge(group, [*trial_findings(run), *against[run["arm"]]])
        judged = run["status"] == "ok" and run["n_agents"] > 1
        speedup = run["balance_speedup"]
        run["ttft_contention"] = by_ttft.get(trial_id) if judged else None
        of_two = judged and run["n_agents"] == 2  # noqa: PLR2004 of three it may be up to 3
        run["balance_contention"] = balance_contention(speedup) if of_two else None
        run["slowdown_contention"] = by_slowdown.get(trial_id) if judged else None
        runs.append(run)
    return runs


def _run(agents: list[Row], order: Sequence[str]) -> Row:
    first, several = agents[0], len(agents) > 1
    wall_s = (max(column(agents, "end_ms")) - min(column(agents, "start_ms"))) / MS_PER_S
    if math.isnan(sum(column(agents, "duration_s"))):
        wall_s = NAN  # max() over nan depends on the order
    sequential_s = sum(column(agents, "duration_s")) if several else NAN
    speedup = run_metrics.balance_speedup(column(agents, "duration_s"), wall_s) if several else NAN
    return {
        **pick(first, [*WHERE, *TRIAL]),
        "n_agents": len(agents),
        "wall_s": wall_s,
        "sequential_s": sequential_s,
        "balance_speedup": speedup,
        "balance_efficiency_pct": run_metrics.balance_efficiency_pct(speedup, len(agents)),
        "tok_per_s_delta": _delta(agents, "mean_decode_tok_per_s", order),
        "ttft_delta_ms": _delta(agents, "mean_ttft_ms", order),
        "start_skew_ms": float(np.ptp(column(agents, "start_ms"))) if several else NAN,
        "n_tokens": sum(column(agents, "n_tokens")),
        "queue_ms": sum(column(agents, "queue_ms")),
        "n_reloads": sum(column(agents, "n_reloads")),
        "reload_ms": sum(column(agents, "reload_ms")),
    }


def _delta(agents: list[Row], name: str, order: Sequence[str]) -> float:
    """Return the first agent's value less the second's; nan unless there are two."""
    if len(agents) != 2:  # noqa: PLR2004 METHOD section 2
        return NAN
    first, second = sorted(agents, key=lambda agent: order.index(agent["agent"]))
    return float(first[name] - second[name])


def _overlap(calls: list[Row]) -> float:
    """Decode overlap of a trial's agents; nan for one agent, or where a call is not ok."""
    agents = grouped(calls, "agent").values()
    known = all(call["status"] == "ok" and not math.isnan(call["ttft_ms"]) for call in calls)
    if len(agents) < 2 or not known:  # noqa: PLR2004 one alone
        return NAN
    return run_metrics.decode_overlap(
        [[(call["sent_ms"] + call["ttft_ms"], call["end_ms"]) for call in mine] for mine in agents]
    )


def _shared_mode(arm: str, overlap: float) -> str | None:
    """Tell whether one server took the agents in turn or together."""
    if arm != SHARED or math.isnan(overlap):
        return None
    return "batched" if overlap >= BATCHED_OVERLAP else "queued"
