"""What one trial of several agents says by itself: the report's own figures (METHOD section 1).

They compare agents with each other while they run together; nothing here knows how long an agent
takes alone, so nothing here is a speedup. That is block.py's business.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.metrics.window import all_active

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dualollama_pipeline.metrics.window import Span


def balance_speedup(durations_s: Sequence[float], wall_s: float) -> float:
    """Return what the report calls concurrency speedup: how equal the finish times are.

    Formula: sum of the agents' durations while together / wall time (TR114 section 2.4).
    """
    return sum(durations_s) / wall_s


def balance_efficiency_pct(speedup: float, n_agents: int) -> float:
    """Return what the report calls efficiency, in percent.

    Formula: 100 x balance_speedup / number of agents (TR114 section 2.4; 50 x for two).
    """
    return 100 * speedup / n_agents


def decode_overlap(agents: Sequence[Sequence[Span]]) -> float:
    """Return how far all agents decoded at the same time, 0 to 1.

    `agents` holds for each agent its decode windows (first token to end of each call), in any one
    unit; windows of one agent do not overlap. Formula: time in which all decode / decoding time of
    the agent that decodes least (OLLAMA.md section F).
    """
    together = sum(end - start for start, end in all_active(agents))
    shortest = min(sum(end - start for start, end in calls) for calls in agents)
    return together / shortest if shortest > 0 else float("nan")


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
