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
    Call,
    ttft_ms,
)
from dualollama_pipeline_tests.end_to_end.rederive.ledger import Number, Row, number

ARMS = {
    "alone": ("solo_collector", "solo_insight"),
    "two servers": ("apart",),
    "one server": ("shared",),
}
LEAST_N = {90: 20, 95: 40, 99: 100}


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
