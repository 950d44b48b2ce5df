"""Numbers that passed through 32 bits: 0.800000011920929 was written 0.8."""

from __future__ import annotations

from typing import Any

import numpy as np

LARGEST = float(np.finfo(np.float32).max)


def as_meant(value: Any) -> Any:
    """Return the shortest decimal with the same 32-bit value; other values as they are.

    A number that 32 bits cannot hold exactly never passed through them and is left alone.
    """
    if not isinstance(value, float) or not abs(value) <= LARGEST:
        return value
    narrow = np.float32(value)
    return float(str(narrow)) if float(narrow) == value else value
