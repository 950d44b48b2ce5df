"""Every value that an estimate may rest on, with whether it counts and whether it may be pooled."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from dualollama_pipeline_tests.end_to_end.rederive import judged
from dualollama_pipeline_tests.end_to_end.rederive.journals import (
    Batch,
    Call,
    Trial,
    of,
    ttft_ms,
    wall_s,
)
from dualollama_pipeline_tests.end_to_end.rederive.ratios import (
    AGAINST,
    BALANCE_RATE,
    BY_LENGTH,
    FAIRNESS,
    LINEAR,
    RATES,
    RATIOS,
    SLOWDOWN_RATE,
    TTFT_RATE,
    Key,
    balance,
)

SAMPLING = ("temperature", "top_p", "top_k", "repeat_penalty")
Class = tuple[Any, ...]


@dataclass(frozen=True)
class Value:
    """One value of one metric; `value` is None where something it rests on is missing."""

    config_id: str
    scenario: str
    really: Class
    batch_id: str
    block: int
    metric: Key
    value: float | None
    counts: bool
    pools: bool
    equal_work: bool = True

    @property
    def known(self) -> float:
        assert self.value is not None
        return self.value


def values_of(batches: Iterable[Batch]) -> list[Value]:
    return [value for batch in batches for value in (*of_blocks(batch), *of_duals(batch))]


def counting(values: Iterable[Value], metric: Key, *, pooled: bool = False) -> list[Value]:
    """The values of a metric that count (or that may be pooled over configurations)."""
    return [v for v in values if v.metric == metric and (v.pools if pooled else v.counts)]


def really(batch: Batch) -> Class:
    """What the servers really ran for each agent: layers clamped, context as loaded, sampling."""
    servers = batch.servers()
    parts = []
    dual = next(trial for trial in batch.plan["trials"] if trial["arm"] == "apart")
    for agent in dual["agents"]:
        server, options = servers[agent["server"]], agent["options"]
        asked, layers = options["num_gpu"], server["layers"]
        parts.append(
            (
                agent["name"],
                agent["model"],
                layers if asked is None else min(asked, layers),
                server["context_length"],
                tuple((name, options[name]) for name in SAMPLING if options[name] is not None),
            )
        )
    return tuple(sorted(parts))


def of_blocks(batch: Batch) -> list[Value]:
    """The ratios within each block."""
    verdicts = judged.trial_verdicts(batch)
    limit_ms = judged.reload_limit_ms(batch)
    label = really(batch)
    made = []
    for number, block in batch.blocks.items():
        fine = {arm: judged.is_sound(trial, verdicts) for arm, trial in block.items()}
        calls = {arm: trial.calls for arm, trial in block.items() if trial.is_ok}
        alone = fine["solo_collector"] and fine["solo_insight"]
        sound = {arm: alone and fine[arm] for arm in ("apart", "shared")}
        reloads = judged.n_reloads(block["shared"], limit_ms)
        for metric, formula in (RATIOS | FAIRNESS).items():
            arm = "shared" if metric == AGAINST else metric[1]
            counts = sound[arm] and sound[metric[1]]
            try:
                value = formula(calls) if counts or metric != AGAINST else None
            except KeyError:  # an arm of the block has not ended well
                value = None
            where = (batch.config_id, batch.scenario, label, batch.batch_id, number, metric)
            pools = counts and (arm == "apart" or reloads == 0)
            equal = metric[0] not in BY_LENGTH or judged.is_equal_work(calls, arm)
            made.append(Value(*where, value, counts, pools, equal))
    return made


def of_duals(batch: Batch) -> list[Value]:
    """The figures of each trial with two servers, and what the three contention rules say of it."""
    verdicts = judged.trial_verdicts(batch)
    label = really(batch)
    made = []
    flags = contention(batch)
    for trial in sorted(batch.of_arms("apart"), key=lambda each: each.block):
        sound = judged.is_sound(trial, verdicts)
        found: dict[Key, float | None] = {
            metric: formula(trial.calls) if trial.is_ok else None
            for metric, formula in LINEAR.items()
        }
        found |= flags[trial.trial_id]
        where = (batch.config_id, batch.scenario, label, batch.batch_id, trial.block)
        for metric, value in found.items():
            counts = sound and value is not None
            made.append(Value(*where, metric, value, counts, counts))
    return made


def contention(batch: Batch) -> dict[str, dict[Key, float | None]]:
    """100 where a rule speaks of a dual trial, 0 where not, None where it cannot be asked."""
    late = usual_ttft_ms(batch)
    slowdowns = {
        (trial.trial_id, role): slow
        for block in batch.blocks.values()
        for trial in [block["apart"]]
        for role, slow in slowdowns_of(block).items()
    }
    usual = {
        role: median(slow for (_, other), slow in slowdowns.items() if other == role)
        for role in judged.ALONE
    }
    made: dict[str, dict[Key, float | None]] = {}
    for trial in batch.of_arms("apart"):
        found: dict[Key, float | None] = dict.fromkeys(RATES)
        if trial.is_ok:
            waits = [ttft_ms(c) > late[c["agent"], c["stage"]] + 3000 for c in trial.calls]
            found[TTFT_RATE] = 100.0 * any(waits)
            found[BALANCE_RATE] = 100.0 * (balance(trial.calls) < 1.5)
            slow = {role: slowdowns.get((trial.trial_id, role)) for role in judged.ALONE}
            known = {role: ratio for role, ratio in slow.items() if ratio is not None}
            if len(known) == len(slow):
                over = any(ratio > 2 * usual[role] for role, ratio in known.items())
                found[SLOWDOWN_RATE] = 100.0 * over
        made[trial.trial_id] = found
    return made


def usual_ttft_ms(batch: Batch) -> dict[tuple[str, str], float]:
    """Median TTFT alone, by agent and stage."""
    alone: dict[tuple[str, str], list[float]] = {}
    for trial in batch.of_arms("solo_collector", "solo_insight"):
        for call in ok_calls(trial):
            alone.setdefault((call["agent"], call["stage"]), []).append(ttft_ms(call))
    return {key: median(waits) for key, waits in alone.items()}


def ok_calls(trial: Trial) -> list[Call]:
    return [call for call in trial.calls if call["status"] == "ok"]


def slowdowns_of(block: dict[str, Trial]) -> dict[str, float]:
    """How many times longer each agent took with two servers than alone; of those that ended."""
    made = {}
    for role, solo in judged.ALONE.items():
        together = of(role, block["apart"].calls)
        if all(call["status"] == "ok" for call in together) and block[solo].is_ok:
            made[role] = wall_s(together) / wall_s(block[solo].calls)
    return made


def by_config(values: Sequence[Value]) -> dict[str, list[Value]]:
    made: dict[str, list[Value]] = {}
    for value in values:
        made.setdefault(value.config_id, []).append(value)
    return made
