"""Three rules that call a trial contended; they disagree, so each keeps its name (METHOD 2)."""

from __future__ import annotations

TTFT_MARGIN_MS = 3000.0
BALANCE_LIMIT = 1.5
SLOWDOWN_FACTOR = 2.0


def ttft_contention(ttft_ms: float, solo_median_ttft_ms: float) -> bool:
    """Return the report's rule (section 2.4): TTFT more than 3 s above that agent's solo median."""
    return ttft_ms > solo_median_ttft_ms + TTFT_MARGIN_MS


def balance_contention(speedup: float) -> bool:
    """Return the original program's rule: balance speedup below 1.5."""
    return speedup < BALANCE_LIMIT


def slowdown_contention(slowdown: float, median_slowdown: float) -> bool:
    """Return whether an agent was slowed down twice as much as is usual in its configuration."""
    return slowdown > SLOWDOWN_FACTOR * median_slowdown
