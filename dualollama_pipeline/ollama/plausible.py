"""What the server says about time against what the client saw: figures that cannot be true.

A contradiction makes a call failed (kind `metrics`), never a data point. What two clocks of
different rate could explain is judged later, when the whole batch is known (tables/validity.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.core.units import NS_PER_MS, ns_to_ms

if TYPE_CHECKING:
    from dualollama_pipeline.core.records import ServerCounters

TOLERANCE_NS = 20 * NS_PER_MS  # beyond this is no rounding
CLOCKS_DIFFER_BY = 1.15  # WSL2's clock was seen 7 % fast; nothing that keeps time is 15 % off


def contradiction(
    counters: ServerCounters, ttft_ns: int | None, end_to_end_ns: int | None
) -> str | None:
    """Return the first relation between times that is violated, in words; None if all hold.

    Relations (OLLAMA.md section F): load + prompt + eval <= total, all by the server's clock;
    total and eval <= client's end to end, load + prompt <= client's TTFT, by two clocks. A relation
    with an absent figure says nothing.
    """
    load, prompt = counters.load_duration, counters.prompt_eval_duration
    before_first = _sum(load, prompt)
    parts = _sum(before_first, counters.eval_duration)
    of_client = "the client's end to end", end_to_end_ns, CLOCKS_DIFFER_BY
    relations = (
        ("load + prompt + eval", parts, "total_duration", counters.total_duration, 1.0),
        ("total_duration", counters.total_duration, *of_client),
        ("eval_duration", counters.eval_duration, *of_client),
        ("load + prompt", before_first, "the client's TTFT", ttft_ns, CLOCKS_DIFFER_BY),
    )
    for name, smaller, other, larger, rates in relations:
        if smaller is None or larger is None:
            continue
        if smaller > larger * rates + TOLERANCE_NS:
            return (
                f"{name} ({ns_to_ms(smaller):.0f} ms) exceeds {other} ({ns_to_ms(larger):.0f} ms)"
            )
    return None


def _sum(first: int | None, second: int | None) -> int | None:
    """Add what is there: Ollama omits a zero, and a part alone is a bound as well."""
    return None if first is None and second is None else (first or 0) + (second or 0)
