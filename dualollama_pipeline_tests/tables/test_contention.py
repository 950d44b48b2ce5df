"""Three detectors on the same trials: each firing and not firing, and null where it cannot know."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from dualollama_pipeline.core.records import CallRecord, TrialRecord
from dualollama_pipeline_tests.tables.journals import (
    block_of,
    call,
    failed,
    row,
    stages,
    tables_of,
    unsent,
)


def dual(block: int, trials: list[TrialRecord]) -> dict[str, Any]:
    return row(tables_of(trials).runs, arm="apart", block=block)


def solo_a(ttft_analysis: float, ttft_report: float) -> list[CallRecord]:
    """The collector alone with these times to the first token."""
    return [
        call("collector", "analysis", 0, 5_000, ttft=ttft_analysis),
        call("collector", "report", 5_000, 5_000, ttft=ttft_report),
    ]


def pair(ttft_analysis: float = 250, ttft_report: float = 250) -> list[CallRecord]:
    """A dual trial in which the collector waits this long."""
    return [
        call("collector", "analysis", 0, 9_000, ttft=ttft_analysis),
        call("collector", "report", 9_000, 9_000, ttft=ttft_report),
        *stages("insight", 9_000),
    ]


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        (pair(3_250, 250), False),  # 250 + 3000 = 3250, not above
        (pair(3_251, 250), True),
        (pair(250, 3_251), True),  # any call of any agent
    ],
)
def test_ttft_rule(calls: list[CallRecord], expected: bool) -> None:
    """The report's rule, with the margin of 3000 ms on that agent's own solo time."""
    made = dual(1, block_of(apart=calls))
    assert made["ttft_contention"] is expected
    assert made["balance_contention"] is False


def test_the_ttft_baseline_is_the_median_of_all_blocks() -> None:
    """One slow solo call would lift a mean: (250 + 250 + 4000) / 3 + 3000 = 4500."""
    slow = block_of(3, solo_collector=solo_a(4_000, 250))
    trials = [*block_of(1, apart=pair(3_500, 250)), *block_of(2), *slow]
    assert dual(1, trials)["ttft_contention"] is True  # 3500 > 250 + 3000


def test_the_ttft_baseline_is_that_of_the_same_stage() -> None:
    """A long second prompt is no contention: report alone takes 4000 ms too."""
    waits_at_report = solo_a(250, 4_000)
    made = dual(1, block_of(solo_collector=waits_at_report, apart=pair(250, 6_500)))
    assert made["ttft_contention"] is False  # 6500 < 4000 + 3000
    made = dual(1, block_of(solo_collector=waits_at_report, apart=pair(6_500, 250)))
    assert made["ttft_contention"] is True  # 6500 > 250 + 3000


def test_without_a_solo_baseline_the_ttft_rule_says_nothing() -> None:
    """`False` would count as a trial without contention."""
    made = dual(1, block_of(solo_collector=[failed(), unsent()], apart=pair(8_000, 250)))
    assert pd.isna(made["ttft_contention"])
    assert made["balance_contention"] is False


@pytest.mark.parametrize(
    ("collector_ms", "expected"),
    [
        (4_999, True),  # (9.998 + 20) / 20 = 1.4999
        (5_000, False),  # (10 + 20) / 20 = 1.5
        (9_000, False),
    ],
)
def test_balance_rule(collector_ms: float, expected: bool) -> None:
    """It fires on unequal lengths; that is why it needs company."""
    calls = [*stages("collector", collector_ms), *stages("insight", 10_000)]
    made = dual(1, block_of(apart=calls))
    assert made["balance_contention"] is expected
    assert made["ttft_contention"] is False
    assert made["slowdown_contention"] is False  # one block is its own median


@pytest.mark.parametrize(
    ("collector_ms", "expected"),
    [
        # its window is the other's 20 s, in which it does a call and a part of the second
        (18_000, False),  # 20 s / (5 s + 9 % of 5 s) is within 2 x the median 1.8
        (21_000, True),  # 20 s / 4.75 s
    ],
)
def test_slowdown_rule(collector_ms: float, expected: bool) -> None:
    """Against 1 instead of the usual slowdown, every pair would be contended."""
    slow = block_of(3, apart=[*stages("collector", collector_ms), *stages("insight", 10_000)])
    trials = [*block_of(1), *block_of(2), *slow]
    assert dual(3, trials)["slowdown_contention"] is expected
    assert dual(1, trials)["slowdown_contention"] is False


def test_slowdown_is_taken_within_the_block_and_compared_within_the_arm() -> None:
    """A slow night block is slow alone too; and `single` is always slower than `dual`."""
    slow = block_of(
        3,
        solo_collector=stages("collector", 20_000),
        apart=[*stages("collector", 36_000), *stages("insight", 10_000)],  # 72 / 40 = 1.8
    )
    tables = tables_of([*block_of(1), *block_of(2), *slow])
    assert not tables.runs["slowdown_contention"].any()
    pairs = tables.runs[tables.runs["arm"].isin(["apart", "shared"])]
    assert pairs["slowdown_contention"].notna().all()
    assert len(pairs) == 6


def test_without_a_solo_time_in_its_block_the_slowdown_rule_says_nothing() -> None:
    """The other blocks' solo times are not this block's."""
    trials = [*block_of(1), *block_of(2, solo_insight=[failed("insight"), unsent("insight")])]
    assert pd.isna(dual(2, trials)["slowdown_contention"])
    assert dual(1, trials)["slowdown_contention"] is False


def test_all_three_judge_single_as_well() -> None:
    """Queueing on one server is what the ttft rule was made for."""
    queued = [
        *stages("collector", 9_000, server="a"),
        *stages("insight", 18_000, ttft=9_500, server="a"),
    ]
    made = row(tables_of(block_of(shared=queued)).runs, arm="shared")
    assert made["ttft_contention"] is True  # 9500 > 250 + 3000
    assert made["balance_contention"] is False  # (18 + 36) / 36 = 1.5
