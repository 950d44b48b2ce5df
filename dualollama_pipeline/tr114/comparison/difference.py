"""A difference between two sides, and whether it justifies naming a winner."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

NAN = float("nan")
Winner = Literal["left", "right", ""]


@dataclass(frozen=True)
class Difference:
    """Right less left with its 95 % interval; an obstacle forbids a winner whatever they say."""

    value: float
    low: float = NAN
    high: float = NAN
    obstacle: str = ""
    larger_is_better: bool = True

    def verdict(self) -> tuple[Winner, str]:
        """Return (left, right or empty, why)."""
        if self.obstacle:
            return "", self.obstacle
        if math.isnan(self.low) or math.isnan(self.high):
            return "", "no winner: the difference has no interval"
        if self.low <= 0 <= self.high:
            return "", "no winner: the interval of the difference holds zero"
        right = (self.value > 0) == self.larger_is_better
        return ("right" if right else "left"), "the interval of the difference excludes zero"
