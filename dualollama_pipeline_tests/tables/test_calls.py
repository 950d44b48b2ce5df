"""`call_table`: every call of every attempt, with the arithmetic of each column.

The trap: a call that failed or was never sent, and reads as one that took no time.
"""

from __future__ import annotations

import pandas as pd
import pytest

from dualollama_pipeline.core.errors import JournalError
from dualollama_pipeline.core.records import CallRecord
from dualollama_pipeline.tables.calls import build_calls
from dualollama_pipeline.tables.conform import conform
from dualollama_pipeline_tests.tables.journals import (
    MS,
    SOLO_A,
    SOLO_B,
    block_of,
    call,
    failed,
    identity,
    journal,
    row,
    stages,
    tables_of,
    trial,
    unsent,
)

OPTIONS = ["num_gpu", "num_ctx", "temperature", "top_p", "top_k", "repeat_penalty"]
CLIENT_TIMES = ["ttft_ms", "ttfo_ms", "total_ms", "end_ms"]
COUNTERS = ["server_total_ms", "load_ms", "prompt_eval_ms", "eval_ms", "queue_ms"]
COUNTS = ["n_tokens", "n_prompt_tokens", "decode_tok_per_s", "tpot_ms"]


def calls_table(*records: CallRecord, arm: str = SOLO_A) -> pd.DataFrame:
    return conform(
        "call_table", pd.DataFrame(build_calls(journal([trial(arm, calls=list(records))])))
    )


def one(record: CallRecord, arm: str = SOLO_A) -> dict[str, object]:
    """The table's row for a trial of this call alone."""
    return row(calls_table(record, arm=arm))


def test_every_column_of_an_ok_call() -> None:
    """Two clocks and two units meet here: a factor or a start is quickly wrong."""
    arrivals = tuple(at * MS for at in (350, 360, 390))
    record = call(
        sent=100, total=7_750, ttft=250, load=150, prompt=60, evaluated=7_500, chunk_ns=arrivals
    )
    made = one(record)
    assert pd.isna(made.pop("think"))  # nobody told it
    expected = {
        "origin": "measured",
        "batch_id": "batch1",
        "config_id": "test1",
        "scenario": "chimera_homo",
        "workload": "standard",
        "effective_class": "collector: m:1b, 35 layers, context 512, temperature 0.8",
        "ingest_s": 0.5,
        "block": 1,
        "trial_id": "test1.s114.b1.solo_a",
        "arm": SOLO_A,
        "attempt": 1,
        "trial_order": 0,
        "submission_order": 0,
        "turns_before": 0,
        "is_live": False,
        "n_thinking_tokens": 0.0,
        "started_at": "2026-01-01T00:00:00.000+00:00",
        "agent": "collector",
        "server": "a",
        "model": "m:1b",
        "model_digest": "digest",
        "server_version": "0.12.0",
        "simulated_by": pd.NA,
        "stage": "analysis",
        "status": "ok",
        "validity": "VALID",
        "validity_reasons": "",
        "failure_kind": pd.NA,
        "failure_text": pd.NA,
        "http_status": pd.NA,
        "num_gpu": 80,
        "num_ctx": 512,
        "num_predict": 300,
        "temperature": 0.8,
        "top_p": pd.NA,
        "top_k": pd.NA,
        "repeat_penalty": pd.NA,
        "effective_num_gpu": 35,
        "effective_num_ctx": 512,
        "n_cached_prompt_tokens": pd.NA,
        "stamps_in_order": True,
        "sent_ms": 100.0,
        "end_ms": 7_850.0,  # 100 + 7750
        "ttft_ms": 250.0,
        "ttfo_ms": 255.0,  # the first answer comes 5 ms after the first token
        "total_ms": 7_750.0,
        "server_total_ms": 7_750.0,
        "load_ms": 150.0,
        "prompt_eval_ms": 60.0,
        "eval_ms": 7_500.0,
        "queue_ms": 40.0,  # 7750 - 150 - 60 - 7500
        "n_prompt_tokens": 160,
        "n_tokens": 300,
        "done_reason": "length",
        "decode_tok_per_s": 40.0,  # 300 / 7.5 s
        "tpot_ms": 7_500 / 299,  # (7750 - 250) / (300 - 1)
        "n_chunks": 3,
        "gap_p50_ms": 20.0,  # gaps 10 and 30 ms
        "gap_p99_ms": 29.8,  # 10 + 0.99 x (30 - 10), linear interpolation
        "gap_max_ms": 30.0,
        "max_lines_per_read": 2,
        "is_reload": False,
        "n_text_chars": 5,  # "words"
        "n_thinking_chars": 0,
        "is_clumped": False,
        "window_ms": pd.NA,  # alone
        "window_tokens": pd.NA,
        "window_prompt_share": pd.NA,
        "overlap_ms": pd.NA,
        "overlap_tokens": pd.NA,
        "repetition_ratio": pd.NA,  # too short to tell
        "is_degenerate": False,
    }
    assert made.keys() == expected.keys()
    for name, value in expected.items():
        if value is pd.NA:
            assert pd.isna(made[name]), name
        elif isinstance(value, float):
            assert made[name] == pytest.approx(value), name
        else:
            assert made[name] == value, name


