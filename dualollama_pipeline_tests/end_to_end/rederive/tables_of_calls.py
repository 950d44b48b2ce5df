"""Tables of single calls: the course of one pair, and the delays by arm."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import median

from dualollama_pipeline_tests.end_to_end.rederive import judged
from dualollama_pipeline_tests.end_to_end.rederive.arithmetic import (
    NOTHING,
    Interval,
    order_interval,
    quantile,
)
from dualollama_pipeline_tests.end_to_end.rederive.evidence import Evidence
from dualollama_pipeline_tests.end_to_end.rederive.journals import (
    NS_PER_MS,
    NS_PER_S,
    Call,
    of,
    ttft_ms,
)
from dualollama_pipeline_tests.end_to_end.rederive.ledger import Number, Row, number
from dualollama_pipeline_tests.end_to_end.rederive.ratios import SECONDS, SHARED_SECONDS

LANES = {
    "one after the other": ("solo_collector", "solo_insight"),
    "two servers": ("apart",),
    "one server": ("shared",),
}
ARMS = {
    "alone": ("solo_collector", "solo_insight"),
    "two servers": ("apart",),
    "one server": ("shared",),
}
LEAST_N = {90: 20, 95: 40, 99: 100}


def course(evidence: Evidence) -> list[Row]:
    """The block of median true speedup (the lower of two) that counts and reloads nothing."""
    single = {(v.config_id, v.block) for v in evidence.counting(SHARED_SECONDS, pooled=True)}
    candidates = sorted(
        (v.known, v.config_id, v.block)
        for v in evidence.counting(SECONDS)
        if (v.config_id, v.block) in single
    )
    _, config_id, place = candidates[(len(candidates) - 1) // 2]
    batch = next(each for each in evidence.current if each.config_id == config_id)
    block = batch.blocks[place]
    rows: list[Row] = []
    for lane, arms in LANES.items():
        begun_s = 0.0
        for role in ("collector", "insight"):
            calls = of(role, [call for arm in arms for call in block[arm].calls])
            rows += [lane_row(f"{lane}: {role}", call, calls[0], begun_s) for call in calls]
            if len(arms) > 1:  # the other agent begins when this one has ended
                begun_s += (calls[-1]["end_ns"] - calls[0]["sent_ns"]) / NS_PER_S
    return rows


def lane_row(lane: str, call: Call, first: Call, begun_s: float) -> Row:
    sent, heard, end = (
        begun_s + (call[name] - first["sent_ns"]) / NS_PER_S
        for name in ("sent_ns", "first_token_ns", "end_ns")
    )
    times = map(number, (sent, heard, end, heard - sent, end - heard))
    return [
        lane,
        f"{call['agent']}: {call['stage']}",
        *times,
        number(call["counters"]["eval_count"]),
    ]


def gaps_ms(call: Call) -> list[float]:
    return [(later - earlier) / NS_PER_MS for earlier, later in pairwise(call["chunk_ns"])]


QUANTITIES: dict[str, Callable[[Call], float]] = {
    "Time to first token": ttft_ms,
    "Gap between records: median of a call": lambda c: median(gaps_ms(c)),
    "Gap between records: 99th percentile of a call": lambda c: quantile(gaps_ms(c), 0.99),
    "Gap between records: longest of a call": lambda c: max(gaps_ms(c)),
}


def delays(evidence: Evidence) -> list[Row]:
    """Quantiles over all calls that were answered, of all attempts."""
    answered = {
        name: [
            call
            for batch in evidence.current
            for arm in arms
            for call in judged.counting_calls(batch, arm)
        ]
        for name, arms in ARMS.items()
    }
    rows: list[Row] = []
    for quantity, formula in QUANTITIES.items():
        for name, calls in answered.items():
            values = [formula(call) for call in calls]
            tails = [of_quantile(values, share) for share in (50, 90, 95, 99)]
            rows.append([name, quantity, *tails, number(max(values), len(values))])
    return rows


def of_quantile(values: Sequence[float], share: int) -> Number:
    """A quantile with its interval, where n supports it."""
    n = len(values)
    if n < LEAST_N.get(share, 1):
        return Number(NOTHING, n)
    ends = order_interval(values, share / 100)
    return Number(Interval(quantile(values, share / 100), *ends), n)
