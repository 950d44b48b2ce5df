"""The report's own figures: how equal agents are while together. They are no speedup."""

from __future__ import annotations

import pytest

from dualollama_pipeline.metrics.run import (
    balance_efficiency_pct,
    balance_speedup,
    decode_overlap,
)
from dualollama_pipeline.metrics.window import Span

NAN = float("nan")


def test_balance_of_two_agents() -> None:
    """The published figures: 58 s and 60 s together within 60 s."""
    # (58 + 60) / 60 = 1.96666...; 100 x 1.96666 / 2 = 98.3333 %
    speedup = balance_speedup([58.0, 60.0], 60.0)
    assert speedup == pytest.approx(118 / 60)
    assert balance_efficiency_pct(speedup, 2) == pytest.approx(98.3333333333)


@pytest.mark.parametrize(("t_a", "t_b"), [(58.0, 60.0), (10.0, 60.0), (3.0, 3.0)])
def test_efficiency_says_only_how_equal_the_durations_are(t_a: float, t_b: float) -> None:
    """METHOD section 1: E = 100 - 50 |t_A - t_B| / max, whatever the servers do."""
    speedup = balance_speedup([t_a, t_b], max(t_a, t_b))
    expected = 100 - 50 * abs(t_a - t_b) / max(t_a, t_b)
    assert balance_efficiency_pct(speedup, 2) == pytest.approx(expected)
    assert 1 < speedup <= 2


def test_balance_of_three_agents() -> None:
    """A factor 50 instead of 100 / N is right for two agents only."""
    # (30 + 45 + 60) / 60 = 2.25; 100 x 2.25 / 3 = 75 %
    speedup = balance_speedup([30.0, 45.0, 60.0], 60.0)
    assert speedup == pytest.approx(2.25)
    assert balance_efficiency_pct(speedup, 3) == pytest.approx(75.0)


def test_balance_with_a_missing_duration_is_unknown() -> None:
    """A failed agent of duration 0 was once the study's only contention event."""
    assert balance_speedup([58.0, NAN], 60.0) == pytest.approx(NAN, nan_ok=True)
    assert balance_speedup([58.0, 60.0], NAN) == pytest.approx(NAN, nan_ok=True)
    assert balance_efficiency_pct(NAN, 2) == pytest.approx(NAN, nan_ok=True)


@pytest.mark.parametrize(
    ("agents", "expected"),
    [
        # the same window: 10 of 10
        ([[(0, 10)], [(0, 10)]], 1.0),
        # together 2..10 = 8; A decodes 10, B decodes 18: 8 / 10
        ([[(0, 10)], [(2, 20)]], 0.8),
        # one after the other, touching: 0 / 10
        ([[(0, 10)], [(10, 20)]], 0.0),
        # one after the other, apart
        ([[(0, 10)], [(15, 20)]], 0.0),
        # B within A: 4 of B's 4
        ([[(0, 10)], [(3, 7)]], 1.0),
        # A 0..10 and 12..20, B 5..15: together 5..10 and 12..15 = 8; A 18, B 10: 8 / 10
        ([[(0, 10), (12, 20)], [(5, 15)]], 0.8),
        # A 0..4, 6..10; B 4..6, 10..12: they take turns: 0 / 4
        ([[(0, 4), (6, 10)], [(4, 6), (10, 12)]], 0.0),
        # A 0..4, 6..10 (8); B 2..8, 9..13 (10): together 2..4, 6..8, 9..10 = 5: 5 / 8
        ([[(0, 4), (6, 10)], [(2, 8), (9, 13)]], 0.625),
        # three: all only within 4..6 = 2; shortest is C with 5: 2 / 5
        ([[(0, 6)], [(2, 10)], [(4, 9)]], 0.4),
        # three, of which two never meet: never all at once
        ([[(0, 5)], [(0, 10)], [(6, 10)]], 0.0),
        # one agent's calls that follow without a gap are not two agents
        ([[(0, 5), (5, 10)], [(0, 10)]], 1.0),
        # large instants, as nanoseconds are
        ([[(10**15, 10**15 + 10)], [(10**15 + 5, 10**15 + 15)]], 0.5),
    ],
)
def test_decode_overlap(agents: list[list[Span]], expected: float) -> None:
    """Wall times overlap even when one server takes the agents in turn; decode windows do not."""
    assert decode_overlap(agents) == pytest.approx(expected)
    assert decode_overlap(agents[::-1]) == pytest.approx(expected)  # whoever is named first


@pytest.mark.parametrize("windows", [[], [(3.0, 3.0)]])
def test_an_agent_that_never_decodes_has_no_overlap(windows: list[Span]) -> None:
    """0/0: neither "side by side" nor "in turn"."""
    assert decode_overlap([[(0.0, 10.0)], windows]) == pytest.approx(NAN, nan_ok=True)
