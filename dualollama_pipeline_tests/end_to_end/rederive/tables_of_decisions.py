"""What is decided from the numbers: tiers, anti-patterns, and how this machine stands."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from dualollama_pipeline_tests.end_to_end.rederive.arithmetic import (
    Interval,
    Mean,
    Stratum,
    estimate,
    exponentiated,
    mapped,
    mean_of,
    negated,
    ranks,
    share,
    strata_of,
)
from dualollama_pipeline_tests.end_to_end.rederive.evidence import Evidence
from dualollama_pipeline_tests.end_to_end.rederive.journals import Batch, of, ttft_ms
from dualollama_pipeline_tests.end_to_end.rederive.judged import is_sound, trial_verdicts
from dualollama_pipeline_tests.end_to_end.rederive.ledger import (
    ANY,
    Number,
    Row,
    Words,
    number,
)
from dualollama_pipeline_tests.end_to_end.rederive.tables_of_comparisons import (
    factor_rows,
    headline,
)

PICKS = {
    "maximum efficiency": "test011",
    "balanced": "test108",
    "resource constrained": "test004",
}
SAME_GB = 0.05
MOST_FAILED_PCT = 1.0
BALANCE = "balance_efficiency_pct"
MARGIN = math.log(1.02)


# -- tiers ---------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Candidate:
    """One class of configurations that are really equal."""

    config_ids: list[str]
    speedup: Mean
    n_blocks: int
    wait: Mean
    n_wait: int
    balances: Number
    contention: Number
    failed: Interval
    memory_gb: float


def candidates(evidence: Evidence) -> list[Candidate]:
    labels = sorted(set(evidence.classes.values()), key=str)
    return [candidate(evidence, label) for label in labels]


def candidate(evidence: Evidence, label: Any) -> Candidate:
    """Pool what is really equal: blocks, dual trials and their failures."""
    speedups, balances, flags = (
        [v for v in evidence.counting(metric, pooled=True) if v.really == label]
        for metric in ("dual_weighted_speedup", BALANCE, "balance_contention_pct")
    )
    names = [name for name, other in evidence.classes.items() if other == label]
    batches = [batch for batch in evidence.current if batch.config_id in names]
    waits = {batch.config_id: log_waits(batch) for batch in batches}
    n_wait = sum(map(len, waits.values()))
    n_trials = sum(len(batch.of_arms("apart")) for batch in batches)
    strata = [Stratum(each, ["now"] * len(each), len(each) / n_wait) for each in waits.values()]
    speedup, wait = mean_of(strata_of(speedups)), mean_of(strata)
    assert speedup is not None
    assert wait is not None
    return Candidate(
        names,
        speedup,
        len(speedups),
        wait,
        n_wait,
        Number(estimate(balances, BALANCE), len(balances)),
        Number(share(sum(v.known > 0 for v in flags), len(flags)), len(flags)),
        share(n_trials - n_wait, n_trials),
        memory_gb(evidence, label),
    )


def log_waits(batch: Batch) -> list[float]:
    """Of each sound dual trial: the log of the mean TTFT of the agent that waits longer."""
    verdicts = trial_verdicts(batch)
    return [
        math.log(
            max(fmean(map(ttft_ms, of(role, trial.calls))) for role in ("collector", "insight"))
        )
        for trial in batch.of_arms("apart")
        if is_sound(trial, verdicts)
    ]


def memory_gb(evidence: Evidence, label: Any) -> float:
    """Of both servers: weights x share of layers on the GPU + context x bytes of a token."""
    models = evidence.inputs("cost")["models"]
    total = 0.0
    for _, name, layers, context, _ in label:
        model = models[name]
        on_gpu = min(layers, model["n_layers"]) / model["n_layers"]
        total += model["weights_gb"] * on_gpu + context * model["kv_bytes_per_token"] / 1e9
    return total


def tiers(evidence: Evidence) -> list[Row]:
    """The recommended candidate of each tier."""
    able = [
        each
        for each in candidates(evidence)
        if (each.failed.low or 0.0) <= MOST_FAILED_PCT and each.speedup.error and each.wait.error
    ]
    fastest = max(able, key=lambda each: each.speedup.value)
    quick = [each for each in able if not is_surely_slower(each.speedup, fastest.speedup)]
    least = min(each.memory_gb for each in able)
    small = [each for each in able if each.memory_gb <= least + SAME_GB]
    chosen = {
        "maximum efficiency": best(able, [each.speedup for each in able], "maximum efficiency"),
        "balanced": best(quick, [negated(each.wait) for each in quick], "balanced"),
        "resource constrained": best(
            small, [each.speedup for each in small], "resource constrained"
        ),
    }
    return [tier_row(name, each) for name, each in chosen.items()]


def best(able: list[Candidate], criterion: list[Mean], tier: str) -> Candidate:
    """Of those that may be first: the report's pick if it is among them, else the most blocks."""
    found = ranks(criterion)
    group = [each for each, place in zip(able, found, strict=True) if place.low == 1]
    return max(group, key=lambda each: (PICKS[tier] in each.config_ids, each.n_blocks))


