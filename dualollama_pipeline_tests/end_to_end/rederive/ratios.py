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


def slowdowns(b: Block, arm: str) -> list[float]:
    return [window_slowdown(b, arm, role) for role in ALONE]


def evenness(each: Sequence[float]) -> float:
    return min(each) / max(each)


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


def ttft_ratio(b: Block, role: str) -> float:
    return mean_ttft_ms(of(role, b["apart"])) / mean_ttft_ms(b[ALONE[role]])


def of_arm(formula: Callable[[Block, str], float], arm: str) -> Callable[[Block], float]:
    return lambda b: formula(b, arm)


def of_agent(formula: Callable[[Block, str], float], role: str) -> Callable[[Block], float]:
    return lambda b: formula(b, role)


def slowdown_of(arm: str, role: str) -> Callable[[Block], float]:
    return lambda b: window_slowdown(b, arm, role)


Key = tuple[str, str, str]  # metric, arm, agent
SPEEDUP, SHARED_SPEEDUP = (("weighted_speedup", arm, "all") for arm in ("apart", "shared"))
SECONDS, SHARED_SECONDS = (("true_speedup", arm, "all") for arm in ("apart", "shared"))
AGAINST: Key = ("against_shared", "apart", "all")
BALANCE: Key = ("balance_efficiency_pct", "apart", "all")
BALANCE_SPEEDUP: Key = ("balance_speedup", "apart", "all")
EACH_ARM: dict[str, Callable[[Block, str], float]] = {
    "weighted_speedup": weighted,
    "mean_slowdown": lambda b, arm: fmean(slowdowns(b, arm)),
    "true_speedup": lambda b, arm: sum(in_turn(b, arm)) / wall_s(b[arm]),
    "parallel_efficiency": lambda b, arm: max(in_turn(b, arm)) / wall_s(b[arm]),
}
EACH_AGENT: dict[str, Callable[[Block, str], float]] = {
    "decode_slowdown": decode_slowdown,
    "prompt_slowdown": prompt_slowdown,
    "ttft_ratio": ttft_ratio,
}
RATIOS: dict[Key, Callable[[Block], float]] = {
    **{
        (name, arm, "all"): of_arm(formula, arm)
        for name, formula in EACH_ARM.items()
        for arm in ("apart", "shared")
    },
    AGAINST: lambda b: weighted(b, "apart") / weighted(b, "shared"),
    ("ideal_speedup", "apart", "all"): lambda b: (
        sum(in_turn(b, "apart")) / max(in_turn(b, "apart"))
    ),
    ("throughput_scaling", "apart", "all"): scaling,
    **{
        ("slowdown", arm, role): slowdown_of(arm, role)
        for arm in ("apart", "shared")
        for role in ALONE
    },
    **{
        (name, "apart", role): of_agent(formula, role)
        for name, formula in EACH_AGENT.items()
        for role in ALONE
    },
}
FAIRNESS: dict[Key, Callable[[Block], float]] = {
    ("fairness", "apart", "all"): lambda b: evenness(slowdowns(b, "apart")),
    ("fairness", "shared", "all"): lambda b: evenness(slowdowns(b, "shared")),
}
BY_LENGTH = {"true_speedup", "ideal_speedup", "parallel_efficiency"}
LINEAR: dict[Key, Callable[[Sequence[Call]], float]] = {
    BALANCE: lambda dual: 50 * balance(dual),
    BALANCE_SPEEDUP: balance,
    ("tok_per_s_delta", "apart", "all"): lambda dual: (
        mean_rate(of("collector", dual)) - mean_rate(of("insight", dual))
    ),
    ("ttft_delta_ms", "apart", "all"): lambda dual: (
        mean_ttft_ms(of("collector", dual)) - mean_ttft_ms(of("insight", dual))
    ),
}
TTFT_RATE, BALANCE_RATE, SLOWDOWN_RATE = RATES = tuple(
    (f"{name}_contention_pct", "apart", "all") for name in ("ttft", "balance", "slowdown")
)
BOUNDS = {BALANCE: 100.0, BALANCE_SPEEDUP: 2.0, **dict.fromkeys(FAIRNESS, 1.0)}
WORDS = {
    "weighted_speedup": "Weighted speedup",
    "true_speedup": "True speedup",
    "mean_slowdown": "Mean slowdown",
    "fairness": "Fairness",
    "against_shared": "Two servers against one",
    "ideal_speedup": "Ideal speedup",
    "parallel_efficiency": "Parallel efficiency",
    "throughput_scaling": "Throughput scaling",
    "slowdown": "Slowdown",
    "decode_slowdown": "Slowdown while all decode",
    "prompt_slowdown": "Slowdown in its prompts",
    "ttft_ratio": "TTFT ratio",
    "balance_efficiency_pct": "Balance efficiency (the report's)",
    "balance_speedup": "Balance speedup (the report's)",
    "tok_per_s_delta": "Throughput delta",
    "ttft_delta_ms": "TTFT delta",
}
ARM_WORDS = {"apart": "two servers", "shared": "one server"}


def named(key: Key) -> str:
    """What the page calls an estimate; the arm is named where a metric has several."""
    metric, arm, agent = key
    several = metric in {*EACH_ARM, "slowdown", "fairness"}
    parts = [
        WORDS[metric],
        *([agent] if agent != "all" else []),
        *([ARM_WORDS[arm]] if several else []),
    ]
    return ", ".join(parts)
