"""The arithmetic of one block and of one pair of agents, written out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import fmean

from dualollama_pipeline_tests.end_to_end.rederive.journals import (
    Call,
    of,
    rate,
    tokens,
    ttft_ms,
    wall_s,
)

Block = dict[str, list[Call]]  # arm -> calls


def mean_ttft_ms(calls: Sequence[Call]) -> float:
    return fmean(map(ttft_ms, calls))


def mean_rate(calls: Sequence[Call]) -> float:
    return fmean(map(rate, calls))


def solos(b: Block) -> tuple[float, float]:
    return wall_s(b["solo_a"]), wall_s(b["solo_b"])


def per_token(b: Block, arm: str) -> float:
    return sum(
        wall_s(b[solo]) / tokens(b[solo]) * tokens(of(role, b[arm]))
        for solo, role in (("solo_a", "collector"), ("solo_b", "insight"))
    ) / wall_s(b[arm])


def scaling(b: Block) -> float:
    alone = fmean(tokens(b[solo]) / wall_s(b[solo]) for solo in ("solo_a", "solo_b"))
    return tokens(b["dual"]) / wall_s(b["dual"]) / alone


def balance(dual: Sequence[Call]) -> float:
    return (wall_s(of("collector", dual)) + wall_s(of("insight", dual))) / wall_s(dual)


def slowdown(b: Block, arm: str, role: str, solo: str) -> float:
    return wall_s(of(role, b[arm])) / wall_s(b[solo])


def ttft_ratio(b: Block, role: str, solo: str) -> float:
    return mean_ttft_ms(of(role, b["dual"])) / mean_ttft_ms(b[solo])


RATIOS: dict[str, Callable[[Block], float]] = {
    "dual_true_speedup": lambda b: sum(solos(b)) / wall_s(b["dual"]),
    "single_true_speedup": lambda b: sum(solos(b)) / wall_s(b["single"]),
    "dual_against_single": lambda b: wall_s(b["single"]) / wall_s(b["dual"]),
    "ideal_speedup": lambda b: sum(solos(b)) / max(solos(b)),
    "dual_parallel_efficiency": lambda b: max(solos(b)) / wall_s(b["dual"]),
    "dual_per_token_speedup": lambda b: per_token(b, "dual"),
    "dual_collector_slowdown": lambda b: slowdown(b, "dual", "collector", "solo_a"),
    "dual_insight_slowdown": lambda b: slowdown(b, "dual", "insight", "solo_b"),
    "dual_throughput_scaling": scaling,
    "dual_collector_ttft_ratio": lambda b: ttft_ratio(b, "collector", "solo_a"),
    "dual_insight_ttft_ratio": lambda b: ttft_ratio(b, "insight", "solo_b"),
    "single_parallel_efficiency": lambda b: max(solos(b)) / wall_s(b["single"]),
    "single_per_token_speedup": lambda b: per_token(b, "single"),
    "single_collector_slowdown": lambda b: slowdown(b, "single", "collector", "solo_a"),
    "single_insight_slowdown": lambda b: slowdown(b, "single", "insight", "solo_b"),
}
LINEAR: dict[str, Callable[[Sequence[Call]], float]] = {
    "balance_efficiency_pct": lambda dual: 50 * balance(dual),
    "balance_speedup": balance,
    "collector_minus_insight_tok_per_s": lambda dual: (
        mean_rate(of("collector", dual)) - mean_rate(of("insight", dual))
    ),
    "ttft_delta_ms": lambda dual: (
        mean_ttft_ms(of("collector", dual)) - mean_ttft_ms(of("insight", dual))
    ),
}
RATES = ("ttft_contention_pct", "balance_contention_pct", "slowdown_contention_pct")
BOUNDS = {"balance_efficiency_pct": 100.0, "balance_speedup": 2.0}
UNITS = {
    "balance_efficiency_pct": "%",
    "balance_speedup": "x",
    "collector_minus_insight_tok_per_s": "tok/s",
    "ttft_delta_ms": "ms",
}
