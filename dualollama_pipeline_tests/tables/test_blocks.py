"""`block_table`: the four arms of one repetition, and which of them may be compared.

The trap: a comparison with an arm that is not there, or that did other work.
"""

from __future__ import annotations

import math
from typing import Any

import pytest

from dualollama_pipeline.core.records import CallRecord, TrialRecord
from dualollama_pipeline_tests.tables.journals import (
    block_of,
    call,
    failed,
    row,
    stages,
    tables_of,
    trial,
    unsent,
)

RATIOS_OF_DUAL = [
    "dual_true_speedup",
    "dual_parallel_efficiency",
    "dual_per_token_speedup",
    "dual_collector_slowdown",
    "dual_throughput_scaling",
    "dual_against_single",
]


def block(trials: list[TrialRecord], number: int = 1) -> dict[str, Any]:
    return row(tables_of(trials).blocks, block=number)


def with_tokens(role: str, total: float, tokens: int, **changes: Any) -> list[CallRecord]:
    return stages(role, total, tokens=tokens, **changes)


def test_every_column_of_a_block() -> None:
    """Solo 10 s and 12 s, dual 20 s (18 and 20), single 25 s (22 and 25), 600 tokens an agent."""
    made = block(block_of())
    expected = {
        "solo_a_wall_s": 10.0,
        "solo_b_wall_s": 12.0,
        "dual_wall_s": 20.0,
        "single_wall_s": 25.0,
        "dual_true_speedup": 1.1,  # (10 + 12) / 20
        "single_true_speedup": 0.88,  # (10 + 12) / 25
        "dual_against_single": 1.25,  # 25 / 20
        "ideal_speedup": 22 / 12,
        "dual_parallel_efficiency": 0.6,  # 12 / 20
        "single_parallel_efficiency": 0.48,  # 12 / 25
        "dual_per_token_speedup": 1.1,  # equal work: as the true one
        "single_per_token_speedup": 0.88,
        "dual_collector_slowdown": 1.8,  # 18 / 10
        "dual_insight_slowdown": 20 / 12,
        "single_collector_slowdown": 2.2,  # 22 / 10
        "single_insight_slowdown": 25 / 12,
        "dual_collector_ttft_ratio": 1.0,  # 250 / 250
        "dual_insight_ttft_ratio": 1.0,
        "dual_throughput_scaling": 60 / 55,  # 1200 / 20 = 60; solo 60 and 50, mean 55
    }
    for name, value in expected.items():
        assert made[name] == pytest.approx(value), name
    assert (made["block"], made["n_single_reloads"]) == (1, 0)
    assert (made["in_dual_estimate"], made["in_single_estimate"]) == (True, True)
    assert (made["status"], made["validity"], made["exclusion_reason"]) == ("ok", "VALID", "")


def test_blocks_are_not_mixed_and_come_in_order() -> None:
    """With another block's solo, what drifts over a night would not cancel out."""
    slow = block_of(1, solo_a=stages("collector", 7_000))
    tables = tables_of([*block_of(2), *slow])
    assert list(tables.blocks["block"]) == [1, 2]
    assert list(tables.blocks["solo_a_wall_s"]) == pytest.approx([14.0, 10.0])
    assert list(tables.blocks["dual_true_speedup"]) == pytest.approx([1.3, 1.1])  # (14 + 12) / 20


def test_ttft_ratio_is_dual_over_solo() -> None:
    """Of the mean of both calls, each agent by its own baseline."""
    dual = [*stages("collector", 9_000, ttft=750), *stages("insight", 10_000, ttft=500)]
    made = block(block_of(dual=dual))
    assert made["dual_collector_ttft_ratio"] == pytest.approx(3.0)  # 750 / 250
    assert made["dual_insight_ttft_ratio"] == pytest.approx(2.0)  # 500 / 250


@pytest.mark.parametrize(
    ("calls", "reason"),
    [
        (
            [failed(), unsent()],
            "dual: ended: collector analysis failed (truncated); ended: collector report skip",
        ),
        (
            [*stages("collector", 9_000), failed("insight", "report")],
            "dual: ended: insight report failed",
        ),
        (
            [call("collector", tokens=20), *stages("insight", 9_000)],
            "dual: min_tokens: collector analysis: 20",
        ),
        (
            [*stages("collector", 9_000), *stages("insight", 9_000, 9_000)],
            "dual: overlap: decode windows overlap",
        ),
    ],
)
def test_a_bad_dual_trial_excludes_the_block_with_its_reason(
    calls: list[CallRecord], reason: str
) -> None:
    """Kept and told, and `single` still counts: it needs no dual."""
    made = block(block_of(dual=calls))
    assert not made["in_dual_estimate"]
    assert made["in_single_estimate"]
    assert made["exclusion_reason"].startswith(reason)
    assert made["validity"] == "INVALID"
    assert made["single_true_speedup"] == pytest.approx(0.88)


def test_a_failed_dual_has_no_ratios() -> None:
    """Null, never zero: a speedup of 0 would drag every mean."""
    made = block(block_of(dual=[failed(), unsent(), *stages("insight", 9_000)]))
    assert made["status"] == "failed"
    assert math.isnan(made["dual_wall_s"])
    for name in RATIOS_OF_DUAL:
        assert math.isnan(made[name]), name


