"""Virtual instants, to the nanosecond."""

from __future__ import annotations

import pytest

from dualollama_pipeline.worker.clock import instant_ns


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-01T00:00:00.000000000Z", 0),
        ("2026-01-01T00:00:01.000000002Z", 1_000_000_002),
        ("2026-01-02T00:00:00.999999999Z", 86_400_999_999_999),
    ],
)
def test_all_nine_digits_count(text: str, expected: int) -> None:
    """The standard library keeps six digits: tables would differ in the last bits."""
    assert instant_ns(text) == expected