def test_options_that_were_not_asked_for_are_null() -> None:
    """0 layers is the processor, not the default."""
    made = one(call(options={}))
    assert all(pd.isna(made[name]) for name in OPTIONS)
    asked = {"num_gpu": 0, "num_ctx": 4, "temperature": 0.0}
    asked |= {"top_p": 0.5, "top_k": 40, "repeat_penalty": 1.1}
    made = one(call(options=asked))
    assert {name: made[name] for name in OPTIONS} == asked


def test_a_failed_call_keeps_its_kind_and_has_no_times() -> None:
    """The original stored such a call as 0 tok/s: the study's only contention event."""
    made = one(failed(kind="http_5xx", http_status=500))
    assert (made["status"], made["failure_kind"], made["http_status"]) == (
        "failed",
        "http_5xx",
        500,
    )
    assert made["failure_text"] == "the stream ended without a final record"
    assert (made["validity"], made["validity_reasons"]) == (
        "INVALID",
        "ended: collector analysis failed (http_5xx)",
    )
    for name in (*CLIENT_TIMES, *COUNTERS, *COUNTS, "gap_p50_ms", "is_reload"):
        assert pd.isna(made[name]), name
    assert made["sent_ms"] == 0.0  # it was sent: this one is known
    assert made["n_chunks"] == 0


def test_a_failed_call_that_had_begun_has_no_total_time() -> None:
    """A stream cut after 2 s reads as an answer in 2 s; a refused request as one in 0 ms."""
    begun = failed(first_token_ns=250 * MS, chunk_ns=(250 * MS,), end_ns=2_000 * MS)
    refused = failed(stage="report", end_ns=0)
    found = calls_table(begun, refused)
    assert found["total_ms"].isna().all()
    assert found["end_ms"].isna().all()


@pytest.mark.parametrize("status", ["skipped", "interrupted"])
def test_a_call_that_was_not_sent_is_a_row_of_nulls(status: str) -> None:
    """Left out, it would make planned and counted calls differ."""
    found = calls_table(failed(), unsent(status=status))
    made = row(found, stage="report")
    assert (made["status"], made["validity"]) == (status, "INVALID")
    assert made["validity_reasons"] == f"ended: collector report {status}"
    for name in ("sent_ms", *CLIENT_TIMES, *COUNTERS, *COUNTS, "failure_kind", "is_reload"):
        assert pd.isna(made[name]), name