def is_surely_slower(one: Mean, fastest: Mean) -> bool:
    """Whether the whole interval (Welch) lies more than 2 % below the fastest."""
    a, b = (one.error or 0.0) ** 2, (fastest.error or 0.0) ** 2
    freedom = (a + b) ** 2 / (a**2 / one.freedom + b**2 / fastest.freedom)
    high = Mean(one.value - fastest.value, math.sqrt(a + b), freedom).interval().high
    return high is not None and high < -MARGIN


def tier_row(tier: str, each: Candidate) -> Row:
    name = PICKS[tier] if PICKS[tier] in each.config_ids else min(each.config_ids)
    return [
        tier,
        name,
        "recommended (illustration)",
        Number(exponentiated(each.speedup.interval()), each.n_blocks),
        Number(exponentiated(each.wait.interval()), each.n_wait),
        each.balances,
        each.contention,
        number(each.memory_gb),
    ]


# -- anti-patterns -------------------------------------------------------------------------------
FACTOR_OF = {
    "AP1": ("num_gpu", "default/80 → default/120"),
    "AP2": ("temperature", "0.6/0.6 → 0.8/0.8"),
    "AP4": ("num_gpu", "60/60 → 80/80"),
    "BP2": ("num_gpu_asymmetry", "0 → +20"),
    "BP3": ("temperature", "0.6/0.6 → 0.8/0.8"),
}
RULES = ("AP1", "AP2", "AP3", "AP4", "BP1", "BP2", "BP3", "BP4", "BP5")


def anti_patterns(evidence: Evidence) -> list[Row]:
    """Hits in the matrix, and the comparison that decides; nothing for what nobody compared."""
    factors = {
        (row[0].text, row[1]): row[3]
        for row in factor_rows(evidence)
        if row[2] == "dual_weighted_speedup" and isinstance(row[0], Words)
    }
    against, n = headline(evidence, "dual_against_single")
    rows: list[Row] = []
    for rule in RULES:
        decides = Number(against, n) if rule in {"AP3", "BP1"} else None
        found = decides or factors.get(FACTOR_OF.get(rule, ("", "")), number(None, 0))
        rows.append([rule, ANY, number(n_hits(evidence, rule)), ANY, found, ANY])
    return rows


def n_hits(evidence: Evidence, rule: str) -> int:
    """How many configurations of the matrix do what the rule warns of, in its own words."""
    matrix = evidence.inputs("matrix")["configurations"]

    def both(each: dict[str, Any], option: str) -> tuple[Any, Any]:
        return each["collector"].get(option), each["insight"].get(option)

    def is_hit(each: dict[str, Any]) -> bool:
        layers, heat = both(each, "num_gpu"), both(each, "temperature")
        if rule == "AP1":  # 120 or more beside an agent with default options
            return (not each["collector"] and (layers[1] or 0) >= 120) or (
                not each["insight"] and (layers[0] or 0) >= 120
            )
        if rule in {"AP2", "BP3"}:  # AP2: where both agents ask for the same
            cool = any(value is not None and value < 0.8 for value in heat)
            return cool and (rule == "BP3" or each["collector"] == each["insight"])
        if rule == "AP4":
            return bool(layers[0] == layers[1] is not None and layers[0] <= 60)
        if rule == "BP2":
            return bool(layers[0] == layers[1] is not None)
        return False

    return sum(map(is_hit, matrix))


# -- this machine --------------------------------------------------------------------------------
HERE = (
    "dual_true_speedup",
    "single_true_speedup",
    "dual_against_single",
    "dual_throughput_scaling",
    "dual_collector_slowdown",
    "dual_insight_slowdown",
    "balance_efficiency_pct",
    "collector_minus_insight_tok_per_s",
    "ttft_delta_ms",
)


def this_machine(evidence: Evidence) -> list[Row]:
    """The population's estimates, two servers against one as a change, and the best balance."""
    rows: list[Row] = []
    for metric in HERE:
        found = estimate(evidence.counting(metric, pooled=True), metric)
        cells: list[Any] = [Number(found), ANY, ANY]
        if metric == "dual_against_single":
            change = mapped(found, lambda ratio: 100 * (ratio - 1))
            cells = [number(1.0), number(found.value), Number(change)]
        rows.append([metric, *cells, ANY])
    each = [estimate(evidence.counting(BALANCE, config_id=n), BALANCE) for n in evidence.config_ids]
    top = max(each, key=lambda found: found.value or 0.0)
    return [*rows, [BALANCE, Number(top), ANY, ANY, ANY]]
