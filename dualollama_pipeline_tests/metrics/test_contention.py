"""Three rules of contention: each at its limit, where `>` and `>=` part."""

from __future__ import annotations

import math

import pytest

from dualollama_pipeline.metrics.run import (
    balance_contention,
    slowdown_contention,
    ttft_contention,
)


@pytest.mark.parametrize(
    ("ttft_ms", "expected"), [(3249.0, False), (3250.0, False), (3250.1, True), (100.0, False)]
)
def test_the_reports_rule_is_more_than_3_s_above_solo(ttft_ms: float, expected: bool) -> None:
    """A factor instead of a margin, or seconds for milliseconds, would fire always or never."""
    assert ttft_contention(ttft_ms, 250.0) is expected


@pytest.mark.parametrize(("speedup", "expected"), [(1.49, True), (1.5, False), (1.51, False)])
def test_the_programs_rule_is_below_one_and_a_half(speedup: float, expected: bool) -> None:
    """It fired once in 135 runs, on a call that had failed."""
    assert balance_contention(speedup) is expected


@pytest.mark.parametrize(("slowdown", "expected"), [(3.1, True), (3.0, False), (1.6, False)])
def test_the_slowdown_rule_is_twice_the_median(slowdown: float, expected: bool) -> None:
    """Compared with 1 instead of the median, every pair would be contended."""
    assert slowdown_contention(slowdown, 1.5) is expected


def test_nothing_is_said_of_what_is_missing() -> None:
    """A missing value compares false: the tables must keep null apart from `not contended`."""
    assert not ttft_contention(math.nan, 250.0)
    assert not balance_contention(math.nan)
