"""Guards and verdicts, each at its limit.

The trap: nan compares false, so a guard written the wrong way round lets the unknown pass.
"""

from __future__ import annotations

from typing import Any

import pytest

from dualollama_pipeline.tables.guards import GUARDS, Finding, advice, findings_of, verdict
from dualollama_pipeline.tables.usual import Usual, warm_limit_ms
from dualollama_pipeline.tables.validity import call_findings, trial_findings

NAN = float("nan")


def call(**changes: Any) -> dict[str, object]:
    """A row of the call table that no guard minds."""
    sound: dict[str, object] = {
        "agent": "collector",
        "stage": "analysis",
        "arm": "apart",
        "status": "ok",
        "failure_kind": None,
        "server": "a",
        "workload": "standard",
        "n_tokens": 300,
        "num_predict": 300,
        "effective_num_ctx": 512,
        "n_prompt_tokens": 160,
        "turns_before": 0,
        "n_text_chars": 1_000,
        "n_thinking_chars": 0,
        "is_clumped": False,
        "is_reload": False,
        "load_ms": 150.0,
        "total_ms": 5_000.0,
        "server_total_ms": 5_000.0,
        "ttft_ms": 250.0,
        "is_degenerate": False,
        "repetition_ratio": 2.0,
        "stamps_in_order": True,
        "n_cached_prompt_tokens": None,
        "prompt_eval_ms": 60.0,
        "eval_ms": 4_750.0,
        "queue_ms": 40.0,
    }
    return sound | changes


def run(**changes: Any) -> dict[str, object]:
    """A row of the run table that no guard minds."""
    sound: dict[str, object] = {"arm": "apart", "status": "ok", "n_agents": 2, "window_s": 10.0}
    return sound | {"decode_overlap": 1.0, "start_skew_ms": 0.0} | changes


def usual(**changes: Any) -> Usual:
    """One clock, five tokens of the template in every cache, 160 / 60 tokens a ms."""
    key = ("collector", "analysis")
    return Usual({"a": 1.0}, {key: 5}, {key: 160 / 60})._replace(**changes)


@pytest.mark.parametrize(
    ("findings", "expected"),
    [
        ([], ("VALID", "")),
        ([Finding("WARN", "warm", "w")], ("WARN", "warm: w")),
        (
            [Finding("WARN", "warm", "w"), Finding("ERROR", "ended", "e")],
            ("INVALID", "warm: w; ended: e"),
        ),
        ([Finding("ERROR", "ended", "e"), Finding("ERROR", "ended", "e")], ("INVALID", "ended: e")),
    ],
)
def test_verdict(findings: list[Finding], expected: tuple[str, str]) -> None:
    """The worst finding decides, all of them are told, each once."""
    assert verdict(findings) == expected


@pytest.mark.parametrize(
    ("median_ms", "limit_ms"), [(0.0, 500.0), (100.0, 500.0), (150.0, 750.0), (NAN, 500.0)]
)
def test_warm_limit(median_ms: float, limit_ms: float) -> None:
    """max(500, 5 x median); max(nan, 500) would be nan, and nothing ever a reload."""
    assert warm_limit_ms(median_ms) == pytest.approx(limit_ms)


def test_where_every_call_loads_the_load_off_the_clock_tells() -> None:
    """Five times the median of cold calls lets every cold call pass: 12 s loads, 60 s allowed."""
    assert warm_limit_ms(12_000.0, prepared_load_ms=12_500.0) == pytest.approx(6_250.0)
    assert warm_limit_ms(150.0, prepared_load_ms=12_500.0) == pytest.approx(750.0)
    assert warm_limit_ms(NAN, prepared_load_ms=300.0) == pytest.approx(500.0)


