"""What was done in the window in which all agents run: from its start to the first agent's end.

Agents that finish at different times make whole durations incomparable: one ends, the other runs on
alone. Inside the window both are there all the time (METHOD section 2). All instants in one unit.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

Span = tuple[float, float]
CLUMP = 4.0  # pieces an arrival, on average
MIN_PIECES = 8  # fewer say nothing about how they arrive
SAME_ARRIVAL = 0.05  # of the mean gap: pieces closer than that came together


class Spoken(NamedTuple):
    """One answered call: request, first text (its end if there was none), end, and its pieces."""

    sent: float
    first: float
    end: float
    prompt: float  # the server's own prompt time
    n_tokens: float
    pieces: Sequence[float]  # when each record with text arrived


def tokens_until(call: Spoken, instant: float) -> float:
    """Return the tokens made by then: all x pieces so far / all pieces (METHOD section 2)."""
    if call.end <= instant:
        return call.n_tokens
    if not call.pieces:
        return 0.0
    return call.n_tokens * bisect_right(call.pieces, instant) / len(call.pieces)


def prompt_share_until(call: Spoken, instant: float) -> float:
    """Return how much of the prompt was read by then, 0 to 1, by the server's own prompt time.

    The reading ends with the first token; what came before it was waiting, and counts nothing.
    """
    if call.first <= instant:
        return 1.0
    if not call.prompt > 0:
        return 0.0
    return min(1.0, max(0.0, (instant - (call.first - call.prompt)) / call.prompt))


def all_active(agents: Sequence[Sequence[Span]]) -> list[Span]:
    """Return when all agents are active at once; each holds intervals that do not overlap."""
    edges = sorted(
        (instant, step)
        for mine in agents
        for start, end in mine
        for instant, step in ((start, 1), (end, -1))
    )
    found, active, before = [], 0, 0.0
    for instant, step in edges:
        if active == len(agents) and instant > before:
            found.append((before, instant))
        active, before = active + step, instant
    return found


def within(call: Spoken, spans: Sequence[Span]) -> tuple[float, float]:
    """Return (time, tokens) of a call's decoding inside the spans."""
    time, tokens = 0.0, 0.0
    for start, end in spans:
        first, last = max(start, call.first), min(end, call.end)
        if last > first:
            time += last - first
            tokens += tokens_until(call, last) - tokens_until(call, first)
    return time, tokens


def is_clumped(pieces: Sequence[float]) -> bool:
    """Say whether pieces arrive in clumps: something in between buffers, so stamps are too late."""
    if len(pieces) < MIN_PIECES:
        return False
    together = SAME_ARRIVAL * (pieces[-1] - pieces[0]) / (len(pieces) - 1)
    arrivals = 1 + sum(later - earlier > together for earlier, later in pairwise(pieces))
    return len(pieces) / arrivals > CLUMP
