"""Which part of a decode ran beside the partner, and which part alone. Seconds on one axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dualollama_pipeline.metrics.window import Span


class CallTimes(NamedTuple):
    """One call: sent, prompt evaluation begun, first token, end."""

    start: float
    prompt: float
    first: float
    end: float

    @property
    def decode(self) -> Span:
        """First token to end."""
        return self.first, self.end

    @property
    def busy(self) -> Span:
        """When the call works on the GPU: prompt evaluation and decode; a load does not."""
        return self.prompt, self.end


def split(decode: Span, partner: Sequence[Span]) -> tuple[float, float]:
    """Return (alone, together) seconds of a decode window; the partner's windows are disjoint."""
    begin, end = decode
    together = sum(max(0.0, min(end, stop) - max(begin, start)) for start, stop in partner)
    return max(0.0, end - begin - together), together
