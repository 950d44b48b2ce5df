"""`block_table`: the four arms of one repetition, and which of them may be compared.

The trap: a comparison with an arm that is not there, or that did other work.
"""

from __future__ import annotations

import math
from typing import Any

import pytest

from dualollama_pipeline.core.records import CallRecord, TrialRecord
from dualollama_pipeline_tests.tables.journals import (
    SOLO_A,
    SOLO_B,
    block_of,
    call,
    failed,
    said_of_block,
    stages,
    tables_of,
    trial,
    unsent,
)

RATIOS_OF_DUAL = [
    "apart.true_speedup",
    "apart.parallel_efficiency",
    "apart.weighted_speedup",
    "apart.collector.slowdown",
    "apart.throughput_scaling",
    "apart.against_shared",
]


def block(trials: list[TrialRecord], number: int = 1) -> dict[str, Any]:
    tables = tables_of(trials)
    return said_of_block(tables.runs, tables.agents, tables.blocks, number)


def test_every_column_of_a_block() -> None:
    """Solo 10 s and 12 s, dual 20 s (18 and 20), single 25 s (22 and 25), 600 tokens an agent.

    In the window (18 s; 22 s on one server) the collector does all its work, 10 s alone; the
    insight agent a call and of its second one 238 (226) of 300 tokens, which take 0.25 s and
    237 (225) x 5.75 s / 299 alone.
    """
    made = block(block_of())
    dual_work, single_work = 6.25 + 237 * 5.75 / 299, 6.25 + 225 * 5.75 / 299
    expected = {
        "solo_collector.wall_s": 10.0,
        "solo_insight.wall_s": 12.0,
        "apart.wall_s": 20.0,
        "shared.wall_s": 25.0,
        "apart.in_turn_s": 22.0,
        "apart.true_speedup": 1.1,  # (10 + 12) / 20
        "shared.true_speedup": 0.88,  # (10 + 12) / 25
        "apart.exact_speedup": 1.1,  # equal work: as the true one
        "shared.exact_speedup": 0.88,
        "apart.ideal_speedup": 22 / 12,
        "apart.parallel_efficiency": 0.6,  # 12 / 20
        "shared.parallel_efficiency": 0.48,  # 12 / 25
        "apart.weighted_speedup": (10 + dual_work) / 18,
        "shared.weighted_speedup": (10 + single_work) / 22,
        "apart.against_shared": (10 + dual_work) / 18 / ((10 + single_work) / 22),
        "apart.collector.slowdown": 1.8,  # 18 / 10
        "apart.insight.slowdown": 18 / dual_work,
        "shared.collector.slowdown": 2.2,  # 22 / 10
        "shared.insight.slowdown": 22 / single_work,
        "apart.window_share": 0.9,  # 18 / 20
        "shared.window_share": 0.88,  # 22 / 25
        "apart.prompt_share": 1.0 / (10 + dual_work),  # four first tokens of 0.25 s
        "apart.collector.prompt_slowdown": 1.0,  # 60 / 60 ms
        # both decode from 0.25 to 9, 9.25 to 10, 10.25 to 18 s: 299, 25 and 265 tokens of it
        "apart.collector.decode_slowdown": 17.25 / (589 * 4.75 / 299),
        "apart.collector.ttft_ratio": 1.0,  # 250 / 250
        "apart.insight.ttft_ratio": 1.0,
        "apart.throughput_scaling": 60 / 55,  # 1200 / 20 = 60; solo 60 and 50, mean 55
    }
    for name, value in expected.items():
        assert made[name] == pytest.approx(value), name
    assert made["shared.n_reloads"] == 0
    assert (made["apart.counts"], made["shared.counts"]) == (True, True)
    assert (made["apart.status"], made["apart.validity"], made["apart.exclusion_reason"]) == (
        "ok",
        "VALID",
        "",
    )
    assert made["apart.null_reason"] == ""


def short(role: str, tokens: int, start: float = 0, *, tpot: float) -> CallRecord:
    """A call of a report that stopped early: 250 ms, then `tokens` at `tpot` ms."""
    total = 250 + (tokens - 1) * tpot
    return call(role, "report", start, total, tokens=tokens, evaluated=total - 250)


