"""What is usual in a batch: the loads, clocks and caches that single calls are judged against."""

from __future__ import annotations

from math import isnan
from statistics import median, median_low
from typing import TYPE_CHECKING, NamedTuple

from dualollama_pipeline.core.study import SHARED
from dualollama_pipeline.core.units import MS_PER_S
from dualollama_pipeline.tables import guards
from dualollama_pipeline.tables.rows import NAN, Row, grouped

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dualollama_pipeline.worker.journal import Journal


class Usual(NamedTuple):
    """What the calls of a batch have in common.

    `clock_ratio` by server: how much faster its clock runs than ours, 1 unless it shows;
    `cached` by (agent, stage): prompt tokens that come from the cache in every arm;
    `prefill` by (agent, stage): median of prompt tokens / prompt time, tokens/ms.
    """

    clock_ratio: dict[str, float]
    cached: dict[tuple[str, str], float]
    prefill: dict[tuple[str, str], float]


def usual_of(rows: Sequence[Row]) -> Usual:
    """Look at all answered calls of a batch."""
    ok = [row for row in rows if row["status"] == "ok"]
    by_stage = grouped(ok, "agent", "stage")
    return Usual(
        {server: _clock_ratio(mine) for (server,), mine in grouped(ok, "server").items()},
        {key: min(row["n_cached_prompt_tokens"] or 0 for row in mine)
         for key, mine in by_stage.items()},
        {key: _median(map(prefill_rate, mine)) for key, mine in by_stage.items()},
    )  # fmt: skip


def _median(values: Iterable[float]) -> float:
    known = [value for value in values if not isnan(value)]
    return median(known) if known else NAN


def prefill_rate(row: Row) -> float:
    """Return prompt tokens / prompt time, tokens/ms; nan where the server does not say."""
    known = row["n_prompt_tokens"] and row["prompt_eval_ms"] > 0
    return row["n_prompt_tokens"] / row["prompt_eval_ms"] if known else NAN


def _clock_ratio(calls: Sequence[Row]) -> float:
    """Return server total / client total where it is above 1 and the same in all calls, else 1.

    A server cannot be busy for longer than we waited: its clock is the faster one then (WSL2:
    2.6 %, up to 7 %; METHOD section 3). Calls too short for the ratio to show are left out.
    """
    long = [row for row in calls if row["total_ms"] >= guards.LONG_CALL_MS]
    ratios = [row["server_total_ms"] / row["total_ms"] for row in long]
    ratios = [ratio for ratio in ratios if not isnan(ratio)]
    if len(ratios) < guards.MIN_CALLS_FOR_CLOCK:
        return 1.0
    middle = median(ratios)
    same = max(ratios) - min(ratios) <= guards.CLOCK_SPREAD
    beyond = 1 + guards.CLOCK_SHARE < middle <= guards.MAX_CLOCK_RATIO
    return middle if same and beyond else 1.0


def warm_limit_ms(median_load_ms: float, prepared_load_ms: float = NAN) -> float:
    """Return the load time above which a call has loaded the model.

    Formula: max(0.5 s, min(5 x the median of the server's calls outside `shared`, half the load
    that was measured off the clock)); nan leaves its part out.
    """
    limits = [guards.WARM_LOAD_FACTOR * median_load_ms, guards.COLD_SHARE * prepared_load_ms]
    return max(guards.WARM_LOAD_MS, min((x for x in limits if not isnan(x)), default=0.0))


def mark_reloads(rows: Sequence[Row], journal: Journal) -> None:
    """Add is_reload: a load well above what is usual on that server outside `shared`.

    Servers that do not speak Ollama's protocol tell no load: a first token far later than is usual
    for that agent and stage looks like one; in `shared` it may have queued, so nobody knows.
    """
    prepared_s = _prepared_loads_s(journal)
    others = journal.batch.plan.protocols if journal.batch is not None else {}
    for (server,), mine in grouped(rows, "server").items():
        if server in others:
            for same in grouped(mine, "agent", "stage").values():
                _mark_late_first_tokens(same)
            continue
        usual_ms = _median(row["load_ms"] for row in mine if row["arm"] != SHARED)
        at_home = prepared_s.get((server, mine[0]["agent"]), NAN)
        for row in mine:
            load_s = prepared_s.get((server, row["agent"]), at_home)
            limit_ms = warm_limit_ms(usual_ms, MS_PER_S * load_s)
            row["is_reload"] = None if isnan(row["load_ms"]) else row["load_ms"] > limit_ms


def _mark_late_first_tokens(rows: Sequence[Row]) -> None:
    """Add is_reload to calls of one agent and stage by their first tokens."""
    known = [row["ttft_ms"] for row in rows if row["arm"] != SHARED and row["ttft_ms"] > 0]
    usual_ms = median_low(known) if known else NAN  # low: of two calls, one may be cold
    factor = guards.LATE_TTFT_FACTOR
    for row in rows:
        late_ms = row["ttft_ms"] - usual_ms
        is_late = late_ms > guards.LATE_TTFT_MS and row["ttft_ms"] > factor * usual_ms
        row["is_reload"] = None if row["arm"] == SHARED or isnan(late_ms) else is_late


def _prepared_loads_s(journal: Journal) -> dict[tuple[str, str], float]:
    """Return by (server, agent) how long a load took off the clock, with nothing loaded before."""
    loads: dict[tuple[str, str], float] = {}
    if journal.batch is None or journal.batch.plan.workload == "parity":  # which unloads nothing
        return loads
    for record in journal.preparations:
        if record.load_s is not None:
            key = record.server, record.agent
            loads[key] = max(record.load_s, loads.get(key, 0.0))
    return loads
