"""Conversions; the trap is a missing value that becomes zero on the way."""

from __future__ import annotations

import pytest

from dualollama_pipeline.core.units import ns_to_ms


def test_nanoseconds() -> None:
    """A factor of a thousand between columns is the classic among unit errors."""
    assert ns_to_ms(1_500_000) == pytest.approx(1.5)


def test_missing_stays_missing_and_zero_stays_zero() -> None:
    """`value or None` would swap the two."""
    assert ns_to_ms(None) is None
    assert ns_to_ms(0) == 0