def test_counters_that_ollama_omits_are_null() -> None:
    """Ollama leaves a zero out: absent may be zero or unknown, so nothing is claimed."""
    made = row(calls_table(call(load=None), call(stage="report")), stage="analysis")
    assert pd.isna(made["load_ms"])
    assert pd.isna(made["queue_ms"])
    assert pd.isna(made["is_reload"])
    assert made["decode_tok_per_s"] == pytest.approx(300 / 4.75)  # 300 tokens in 4750 ms


@pytest.mark.parametrize(("n", "nulls"), [(0, True), (1, True), (2, False)])
def test_gaps_need_two_chunks(n: int, nulls: bool) -> None:
    """One chunk has no time between chunks, and not 0 ms."""
    made = one(call(chunk_ns=tuple(range(250 * MS, (250 + n) * MS, MS))))
    assert made["n_chunks"] == n
    assert all(pd.isna(made[f"gap_{name}_ms"]) is nulls for name in ("p50", "p99", "max"))


def test_every_attempt_is_a_row() -> None:
    """An attempt left out would make a server that fails every other time look sound."""
    trials = [
        trial(SOLO_A, calls=[failed(), unsent()]),
        trial(SOLO_A, attempt=2),
    ]
    found = pd.DataFrame(build_calls(journal(trials)))
    assert list(zip(found["attempt"], found["stage"], found["status"], strict=True)) == [
        (1, "analysis", "failed"),
        (1, "report", "skipped"),
        (2, "analysis", "ok"),
        (2, "report", "ok"),
    ]


def test_submission_order_is_that_of_the_trial() -> None:
    """In `single` the agent that is submitted first has the shorter queue."""
    insight_first = [*stages("insight", 9_000), *stages("collector", 10_000)]
    found = calls_table(*insight_first, arm="apart")
    assert dict(zip(found["agent"], found["submission_order"], strict=True)) == {
        "insight": 0,
        "collector": 1,
    }


def test_software_is_that_of_the_server_that_was_asked() -> None:
    """In `single` the insight agent runs on server a, with its digest."""

    def digests(arm: str) -> dict[str, str]:
        pair = (identity("a", digest="digest-a"), identity("b", digest="digest-b"))
        found = pd.DataFrame(build_calls(journal([trial(arm)], servers=pair)))
        return dict(zip(found["agent"], found["model_digest"], strict=True))

    assert digests("shared") == {"collector": "digest-a", "insight": "digest-a"}
    assert digests("apart") == {"collector": "digest-a", "insight": "digest-b"}


def test_simulated_data_says_so_in_every_row() -> None:
    """One row that does not would pass for a measurement."""
    found = pd.DataFrame(
        build_calls(journal(block_of(), simulated_by="simulator 1 profile standard"))
    )
    assert set(found["origin"]) == {"simulated"}
    assert set(found["simulated_by"]) == {"simulator 1 profile standard"}
    assert set(pd.DataFrame(build_calls(journal(block_of())))["origin"]) == {"measured"}


@pytest.mark.parametrize(
    ("load", "usual", "expected"),
    [
        (750, 150, False),  # limit max(500, 5 x 150) = 750
        (751, 150, True),
        (500, 40, False),  # limit max(500, 5 x 40) = 500
        (501, 40, True),
    ],
)
def test_a_load_far_above_the_usual_is_a_reload(load: int, usual: int, expected: bool) -> None:
    """A warm call has a load time too; 0 is never seen."""
    trials = [
        trial(SOLO_A, calls=stages("collector", 5_000, load=usual)),
        trial(SOLO_B, calls=stages("insight", 5_000, load=usual)),
        trial("apart", calls=[call(total=9_000, load=load, ttft=1_000, evaluated=8_000)]),
    ]
    made = row(pd.DataFrame(build_calls(journal(trials))), arm="apart")
    assert made["is_reload"] is expected