@pytest.mark.parametrize(
    ("changes", "levels"),
    [
        ({}, []),
        ({"status": "failed", "failure_kind": "oom"}, ["ERROR"]),
        ({"status": "skipped"}, ["ERROR"]),
        ({"status": "interrupted", "n_tokens": None, "total_ms": NAN}, ["ERROR"]),
        ({"n_tokens": 31}, []),  # it has no rate, that is all
        ({"ttft_ms": NAN, "n_text_chars": 0}, ["WARN"]),  # stopped at once: an early stop
        ({"ttft_ms": NAN, "is_clumped": True}, ["WARN"]),
        ({"n_text_chars": 0, "n_thinking_chars": 900}, ["ERROR"]),
        # 160 + 352 fill the context of 512: cut there, whatever the server calls it
        ({"num_predict": 400, "n_tokens": 351}, []),
        ({"num_predict": 400, "n_tokens": 352}, ["ERROR"]),
        ({"num_predict": 352, "n_tokens": 352}, []),
        ({"num_predict": 300, "effective_num_ctx": 459}, ["ERROR"]),
        ({"num_predict": None, "effective_num_ctx": 459, "workload": "parity"}, ["WARN"]),
        ({"effective_num_ctx": None}, []),
        ({"is_degenerate": True, "repetition_ratio": 50.0}, ["WARN"]),
        ({"is_reload": True}, ["ERROR"]),
        ({"is_reload": True, "arm": "solo_collector"}, ["ERROR"]),
        ({"is_reload": True, "arm": "shared"}, []),
        ({"is_reload": None, "load_ms": NAN}, []),
        ({"server_total_ms": 5_025.0}, []),  # 0.5 % of it
        ({"server_total_ms": 5_026.0}, ["ERROR"]),
        ({"server_total_ms": 1_000.0, "total_ms": 981.0, "eval_ms": 731.0}, []),  # 20 ms
        ({"server_total_ms": 1_000.0, "total_ms": 979.0, "eval_ms": 729.0}, ["ERROR"]),
        ({"server_total_ms": NAN}, []),
        ({"stamps_in_order": False}, ["ERROR"]),
        ({"n_cached_prompt_tokens": 150}, ["WARN"]),
        ({"n_cached_prompt_tokens": 0}, []),
        ({"n_cached_prompt_tokens": 9}, []),  # the template, to +-4
        ({"n_cached_prompt_tokens": 10}, ["WARN"]),
        ({"prompt_eval_ms": 20.1}, []),  # not said: three times faster than usual at most
        ({"prompt_eval_ms": 19.9}, ["WARN"]),
        ({"queue_ms": -20.0}, []),
        ({"queue_ms": -20.1}, ["ERROR"]),
        ({"queue_ms": 500.0}, []),  # max(250, 10 % of 5000)
        ({"queue_ms": 500.1}, ["ERROR"]),
        ({"queue_ms": 500.1, "arm": "shared"}, []),  # waiting is the condition there
        ({"queue_ms": 250.0, "server_total_ms": 1_000.0}, []),
        ({"queue_ms": 250.1, "server_total_ms": 1_000.0}, ["ERROR"]),
        ({"load_ms": 210.0}, []),  # 210 + 60 = 270: 20 ms after the first token
        ({"load_ms": 210.1}, ["ERROR"]),
        ({"load_ms": NAN, "prompt_eval_ms": NAN, "queue_ms": NAN, "eval_ms": NAN}, []),
        ({"eval_ms": 4_318.2}, []),  # the client saw 4750: 4750 / 4318.2 = 1.09999
        ({"eval_ms": 4_318.1}, ["ERROR"]),
        ({"eval_ms": 5_277.7}, []),  # 4750 / 5277.7 = 0.90001
        ({"eval_ms": 5_278.0}, ["ERROR"]),
        ({"eval_ms": 0.0}, []),
        (
            {"is_degenerate": True, "is_reload": True, "server_total_ms": 9_000.0},
            ["WARN", "ERROR", "ERROR"],
        ),
    ],
)
def test_guards_of_a_call(changes: dict[str, Any], levels: list[str]) -> None:
    """A failed call is judged by its failure alone: its missing values are no further faults."""
    findings = call_findings(call(**changes), usual())
    assert [finding.level for finding in findings] == levels
    assert all("collector analysis" in finding.text for finding in findings)
    assert {finding.guard for finding in findings} <= set(GUARDS)


def test_the_kind_of_a_failure_is_told() -> None:
    """`failed` alone sends the reader to the journal."""
    (finding,) = call_findings(call(status="failed", failure_kind="timeout_idle"), usual())
    assert finding.text == "collector analysis failed (timeout_idle)"
    (finding,) = call_findings(call(status="skipped"), usual())
    assert finding.text == "collector analysis skipped"


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({}, 0),
        ({"decode_overlap": 0.1}, 0),
        ({"decode_overlap": NAN}, 0),
        ({"start_skew_ms": 20.0, "window_s": 2.0}, 0),  # 1 % of the window
        ({"start_skew_ms": 20.1, "window_s": 2.0}, 1),
        ({"start_skew_ms": 5.0, "window_s": 0.1}, 0),
        ({"start_skew_ms": 50.0}, 0),
        ({"start_skew_ms": 50.1}, 1),
        ({"start_skew_ms": NAN}, 1),
        ({"arm": "shared", "start_skew_ms": 900.0}, 1),
        ({"arm": "solo_collector", "n_agents": 1, "start_skew_ms": NAN}, 0),
        ({"status": "failed", "decode_overlap": NAN, "start_skew_ms": NAN}, 0),
    ],
)
def test_guards_of_a_trial(changes: dict[str, Any], count: int) -> None:
    """A head start is a solo run; a start that is not known does not pass."""
    findings = trial_findings(run(**changes))
    assert [finding.level for finding in findings] == ["ERROR"] * count


def test_a_verdict_can_be_taken_apart_again() -> None:
    """A whole is judged from its parts' texts: a guard's name that got lost has no advice."""
    found = [Finding("ERROR", "timing", "a: b"), Finding("ERROR", "ended", "c")]
    assert findings_of(*verdict(found)) == found
    assert findings_of("VALID", "") == []


def test_advice_is_told_once_for_each_guard() -> None:
    """Twenty cold calls need one cure."""
    told = advice("warm: x loaded; warm: y loaded; start_skew: 60 ms")
    assert told == f"{GUARDS['warm'].advice}; {GUARDS['start_skew'].advice}"
    assert advice("") == ""
