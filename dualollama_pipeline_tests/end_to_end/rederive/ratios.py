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
    return wall_s(b["solo_collector"]), wall_s(b["solo_insight"])


ALONE = {"collector": "solo_collector", "insight": "solo_insight"}


def pace_ns(solo: Call) -> float:
    """Time a token alone, after the first."""
    n = solo["counters"]["eval_count"]
    return float((solo["end_ns"] - solo["first_token_ns"]) / (n - 1))


def matched(b: Block, arm: str, role: str) -> list[tuple[Call, Call]]:
    """The calls of an agent in a pair, each with the same stage alone."""
    alone = {call["stage"]: call for call in b[ALONE[role]]}
    return [(call, alone[call["stage"]]) for call in of(role, b[arm])]


def in_turn(b: Block, arm: str) -> list[float]:
    """Seconds that each agent's work of a pair takes alone; between calls no time passes here."""
    return [
        sum(
            solo["first_token_ns"] - solo["sent_ns"]
            + (call["counters"]["eval_count"] - 1) * pace_ns(solo)
            for call, solo in matched(b, arm, role)
        ) / 1e9
        for role in ALONE
    ]  # fmt: skip


def window_end_ns(b: Block, arm: str) -> int:
    return min(max(int(call["end_ns"]) for call in of(role, b[arm])) for role in ALONE)


def window_slowdown(b: Block, arm: str, role: str) -> float:
    """The common window over the time alone of what the agent did in it."""
    end, work = window_end_ns(b, arm), 0.0
    for call, solo in matched(b, arm, role):
        to_first = solo["first_token_ns"] - solo["sent_ns"]
        so_far = sum(at <= end for at in call["chunk_ns"]) / len(call["chunk_ns"])
        if call["first_token_ns"] <= end:
            work += to_first + (so_far * call["counters"]["eval_count"] - 1) * pace_ns(solo)
        else:
            prompt = call["counters"]["prompt_eval_duration"]
            work += max(0.0, (end - call["first_token_ns"] + prompt) / prompt) * to_first
    start = min(call["sent_ns"] for call in of(role, b[arm]))
    return float((end - start) / work)


def weighted(b: Block, arm: str) -> float:
    return sum(1 / window_slowdown(b, arm, role) for role in ALONE)


def decode_slowdown(b: Block, role: str) -> float:
    """Time a token while both decode, over that alone."""
    time, alone = 0.0, 0.0
    (other,) = set(ALONE) - {role}
    for call, solo in matched(b, "apart", role):
        for beside in of(other, b["apart"]):
            start = max(call["first_token_ns"], beside["first_token_ns"])
            end = min(call["end_ns"], beside["end_ns"])
            if end > start:
                pieces = call["chunk_ns"]
                # the last piece and the end of the call are one
                first = sum(at <= start for at in pieces)
                last = len(pieces) if end == call["end_ns"] else sum(at <= end for at in pieces)
                made = (last - first) * call["counters"]["eval_count"] / len(pieces)
                time, alone = time + end - start, alone + made * pace_ns(solo)
    return time / alone


def prompt_slowdown(b: Block, role: str) -> float:
    pairs = matched(b, "apart", role)
    together, alone = (
        sum(pair[i]["counters"]["prompt_eval_duration"] for pair in pairs) for i in (0, 1)
    )
    return float(together / alone)


def scaling(b: Block) -> float:
    alone = fmean(tokens(b[solo]) / wall_s(b[solo]) for solo in ("solo_collector", "solo_insight"))
    return tokens(b["apart"]) / wall_s(b["apart"]) / alone


def balance(dual: Sequence[Call]) -> float:
    return (wall_s(of("collector", dual)) + wall_s(of("insight", dual))) / wall_s(dual)


def ttft_ratio(b: Block, role: str, solo: str) -> float:
    return mean_ttft_ms(of(role, b["apart"])) / mean_ttft_ms(b[solo])


RATIOS: dict[str, Callable[[Block], float]] = {
    "dual_weighted_speedup": lambda b: weighted(b, "apart"),
    "single_weighted_speedup": lambda b: weighted(b, "shared"),
    "dual_against_single": lambda b: weighted(b, "apart") / weighted(b, "shared"),
    "dual_true_speedup": lambda b: sum(in_turn(b, "apart")) / wall_s(b["apart"]),
    "single_true_speedup": lambda b: sum(in_turn(b, "shared")) / wall_s(b["shared"]),
    "dual_ideal_speedup": lambda b: sum(in_turn(b, "apart")) / max(in_turn(b, "apart")),
    "dual_parallel_efficiency": lambda b: max(in_turn(b, "apart")) / wall_s(b["apart"]),
    "dual_collector_slowdown": lambda b: window_slowdown(b, "apart", "collector"),
    "dual_collector_decode_slowdown": lambda b: decode_slowdown(b, "collector"),
    "dual_collector_prompt_slowdown": lambda b: prompt_slowdown(b, "collector"),
    "dual_insight_slowdown": lambda b: window_slowdown(b, "apart", "insight"),
    "dual_insight_decode_slowdown": lambda b: decode_slowdown(b, "insight"),
    "dual_insight_prompt_slowdown": lambda b: prompt_slowdown(b, "insight"),
    "dual_throughput_scaling": scaling,
    "dual_collector_ttft_ratio": lambda b: ttft_ratio(b, "collector", "solo_collector"),
    "dual_insight_ttft_ratio": lambda b: ttft_ratio(b, "insight", "solo_insight"),
    "single_parallel_efficiency": lambda b: max(in_turn(b, "shared")) / wall_s(b["shared"]),
    "single_collector_slowdown": lambda b: window_slowdown(b, "shared", "collector"),
    "single_insight_slowdown": lambda b: window_slowdown(b, "shared", "insight"),
}
BY_LENGTH = {
    "dual_true_speedup", "single_true_speedup", "dual_ideal_speedup",
    "dual_parallel_efficiency", "single_parallel_efficiency",
}  # fmt: skip
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