def test_loads_inside_single_do_not_decide_what_is_usual() -> None:
    """Where every single trial reloads, reloading would look usual."""
    slow = [
        record
        for role in ("collector", "insight")
        for record in stages(role, 9_000, load=4_000, ttft=5_000, evaluated=4_000, server="a")
    ]
    trials = [trial(SOLO_A), *[trial("shared", block, slow) for block in (1, 2, 3)]]
    found = pd.DataFrame(build_calls(journal(trials)))
    assert found.groupby("arm")["is_reload"].sum().to_dict() == {SOLO_A: 0, "shared": 12}


def test_without_a_usual_load_the_limit_is_half_a_second() -> None:
    """A journal that ends after its first, failed trial must still be shown."""
    trials = [trial("shared", calls=stages("collector", 9_000, load=600, server="a"))]
    assert pd.DataFrame(build_calls(journal(trials)))["is_reload"].all()


def test_without_any_load_counter_nothing_is_said_of_reloads() -> None:
    """Ollama omits a load of zero, in all calls of a trial alike."""
    found = calls_table(*stages("collector", 5_000, load=None))
    assert found["is_reload"].isna().all()


@pytest.mark.parametrize(
    ("record", "validity", "reason"),
    [
        (call(tokens=31), "VALID", ""),  # it has no rate, and counts
        # the server says 5000 ms where the client saw 4974: more than 0.5 % too much
        (
            call(end_ns=4_974 * MS, chunk_ns=(250 * MS,)),
            "INVALID",
            "timing: collector analysis: the server claims more time than passed",
        ),
        (call(end_ns=4_976 * MS, chunk_ns=(250 * MS,)), "VALID", ""),
    ],
)
def test_guards_of_a_call(record: CallRecord, validity: str, reason: str) -> None:
    """A rate over three tokens, or a clock that runs ahead, is no measurement."""
    made = one(record)
    assert (made["validity"], made["validity_reasons"]) == (validity, reason)


def test_a_cold_load_is_an_error_outside_single_only() -> None:
    """In `single` reloading is the condition under test, never a fault."""
    cold = {"load": 4_000, "ttft": 4_100, "evaluated": 4_900}
    dual = [call(total=9_000, **cold), *stages("insight", 9_000)]
    single = [call(total=9_000, **cold), *stages("insight", 9_000, server="a")]
    made = pd.DataFrame(build_calls(journal(block_of(apart=dual, shared=single))))
    reloads = made[made["is_reload"].astype(bool)]
    assert dict(zip(reloads["arm"], reloads["validity"], strict=True)) == {
        "apart": "INVALID",
        "shared": "VALID",
    }
    warned = row(reloads, arm="apart")
    assert warned["validity_reasons"] == "warm: collector analysis: cold load of 4000 ms"


def test_an_ok_answer_without_text_does_not_break_the_table() -> None:
    """Special tokens alone: eval_count says 40, no text came. One such call costs all 27 x 20."""
    tables_of([trial(SOLO_A, calls=[call(first_token_ns=None, chunk_ns=(), text="", tokens=40)])])


@pytest.mark.parametrize("batch", [True, False])
def test_a_journal_without_trials_is_refused(batch: bool) -> None:
    """An empty table would pass for a measured configuration."""
    empty = journal([])
    if not batch:
        empty.batch = None
    with pytest.raises(JournalError, match="no trial") as caught:
        build_calls(empty)
    assert "journal.jsonl" in caught.value.problem
    assert "benchmark_trials" in caught.value.way_out


def test_tokens_of_thinking_are_counted_apart() -> None:
    """The server counts them with those of the answer; a model that thinks seems to write more."""
    # 30 of 120 records come before the first of the answer
    record = call(total=6_000, ttft=50, tokens=120, thinking="hm")
    thinking = record.model_copy(update={"first_answer_ns": record.chunk_ns[30]})
    assert one(thinking)["n_thinking_tokens"] == 30
    assert one(thinking)["ttfo_ms"] > one(thinking)["ttft_ms"]  # type: ignore[operator]
    # nothing but thinking
    assert one(record.model_copy(update={"first_answer_ns": None}))["n_thinking_tokens"] == 120
