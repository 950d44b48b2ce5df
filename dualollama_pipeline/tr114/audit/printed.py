"""A figure as printed: its numbers, and what its last digit is worth."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NUMBER = r"[+-]?\d+(?:\.\d+)?"
_SINGLE = re.compile(rf"~?({_NUMBER})")
_RANGE = re.compile(rf"~?({_NUMBER})-(\d+(?:\.\d+)?)")


def _decimals(text: str) -> int:
    return len(text.partition(".")[2])


@dataclass(frozen=True)
class Printed:
    """One number (low = high) or a range, with the decimals that were printed."""

    low: float
    high: float
    decimals: int
    zeros: int = 0

    @classmethod
    def parse(cls, text: str) -> Printed:
        """Read "99.80", "~45", "3-4" or "-10-14" (both ends negative).

        Raises:
            ValueError: it is no number and no range.
        """
        single = _SINGLE.fullmatch(text)
        if single:
            number = single[1]
            fraction = number.partition(".")[2]
            padded = len(fraction) - len(fraction.rstrip("0"))
            return cls(float(number), float(number), len(fraction), padded)
        ends = _RANGE.fullmatch(text)
        if ends is None:
            msg = f"{text!r} is no printed number"
            raise ValueError(msg)
        low, high = float(ends[1]), float(ends[2])
        if low < 0:
            high = -high  # "-10-14" reads from -10 to -14
        return cls(low, high, max(_decimals(ends[1]), _decimals(ends[2])))

    @property
    def is_range(self) -> bool:
        """Whether two ends are printed."""
        return self.low != self.high

    @property
    def unit(self) -> float:
        """What one step of the last printed digit is worth."""
        return float(10.0**-self.decimals)

    @property
    def unpadded_unit(self) -> float:
        """The same without zeros at the end: 99.950 may be 99.95 padded."""
        return float(10.0 ** -(self.decimals - self.zeros))
