"""What the arms of one block say together: speedups and their relatives (METHOD section 2).

All durations of a formula come from the same block, so that what drifts cancels out. Lists hold
one entry for each agent, in one order.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

NAN = float("nan")


def solo_time(ttft: float, tpot: float, n_tokens: float) -> float:
    """Return how long a call of `n_tokens` takes alone, in the unit of `ttft` and `tpot`.

    Formula: ttft_solo + (n - 1) x tpot_solo (METHOD section 2); a single token takes `ttft`.
    """
    return ttft + (n_tokens - 1) * tpot if n_tokens > 1 else ttft


def true_speedup(in_turn_s: Sequence[float], pair_wall_s: float) -> float:
    """Together against one after the other, in time: 1 is no gain, below 1 a loss.

    Formula: sum of the agents' solo times for the work of the pair / wall time together (METHOD
    section 2). With the solo walls themselves it is the exact form, for equal work.
    """
    return sum(in_turn_s) / pair_wall_s


def weighted_speedup(slowdowns: Sequence[float]) -> float:
    """Together against one after the other, in rates: N is as if alone, 1 like taking turns.

    Formula: sum_i 1 / slowdown_i (Snavely and Tullsen, ASPLOS 2000; METHOD section 2).
    """
    return sum(1 / each for each in slowdowns)


def ideal_speedup(in_turn_s: Sequence[float]) -> float:
    """Return the true speedup that agents would reach if they did not disturb each other.

    Formula: sum of the solo times / the longest of them (METHOD section 2).
    """
    return sum(in_turn_s) / _longest(in_turn_s)


def parallel_efficiency(in_turn_s: Sequence[float], pair_wall_s: float) -> float:
    """Return the share of the ideal speedup that was reached.

    Formula: the longest solo time / wall time together (METHOD section 2).
    """
    return _longest(in_turn_s) / pair_wall_s


def _longest(times_s: Sequence[float]) -> float:
    """Return the maximum; nan if one is missing (`max` would answer by their order)."""
    return NAN if any(map(math.isnan, times_s)) else max(times_s)


def slowdown(together: float, alone: float) -> float:
    """Return how many times longer the same work takes together than alone (METHOD section 2).

    Infinite where time passed and nothing was done: a queue of three lets one agent wait for all
    of the window, and 1 / slowdown is its part, 0.
    """
    if alone == 0 and together > 0:
        return math.inf
    return together / alone if alone > 0 else NAN


def mean_slowdown(slowdowns: Sequence[float]) -> float:
    """Return how many times longer the agents take together, on average; nan without an end.

    Formula: mean_i(slowdown_i) (ANTT: Eyerman and Eeckhout, IEEE Micro 2008).
    """
    mean = sum(slowdowns) / len(slowdowns)
    return mean if math.isfinite(mean) else NAN


def fairness(slowdowns: Sequence[float]) -> float:
    """Return how evenly agents suffer: 1 is alike, near 0 one pays for the others.

    Formula: least slowdown / greatest slowdown (METHOD section 2).
    """
    return NAN if any(map(math.isnan, slowdowns)) else min(slowdowns) / max(slowdowns)


def throughput_scaling(
    pair_tokens: float,
    pair_wall_s: float,
    solo_tokens: Sequence[float],
    solo_walls_s: Sequence[float],
) -> float:
    """Return the pair's tokens per second over the mean of the solo rates (METHOD section 2)."""
    rates = [tokens / wall for tokens, wall in zip(solo_tokens, solo_walls_s, strict=True)]
    return (pair_tokens / pair_wall_s) / (sum(rates) / len(rates))
