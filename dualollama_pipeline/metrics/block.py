"""What the arms of one block say together: the true speedup and its relatives (METHOD section 2).

All durations of a formula come from the same block, so that what drifts cancels out. Lists hold
one entry for each agent, in one order.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def true_speedup(solo_walls_s: Sequence[float], pair_wall_s: float) -> float:
    """Together against one after the other: 1 is no gain, below 1 a loss.

    Formula: sum of the solo wall times / wall time together (METHOD section 2).
    """
    return sum(solo_walls_s) / pair_wall_s


def ideal_speedup(solo_walls_s: Sequence[float]) -> float:
    """Return the true speedup that agents would reach if they did not disturb each other.

    Formula: sum of the solo wall times / the longest of them (METHOD section 2).
    """
    return sum(solo_walls_s) / _longest(solo_walls_s)


def parallel_efficiency(solo_walls_s: Sequence[float], pair_wall_s: float) -> float:
    """Return the share of the ideal speedup that was reached.

    Formula: the longest solo wall time / wall time together (METHOD section 2).
    """
    return _longest(solo_walls_s) / pair_wall_s


def _longest(walls_s: Sequence[float]) -> float:
    """Return the maximum; nan if one is missing (`max` would answer by their order)."""
    return float("nan") if any(map(math.isnan, walls_s)) else max(walls_s)


def per_token_speedup(
    solo_walls_s: Sequence[float],
    solo_tokens: Sequence[float],
    pair_tokens: Sequence[float],
    pair_wall_s: float,
) -> float:
    """Return the true speedup with each agent's solo time scaled to the tokens it made together.

    Formula: sum_i (T_solo_i / n_solo_i x n_pair_i) / wall time together (METHOD section 2).
    """
    scaled = [
        wall / alone * together
        for wall, alone, together in zip(solo_walls_s, solo_tokens, pair_tokens, strict=True)
    ]
    return sum(scaled) / pair_wall_s


def slowdown(pair_duration_s: float, solo_duration_s: float) -> float:
    """Return how many times longer an agent takes together than alone (METHOD section 2)."""
    return pair_duration_s / solo_duration_s


def throughput_scaling(
    pair_tokens: Sequence[float],
    pair_wall_s: float,
    solo_tokens: Sequence[float],
    solo_walls_s: Sequence[float],
) -> float:
    """Return the pair's tokens per second over the mean of the solo rates (METHOD section 2)."""
    rates = [tokens / wall for tokens, wall in zip(solo_tokens, solo_walls_s, strict=True)]
    return (sum(pair_tokens) / pair_wall_s) / (sum(rates) / len(rates))
