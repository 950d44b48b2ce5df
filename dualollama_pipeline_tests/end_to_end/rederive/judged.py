"""What may count, from the journals: reloads, findings of calls, trials and cells, sound blocks.

Only guards that these journals can trip are redone here; were another one to speak, the counts of
valid, warned and left-out blocks would differ.
"""

from __future__ import annotations

from itertools import combinations
from statistics import median

from dualollama_pipeline_tests.end_to_end.rederive.journals import (
    Batch,
    Call,
    Trial,
    load_ms,
    wall_s,
)

ALONE = {"collector": "solo_collector", "insight": "solo_insight"}
Finding = tuple[str, str]  # level, text


def reload_limit_ms(batch: Batch) -> float:
    """Five times the usual load outside `single`, at least half a second."""
    usual = [
        load
        for call in batch.every_call("solo_collector", "solo_insight", "apart")
        if call["status"] == "ok" and (load := load_ms(call)) is not None
    ]
    return max(500.0, 5 * median(usual))


def is_reload(call: Call, limit_ms: float) -> bool:
    load = load_ms(call)
    return load is not None and load > limit_ms


def n_reloads(trial: Trial, limit_ms: float) -> int:
    return sum(is_reload(call, limit_ms) for call in trial.calls)


def cell_findings(batch: Batch, arm: str) -> list[Finding]:
    """What speaks against all trials of one arm."""
    found: list[Finding] = []
    servers = batch.servers()
    every = batch.every_call(arm)
    for call in every if arm != "shared" else []:
        asked = call["options"].get("num_ctx")
        has = servers[call["server"]]["context_length"]
        if asked is not None and asked != has:
            text = f"context: {call['agent']} asked for num_ctx {asked}, the server has {has}"
            found.append(("WARN", text))
    n_cold = sum(is_reload(call, reload_limit_ms(batch)) for call in every)
    if arm != "shared" and n_cold > 0.05 * len(every):
        found.append(("WARN", f"warm: {n_cold} of {len(every)} calls loaded the model"))
    n_failed = sum(call["status"] == "failed" for call in every)
    if n_failed > 0.05 * len(every):
        level = "ERROR" if n_failed > 0.5 * len(every) else "WARN"
        found.append((level, f"failures: {n_failed} of {len(every)} calls failed"))
    moved = drift(batch, arm)
    if moved is not None and abs(moved) > 0.05:
        found.append(("WARN", f"drift: wall time moves by {100 * moved:+.0f} % over the cell"))
    return list(dict.fromkeys(found))


def counting_calls(batch: Batch, arm: str) -> list[Call]:
    """The answered calls of an arm; a load inside one counts on one server only."""
    limit_ms = reload_limit_ms(batch)
    return [
        call
        for call in batch.every_call(arm)
        if call["status"] == "ok" and (arm == "shared" or not is_reload(call, limit_ms))
    ]


def drift(batch: Batch, arm: str) -> float | None:
    """Theil-Sen slope of the wall time over the order of the trials, end to end, of its median."""
    walls = [(t.last["order"], wall_s(t.calls)) for t in batch.of_arms(arm) if t.is_ok]
    if len(walls) < 5:
        return None
    slopes = [(b - a) / (late - early) for (early, a), (late, b) in combinations(walls, 2)]
    orders = [order for order, _ in walls]
    span = max(orders) - min(orders)
    return float(median(slopes) * span / median(wall for _, wall in walls))


def call_levels(trial: Trial, limit_ms: float) -> set[str]:
    """The levels of what speaks against a trial's calls (last attempt)."""
    levels = {"ERROR" for call in trial.calls if call["status"] != "ok"}
    if trial.arm != "shared":
        levels |= {"ERROR" for call in trial.calls if is_reload(call, limit_ms)}
    return levels


def verdict(levels: set[str]) -> str:
    return "INVALID" if "ERROR" in levels else "WARN" if levels else "VALID"


def trial_verdicts(batch: Batch) -> dict[str, str]:
    """VALID, WARN or INVALID by trial_id."""
    limit_ms = reload_limit_ms(batch)
    of_cells = {arm: {level for level, _ in cell_findings(batch, arm)} for arm in batch.arms}
    return {
        trial.trial_id: verdict(call_levels(trial, limit_ms) | of_cells[trial.arm])
        for trial in batch.trials
    }


def is_sound(trial: Trial, verdicts: dict[str, str]) -> bool:
    return trial.is_ok and verdicts[trial.trial_id] != "INVALID"


def is_equal_work(calls: dict[str, list[Call]], arm: str) -> bool:
    """No call made more than 10 % more or fewer tokens together than alone; else no interval."""
    alone = {
        (call["agent"], call["stage"]): call["counters"]["eval_count"]
        for solo in ALONE.values()
        for call in calls.get(solo, [])
    }
    return all(
        abs(call["counters"]["eval_count"] - n) <= 0.1 * n
        for call in calls.get(arm, [])
        if (n := alone.get((call["agent"], call["stage"])))
    )