@pytest.mark.parametrize("tokens", [300, 200, 100, 40])
def test_an_early_stop_moves_no_speedup_of_unshared_servers(tokens: int) -> None:
    """Nothing is shared: 2, however early the collector stops. Balance alone made it 1.7.

    In turn for the pair's work: what the collector did, at solo's pace, and all of insight's.
    """
    dual = [
        call("collector", total=5_000),
        short("collector", tokens, 5_000, tpot=4_750 / 299),
        *stages("insight", 6_000),
    ]
    made = block(block_of(apart=dual))
    ends = 5.0 + 0.25 + (tokens - 1) * 4.75 / 299
    assert made["apart.weighted_speedup"] == pytest.approx(2.0, rel=0.002)  # tokens are whole
    assert made["apart.true_speedup"] == pytest.approx((ends + 12) / 12)
    assert made["apart.in_turn_s"] == pytest.approx(ends + 12)
    assert made["apart.counts"]
    if tokens > 270:
        assert made["apart.exact_speedup"] == pytest.approx(22 / 12)
        return
    assert math.isnan(made["apart.exact_speedup"])
    assert made["apart.null_reason"] == (f"collector report made {tokens} tokens, alone 300")
    assert made["shared.exact_speedup"] == pytest.approx(0.88)


def test_a_solo_call_too_short_for_a_rate_takes_the_configurations() -> None:
    """Eight tokens say nothing of 300: the mean of that agent and stage does, never of another."""
    solo = [call("collector", total=5_000), short("collector", 8, 5_000, tpot=50.0)]
    made = block([*block_of(1, solo_collector=solo), *block_of(2)], 1)
    # 300 tokens in the pair, 0.25 s + 299 x 4.75 s / 299 as in block 2
    assert made["apart.in_turn_s"] == pytest.approx(5 + 5 + 12)
    assert math.isnan(made["apart.exact_speedup"])
    alone = block(block_of(solo_collector=solo))
    assert math.isnan(alone["apart.true_speedup"])
    assert alone["apart.counts"]
    assert "no solo call had the tokens for a rate" in alone["apart.null_reason"]


def test_taking_turns_on_one_slot_is_one() -> None:
    """A waits for nothing, B for A, A for B: turns, whatever the lengths; waiting is no work."""
    a1 = call("collector", total=5_000)
    b1 = call("insight", total=11_000, ttft=5_250, server="a", evaluated=5_750)
    a2 = call("collector", "report", 5_000, 11_000, ttft=6_250, evaluated=4_750)
    b2 = call("insight", "report", 11_000, 11_000, ttft=5_250, server="a", evaluated=5_750)
    made = block(block_of(shared=[a1, a2, b1, b2]))
    # to the end of A at 16 s: A's 10 s and B's first call, 6 s
    assert made["shared.weighted_speedup"] == pytest.approx(1.0)
    assert made["shared.true_speedup"] == pytest.approx(1.0)
    assert made["shared.window_share"] == pytest.approx(16 / 22)


def test_clumps_leave_walls_and_the_exact_form() -> None:
    """A proxy that buffers makes first tokens late and gaps short; walls it does not touch."""
    lumped = {"chunk_ns": tuple([4_000_000_000] * 20), "first_token_ns": 4_000_000_000}
    dual = [
        record.model_copy(update=lumped) if record.stage == "analysis" else record
        for record in [*stages("collector", 9_000), *stages("insight", 10_000)]
    ]
    made = block(block_of(apart=dual))
    assert made["apart.true_speedup"] == made["apart.exact_speedup"] == pytest.approx(1.1)
    assert math.isnan(made["apart.weighted_speedup"])
    assert made["apart.counts"]
    assert made["apart.null_reason"] == "answers came in clumps, so token times are not known"


def test_blocks_are_not_mixed_and_come_in_order() -> None:
    """With another block's solo, what drifts over a night would not cancel out."""
    slow = block_of(1, solo_collector=stages("collector", 7_000))
    tables = tables_of([*block_of(2), *slow])
    apart = tables.blocks[tables.blocks["arm"].eq("apart")]
    assert list(apart["block"]) == [1, 2]
    assert list(apart["in_turn_s"]) == pytest.approx([26.0, 22.0])
    assert list(apart["true_speedup"]) == pytest.approx([1.3, 1.1])  # (14 + 12) / 20


def test_ttft_ratio_is_dual_over_solo() -> None:
    """Of the mean of both calls, each agent by its own baseline."""
    dual = [*stages("collector", 9_000, ttft=750), *stages("insight", 10_000, ttft=500)]
    made = block(block_of(apart=dual))
    assert made["apart.collector.ttft_ratio"] == pytest.approx(3.0)  # 750 / 250
    assert made["apart.insight.ttft_ratio"] == pytest.approx(2.0)  # 500 / 250


@pytest.mark.parametrize(
    ("calls", "reason"),
    [
        (
            [failed(), unsent()],
            "apart: ended: collector analysis failed (truncated); ended: collector report skip",
        ),
        (
            [*stages("collector", 9_000), failed("insight", "report")],
            "apart: ended: insight report failed",
        ),
        (
            [*stages("collector", 9_000), *stages("insight", 9_000, 60)],
            "apart: start_skew: agents started 60 ms apart, at most 50 count",
        ),
    ],
)
def test_a_bad_dual_trial_excludes_the_block_with_its_reason(
    calls: list[CallRecord], reason: str
) -> None:
    """Kept and told, and `single` still counts: it needs no dual."""
    made = block(block_of(apart=calls))
    assert not made["apart.counts"]
    assert made["shared.counts"]
    assert made["apart.exclusion_reason"].startswith(reason)
    assert made["apart.validity"] == "INVALID"
    assert made["shared.true_speedup"] == pytest.approx(0.88)


