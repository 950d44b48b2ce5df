"""What the server says about time against what the client saw: figures that cannot be true.

A contradiction makes a call failed (kind `metrics`), never a data point. What is merely odd is
judged later, by tables/validity.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.core.units import NS_PER_MS, ns_to_ms

if TYPE_CHECKING:
    from dualollama_pipeline.core.records import ServerCounters

# Both sides read monotonic clocks of one machine or network; what is beyond this is no rounding.
TOLERANCE_NS = 20 * NS_PER_MS


def contradiction(
    counters: ServerCounters, ttft_ns: int | None, end_to_end_ns: int | None
) -> str | None:
    """Return the first relation between times that is violated, in words; None if all hold.

    Relations (OLLAMA.md section F): load + prompt + eval <= total <= client's end to end;
    load + prompt <= client's TTFT; a relation with an absent figure says nothing.
    """
    load, prompt = counters.load_duration, counters.prompt_eval_duration
    before_first = _sum(load, prompt)
    parts = _sum(before_first, counters.eval_duration)
    relations = (
        ("load + prompt + eval", parts, "total_duration", counters.total_duration),
        ("total_duration", counters.total_duration, "the client's end to end", end_to_end_ns),
        ("eval_duration", counters.eval_duration, "the client's end to end", end_to_end_ns),
        ("load + prompt", before_first, "the client's TTFT", ttft_ns),
    )
    for name, smaller, other, larger in relations:
        if smaller is not None and larger is not None and smaller > larger + TOLERANCE_NS:
            return (
                f"{name} ({ns_to_ms(smaller):.0f} ms) exceeds {other} ({ns_to_ms(larger):.0f} ms)"
            )
    return None


def _sum(first: int | None, second: int | None) -> int | None:
    """Add what is there: Ollama omits a zero, and a part alone is a bound as well."""
    return None if first is None and second is None else (first or 0) + (second or 0)
