"""`agent_table`: an agent's two calls as one; only a trial's last attempt counts.

The trap: a sum over what is there, when something is missing.
"""

from __future__ import annotations

import math

import pandas as pd
import pytest

from dualollama_pipeline_tests.tables.journals import (
    MS,
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


def test_every_column_of_an_agent() -> None:
    """Rates and times, with two calls that differ in everything."""
    calls = [
        call("collector", "analysis", 100, 4_000, ttft=200, load=100, prompt=50, evaluated=3_750),
        call(
            "collector",
            "report",
            4_200,
            8_000,
            ttft=400,
            load=800,
            prompt=150,
            evaluated=6_000,
            tokens=600,
        ),
    ]
    # two more agents of other arms only fix the usual load, 150 ms: limit 750 ms
    tables = tables_of([trial("apart", calls=calls), trial(SOLO_A), trial(SOLO_B)])
    made = row(tables.agents, arm="apart")
    expected = {
        "start_ms": 100.0,
        "end_ms": 12_200.0,  # 4200 + 8000
        "duration_s": 12.1,  # (12200 - 100) / 1000: the 100 ms between the calls count
        "ingest_s": 0.5,
        "workflow_s": 12.6,  # 0.5 + 12.1
        "mean_decode_tok_per_s": 90.0,  # 300 / 3.75 = 80; 600 / 6 = 100; their mean
        "sd_decode_tok_per_s": 200**0.5,  # sqrt(((80 - 90)^2 + (100 - 90)^2) / 1)
        "mean_ttft_ms": 300.0,  # (200 + 400) / 2
        "sd_ttft_ms": 20_000**0.5,  # sqrt((100^2 + 100^2) / 1)
        "wall_tok_per_s": 900 / 12.1,
        "load_ms": 900.0,  # 100 + 800
        "prompt_eval_ms": 200.0,  # 50 + 150
        "eval_ms": 9_750.0,  # 3750 + 6000
        "queue_ms": 1_150.0,  # (4000 - 100 - 50 - 3750) + (8000 - 800 - 150 - 6000) = 100 + 1050
        "reload_ms": 800.0,  # the second call's load is above 750 ms
    }
    for name, value in expected.items():
        assert made[name] == pytest.approx(value), name
    assert (made["n_tokens"], made["n_reloads"]) == (900, 1)
    assert (made["agent"], made["server"], made["status"]) == ("collector", "a", "ok")
    assert (made["trial_id"], made["arm"], made["attempt"]) == ("test1.s114.b1.dual", "apart", 1)


def test_a_block_has_six_agents() -> None:
    """5 x 6 rows a configuration: 1 in each solo arm, 2 apart, 2 shared."""
    agents = tables_of(block_of()).agents
    assert sorted(zip(agents["arm"], agents["agent"], agents["server"], strict=True)) == [
        ("apart", "collector", "a"),
        ("apart", "insight", "b"),
        ("shared", "collector", "a"),
        ("shared", "insight", "a"),
        (SOLO_A, "collector", "a"),
        (SOLO_B, "insight", "b"),
    ]


def test_the_last_attempt_counts_and_earlier_ones_stay_in_call_table() -> None:
    """Both attempts summed would be an agent of four calls and 1200 tokens."""
    stopped = [call(), unsent(status="interrupted")]
    again = stages("collector", 6_000)
    trials = [
        trial(SOLO_A, calls=stopped, status="interrupted"),
        trial(SOLO_A, calls=again, attempt=2),
        trial(SOLO_B),
    ]
    tables = tables_of(trials)
    assert len(tables.calls) == 6
    assert sorted(tables.calls[tables.calls["arm"] == SOLO_A]["attempt"]) == [1, 1, 2, 2]
    made = row(tables.agents, arm=SOLO_A)
    assert (made["attempt"], made["status"], made["n_tokens"]) == (2, "ok", 600)
    assert made["duration_s"] == pytest.approx(12.0)
    assert row(tables.runs, arm=SOLO_A)["attempt"] == 2
    assert row(tables.runs, arm=SOLO_B)["attempt"] == 1


def test_a_last_attempt_that_was_interrupted_is_not_ok() -> None:
    """An unfinished batch is shown as it is."""
    stopped = [call(), unsent(status="interrupted")]
    tables = tables_of([trial(SOLO_A, calls=stopped, status="interrupted")])
    made = row(tables.agents)
    assert (made["status"], made["validity"]) == ("interrupted", "INVALID")
    assert math.isnan(made["duration_s"])


@pytest.mark.parametrize(
    ("calls", "status", "reasons"),
    [
        (
            [failed(), unsent()],
            "failed",
            "ended: collector analysis failed (truncated); ended: collector report skipped",
        ),
        ([call(), failed(stage="report")], "failed", "ended: collector report failed (truncated)"),
        ([unsent(stage="analysis"), unsent()], "skipped", None),
    ],
)
def test_an_agent_with_a_bad_call_has_no_sums(
    calls: list, status: str, reasons: str | None
) -> None:  # fmt: skip
    """Half of the tokens over half of the time would look like a sound rate."""
    made = row(
        tables_of([trial(SOLO_A, calls=calls), trial(SOLO_B)]).agents,
        arm=SOLO_A,
    )
    assert (made["status"], made["validity"]) == (status, "INVALID")
    assert reasons is None or made["validity_reasons"] == reasons
    for name in (
        "duration_s", "workflow_s", "n_tokens", "mean_decode_tok_per_s",
        "sd_decode_tok_per_s", "mean_ttft_ms", "sd_ttft_ms", "wall_tok_per_s", "load_ms",
        "prompt_eval_ms", "eval_ms", "queue_ms",
    ):  # fmt: skip
        assert pd.isna(made[name]), name


def test_a_call_that_was_cut_is_no_end() -> None:
    """The instant of a failure is known; as an agent's end it would make it quick."""
    cut = failed(stage="report", sent_ns=5_000 * MS, end_ns=5_100 * MS)
    tables = tables_of([trial(SOLO_A, calls=[call(), cut]), trial(SOLO_B)])
    made = row(tables.agents, arm=SOLO_A)
    for name in ("duration_s", "workflow_s", "wall_tok_per_s"):
        assert math.isnan(made[name]), name
    assert math.isnan(row(tables.runs, arm=SOLO_A)["wall_s"])


def test_an_agent_without_load_times_has_no_count_of_reloads() -> None:
    """A failed agent would count as one that never reloaded."""
    tables = tables_of([trial(SOLO_A, calls=[failed(), unsent()]), trial(SOLO_B)])
    made = row(tables.agents, arm=SOLO_A)
    assert pd.isna(made["reload_ms"])


def test_one_call_has_no_standard_deviation() -> None:
    """With ddof 0 it would be 0: perfectly steady."""
    made = row(tables_of([trial(SOLO_A, calls=[call()])]).agents)
    assert math.isnan(made["sd_ttft_ms"])
    assert math.isnan(made["sd_decode_tok_per_s"])
    assert made["mean_ttft_ms"] == pytest.approx(250.0)


def test_a_warning_of_a_call_is_one_of_its_agent() -> None:
    """A footnote that is lost on the way up explains nothing."""
    loop = "so it goes on and on. " * 400
    warned = [call(total=9_000, text=loop), call("collector", "report", 9_000, 9_000)]
    tables = tables_of(block_of(apart=[*warned, *stages("insight", 9_000)]))
    made = row(tables.agents, arm="apart", agent="collector")
    assert (made["status"], made["validity"]) == ("ok", "WARN")
    assert made["validity_reasons"].startswith("loop: collector analysis: ends in a loop")
    assert row(tables.agents, arm="apart", agent="insight")["validity"] == "VALID"