def test_a_failed_dual_has_no_ratios() -> None:
    """Null, never zero: a speedup of 0 would drag every mean."""
    made = block(block_of(apart=[failed(), unsent(), *stages("insight", 9_000)]))
    assert made["apart.status"] == "failed"
    assert math.isnan(made["apart.wall_s"])
    for name in RATIOS_OF_DUAL:
        assert math.isnan(made[name]), name


@pytest.mark.parametrize(("arm", "role"), [(SOLO_A, "collector"), (SOLO_B, "insight")])
def test_a_bad_solo_trial_excludes_both_estimates(arm: str, role: str) -> None:
    """It is the baseline of both; the reason is told once."""
    made = block(block_of(**{arm: [failed(role), unsent(role)]}))
    assert not made["apart.counts"]
    assert not made["shared.counts"]
    assert made["apart.exclusion_reason"] == (
        f"{arm}: ended: {role} analysis failed (truncated); ended: {role} report skipped; "
        "failures: 1 of 2 calls failed"
    )
    for name in ("apart.true_speedup", "shared.true_speedup", "apart.ideal_speedup"):
        assert math.isnan(made[name]), name
    assert made["shared.wall_s"] == 25.0  # walls are true all the same


@pytest.mark.parametrize("pair_arm", ["apart", "shared"])
def test_without_a_solo_arm_there_is_no_parallel_efficiency(pair_arm: str) -> None:
    """The longest of two cannot be known from one."""
    made = block(block_of(solo_insight=[failed("insight"), unsent("insight")]))
    assert math.isnan(made[f"{pair_arm}.parallel_efficiency"])


@pytest.mark.parametrize("missing", [SOLO_A, SOLO_B, "apart", "shared"])
def test_a_missing_arm_is_named(missing: str) -> None:
    """A batch that was stopped within a block."""
    made = block([each for each in block_of() if each.arm != missing])
    reasons = {made["apart.exclusion_reason"], made["shared.exclusion_reason"]} - {""}
    assert reasons == {f"{missing} is missing"}
    assert made["apart.counts"] is (missing == "shared")
    assert made["shared.counts"] is (missing == "apart")
    assert missing not in {"apart", "shared"} or math.isnan(made[f"{missing}.wall_s"])


def test_an_interrupted_attempt_followed_by_an_ok_one_counts() -> None:
    """The batch was resumed; its block is as good as any."""
    stopped = trial("apart", calls=[call(), unsent(status="interrupted")], status="interrupted")
    again = trial("apart", attempt=2, started_at="2026-01-01T01:00:00.000+00:00")
    others = [each for each in block_of() if each.arm != "apart"]
    made = block([*others, stopped, again])
    assert made["apart.counts"]
    assert (made["apart.status"], made["apart.validity"]) == ("ok", "VALID")
    assert made["apart.true_speedup"] == pytest.approx(1.1)


def test_reloads_in_single_are_counted_and_do_not_exclude() -> None:
    """The block is flagged: pooled figures leave it out, the configuration's own keep it."""
    reload = {"load": 4_000, "ttft": 4_100, "evaluated": 4_900, "server": "a"}
    single = [*stages("collector", 9_000, server="a"), *stages("insight", 9_000, **reload)]
    made = block(block_of(shared=single))
    assert made["shared.n_reloads"] == 2
    assert made["shared.counts"]
    assert made["apart.validity"] == "VALID"


@pytest.mark.parametrize("arm", [SOLO_A, "apart"])
def test_a_cold_load_outside_single_leaves_its_block_out(arm: str) -> None:
    """A cold solo gave 5.08 x with an interval on the first screen; in `single` it is the price."""
    cold = call(total=9_000, load=4_000, ttft=4_100, evaluated=4_900)
    others = [] if arm == SOLO_A else stages("insight", 9_000)
    calls = [cold, call("collector", "report", 9_000, 9_000), *others]
    made = block([*block_of(1, **{arm: calls}), *block_of(2)], 1)
    assert made["apart.validity"] == "INVALID"
    assert (
        f"{arm}: warm: collector analysis: cold load of 4000 ms" in made["apart.exclusion_reason"]
    )
    assert not made["apart.counts"]
    assert made["shared.counts"] is (arm == "apart")
    assert made["shared.n_reloads"] == 0
