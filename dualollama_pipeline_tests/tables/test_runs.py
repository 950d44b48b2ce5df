"""`run_table`: a trial as a whole, with the report's own figures.

The trap: figures of an incomplete trial, and servers that took turns and pass for side by side.
"""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from dualollama_pipeline_tests.tables.journals import (
    SOLO_A,
    SOLO_B,
    block_of,
    call,
    failed,
    row,
    stages,
    tables_of,
    trial,
    unsent,
)


def dual_of(calls: list) -> dict[str, Any]:
    """The row of a dual trial with these calls, its solo arms being sound."""
    return row(tables_of([trial("apart", calls=calls), trial(SOLO_A), trial(SOLO_B)]).runs,
               arm="apart")  # fmt: skip


def test_every_column_of_a_dual_trial() -> None:
    """The report defines deltas one way and its program computes them the other (C5)."""
    calls = [
        *stages("collector", 8_000, 20, ttft=300, evaluated=7_500),
        *stages("insight", 10_000, 0, ttft=250, evaluated=9_600),
    ]
    made = dual_of(calls)
    expected = {
        "wall_s": 20.0,  # insight 0 .. 20000; collector 20 .. 16020
        "sequential_s": 36.0,  # 16 + 20
        "balance_speedup": 1.8,  # 36 / 20
        "balance_efficiency_pct": 90.0,  # 100 x 1.8 / 2
        "tok_per_s_delta": 8.75,  # collector - insight: 300 / 7.5 - 300 / 9.6 = 40 - 31.25
        "ttft_delta_ms": 50.0,  # collector - insight: 300 - 250
        "start_skew_ms": 20.0,
        # collector 320..8020 and 8320..16020: 15400; insight 250..10000 and 10250..20000
        # together 320..8020, 8320..10000, 10250..16020 = 7700 + 1680 + 5770 = 15150
        "decode_overlap": 15_150 / 15_400,
        # collector 2 x (8000 - 150 - 60 - 7500) = 580; insight 2 x (10000 - 210 - 9600) = 380
        "queue_ms": 960.0,
        "reload_ms": 0.0,
    }
    for name, value in expected.items():
        assert made[name] == pytest.approx(value), name
    assert (made["n_agents"], made["n_tokens"], made["n_reloads"]) == (2, 1200, 0)
    assert (made["trial_order"], made["attempt"], made["block"]) == (2, 1, 1)
    assert (made["status"], made["validity"], made["validity_reasons"]) == ("ok", "VALID", "")
    assert pd.isna(made["shared_mode"])


def test_the_wall_begins_with_whoever_is_first() -> None:
    """The longer duration alone misses the skew between the agents."""
    made = dual_of([*stages("collector", 10_000, 0), *stages("insight", 10_000, 40)])
    # 0 .. 20040 ms although each takes 20 s; (20 + 20) / 20.04
    assert made["wall_s"] == pytest.approx(20.04)
    assert made["balance_speedup"] == pytest.approx(40 / 20.04)


def test_a_solo_trial_has_no_balance() -> None:
    """An agent alone is perfectly balanced: 1.0 in a column of speedups."""
    made = row(tables_of(block_of()).runs, arm=SOLO_A)
    assert made["wall_s"] == pytest.approx(10.0)
    assert made["n_agents"] == 1
    for name in (
        "sequential_s", "balance_speedup", "balance_efficiency_pct", "start_skew_ms",
        "decode_overlap", "ttft_delta_ms", "tok_per_s_delta", "shared_mode", "ttft_contention",
        "balance_contention", "slowdown_contention",
    ):  # fmt: skip
        assert pd.isna(made[name]), name


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("role", ["collector", "insight"])
def test_a_trial_with_a_failed_agent_has_no_wall_time(role: str, first: bool) -> None:
    """max() over nan depends on the order: the other agent's time would stand for both."""
    other = {"collector": "insight", "insight": "collector"}[role]
    bad, good = [call(role), failed(role, "report")], stages(other, 9_000)
    made = dual_of([*bad, *good] if first else [*good, *bad])
    assert (made["status"], made["validity"]) == ("failed", "INVALID")
    assert made["validity_reasons"] == (
        f"ended: {role} report failed (truncated); failures: 1 of 4 calls failed"
    )
    for name in (
        "wall_s", "sequential_s", "balance_speedup", "balance_efficiency_pct", "decode_overlap",
        "ttft_delta_ms", "n_tokens", "queue_ms", "ttft_contention", "balance_contention",
        "slowdown_contention",
    ):  # fmt: skip
        assert pd.isna(made[name]), name


def test_a_trial_that_never_began_has_nulls() -> None:
    """Both servers gone: not one stamp."""
    nothing = [unsent(role, stage) for role in ("collector", "insight") for stage in ("analysis",)]
    made = dual_of(nothing)
    assert (made["status"], made["validity"]) == ("skipped", "INVALID")
    assert math.isnan(made["wall_s"])
    assert math.isnan(made["start_skew_ms"])