@pytest.mark.parametrize(("arm", "role"), [("solo_a", "collector"), ("solo_b", "insight")])
def test_a_bad_solo_trial_excludes_both_estimates(arm: str, role: str) -> None:
    """It is the baseline of both; the reason is told once."""
    made = block(block_of(**{arm: [failed(role), unsent(role)]}))
    assert not made["in_dual_estimate"]
    assert not made["in_single_estimate"]
    assert made["exclusion_reason"] == (
        f"{arm}: ended: {role} analysis failed (truncated); ended: {role} report skipped; "
        "failures: 1 of 2 calls failed"
    )
    for name in ("dual_true_speedup", "single_true_speedup", "ideal_speedup"):
        assert math.isnan(made[name]), name
    assert made["dual_against_single"] == pytest.approx(1.25)  # needs no solo arm


@pytest.mark.parametrize("pair_arm", ["dual", "single"])
def test_without_a_solo_arm_there_is_no_parallel_efficiency(pair_arm: str) -> None:
    """The longest of two cannot be known from one."""
    made = block(block_of(solo_b=[failed("insight"), unsent("insight")]))
    assert math.isnan(made[f"{pair_arm}_parallel_efficiency"])


@pytest.mark.parametrize("missing", ["solo_a", "solo_b", "dual", "single"])
def test_a_missing_arm_is_named(missing: str) -> None:
    """A batch that was stopped within a block."""
    made = block([each for each in block_of() if each.arm != missing])
    assert made["exclusion_reason"] == f"{missing} is missing"
    assert made["in_dual_estimate"] is (missing == "single")
    assert made["in_single_estimate"] is (missing == "dual")
    assert math.isnan(made[f"{missing}_wall_s"])


def test_an_interrupted_attempt_followed_by_an_ok_one_counts() -> None:
    """The batch was resumed; its block is as good as any."""
    stopped = trial("dual", calls=[call(), unsent(status="interrupted")], status="interrupted")
    again = trial("dual", attempt=2, started_at="2026-01-01T01:00:00.000+00:00")
    others = [each for each in block_of() if each.arm != "dual"]
    made = block([*others, stopped, again])
    assert made["in_dual_estimate"]
    assert (made["status"], made["validity"]) == ("ok", "VALID")
    assert made["dual_true_speedup"] == pytest.approx(1.1)


@pytest.mark.parametrize(
    ("tokens", "counts"),
    [(300, True), (330, True), (331, False), (270, True), (269, False)],  # 600 +- 60 an agent
)
def test_unequal_work_excludes_from_the_primary_estimate(tokens: int, counts: bool) -> None:
    """Answers that are a fifth longer are no slowdown; the per-token form still tells."""
    dual = [*with_tokens("collector", 9_000, tokens), *stages("insight", 10_000)]
    made = block(block_of(dual=dual))
    assert made["in_dual_estimate"] is counts
    assert made["in_single_estimate"]
    expected = "" if counts else f"dual: collector made {2 * tokens} tokens, alone 600"
    assert made["exclusion_reason"] == expected
    assert made["validity"] == "VALID"  # nothing is wrong with the trial itself
    # (10 s / 600 x 2 tokens + 12 s / 600 x 600) / 20 s
    assert made["dual_per_token_speedup"] == pytest.approx((10 / 600 * 2 * tokens + 12) / 20)
    assert made["dual_true_speedup"] == pytest.approx(1.1)


def test_each_pair_arm_is_compared_by_its_own_tokens() -> None:
    """A long answer in `single` says nothing against `dual`."""
    single = [
        *stages("collector", 11_000, server="a"),
        *with_tokens("insight", 12_500, 400, server="a"),
    ]
    made = block(block_of(single=single))
    assert (made["in_dual_estimate"], made["in_single_estimate"]) == (True, False)
    assert made["exclusion_reason"] == "single: insight made 800 tokens, alone 600"


def test_reloads_in_single_are_counted_and_do_not_exclude() -> None:
    """The block is flagged: pooled figures leave it out, the configuration's own keep it."""
    reload = {"load": 4_000, "ttft": 4_100, "evaluated": 4_900, "server": "a"}
    single = [*stages("collector", 9_000, server="a"), *stages("insight", 9_000, **reload)]
    made = block(block_of(single=single))
    assert made["n_single_reloads"] == 2
    assert made["in_single_estimate"]
    assert made["validity"] == "VALID"


def test_a_cold_load_in_dual_warns_and_does_not_exclude() -> None:
    """WARN is a footnote; only INVALID rows are left out."""
    cold = call(total=9_000, load=4_000, ttft=4_100, evaluated=4_900)
    dual = [cold, call("collector", "report", 9_000, 9_000), *stages("insight", 9_000)]
    made = block(block_of(dual=dual))
    assert made["validity"] == "WARN"
    assert made["validity_reasons"] == (
        "warm: collector analysis: cold load of 4000 ms; warm: 1 of 4 calls loaded the model"
    )
    assert made["in_dual_estimate"]
    assert made["n_single_reloads"] == 0
