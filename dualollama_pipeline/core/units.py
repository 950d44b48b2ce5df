"""Conversions between the units that column names carry. None stays None: missing is never zero."""

from __future__ import annotations

from typing import overload

NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000
MS_PER_S = 1000.0


@overload
def ns_to_ms(value_ns: None) -> None: ...
@overload
def ns_to_ms(value_ns: float) -> float: ...
def ns_to_ms(value_ns: float | None) -> float | None:
    """Nanoseconds to milliseconds."""
    return None if value_ns is None else value_ns / NS_PER_MS