@pytest.mark.parametrize(
    ("insight", "validity"),
    [
        # A decodes 250..10000 and 10250..20000 (19500), so does B, `late` ms later
        ({"start": 50}, "VALID"),
        ({"start": 51}, "INVALID"),
    ],
)
def test_agents_of_dual_start_together(insight: dict[str, float], validity: str) -> None:
    """Started one after the other, a `dual` is half a solo."""
    made = dual_of([*stages("collector", 10_000), *stages("insight", 10_000, **insight)])
    assert made["validity"] == validity
    assert ("started 51 ms apart" in made["validity_reasons"]) is (validity == "INVALID")


@pytest.mark.parametrize(
    ("ttft", "overlap", "validity"),
    [
        # A 250..10000; B ttft..10000 of one call each; together = B's window but for A's start
        (250, 1.0, "VALID"),
        # B waits for A: A 250..10000, B 9000..19000: 1000 / 9750
        (9_000, 1_000 / 9_750, "VALID"),
    ],
)
def test_how_long_agents_decode_together_is_no_guard(
    ttft: float, overlap: float, validity: str
) -> None:
    """Prompts of 2 s voided 31 to 58 % of sound blocks, unequal ones all of them."""
    end = max(10_000, ttft + 10_000) if ttft > 250 else 10_000
    calls = [
        call("collector", total=10_000),
        call("insight", total=end, ttft=ttft, evaluated=end - ttft, prompt=ttft - 190),
    ]
    made = dual_of(calls)
    assert made["decode_overlap"] == pytest.approx(overlap)
    assert made["validity"] == validity


@pytest.mark.parametrize(
    ("ttft", "overlap", "mode"),
    [
        (250, 1.0, "batched"),
        # A 250..10000 (9750); B 5125..15125 (10000): together 4875: exactly half of A's
        (5_125, 0.5, "batched"),
        (5_126, 4_874 / 9_750, "queued"),
        (10_000, 0.0, "queued"),
    ],
)
def test_single_is_queued_or_batched_by_its_overlap(
    ttft: float, overlap: float, mode: str
) -> None:  # fmt: skip
    """OLLAMA_NUM_PARALLEL decides it on the server and nobody is told."""
    end = ttft + 10_000 if ttft > 250 else 10_000
    calls = [
        call("collector", total=10_000),
        call("insight", total=end, ttft=ttft, evaluated=end - ttft, server="a"),
    ]
    made = row(tables_of([trial("shared", calls=calls), trial(SOLO_A)]).runs, arm="shared")
    assert made["decode_overlap"] == pytest.approx(overlap)
    assert made["shared_mode"] == mode
    assert made["validity"] == "VALID"  # taking turns is no fault in `single`


def test_queueing_shows_in_its_own_column() -> None:
    """Only the server's total tells waiting from loading."""
    calls = [
        call("collector", total=10_000),
        # 19000 - 150 - 60 - 9000 = 9790 ms of waiting; the collector's own 10000 - 210 - 9750 = 40
        call("insight", total=19_000, ttft=10_000, evaluated=9_000, server="a"),
    ]
    made = row(tables_of([trial("shared", calls=calls), trial(SOLO_A)]).runs, arm="shared")
    assert made["queue_ms"] == pytest.approx(9_830.0)


def test_a_reload_in_single_is_counted_and_no_fault() -> None:
    """It is part of the condition; `n_reloads` keeps it out of the headline later."""
    reload = {"load": 4_000, "ttft": 4_100, "evaluated": 4_900, "server": "a"}
    calls = [
        *stages("collector", 9_000, server="a"),
        call("insight", total=9_000, **reload),
        call(
            "insight",
            "report",
            9_000,
            9_000,
            **reload | {"load": 5_000, "ttft": 5_100, "evaluated": 3_900},
        ),
    ]
    tables = tables_of(block_of(shared=calls))
    made = row(tables.runs, arm="shared")
    assert (made["n_reloads"], made["reload_ms"]) == (2, 9_000.0)
    assert (made["status"], made["validity"]) == ("ok", "VALID")


def test_a_cold_load_in_dual_makes_it_invalid() -> None:
    """Kept, counted and told: it costs the pair seconds that no agent caused."""
    cold = [call(total=9_000, load=4_000, ttft=4_100, evaluated=4_900)]
    calls = [*cold, call("collector", "report", 9_000, 9_000), *stages("insight", 9_000)]
    made = row(tables_of(block_of(apart=calls)).runs, arm="apart")
    assert (made["n_reloads"], made["reload_ms"]) == (1, 4_000.0)
    assert (made["validity"], made["validity_reasons"]) == (
        "INVALID",
        "warm: collector analysis: cold load of 4000 ms; warm: 1 of 4 calls loaded the model",
    )
