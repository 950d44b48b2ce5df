"""Guards and verdicts, each at its limit.

The trap: nan compares false, so a guard written the wrong way round lets the unknown pass.
"""

from __future__ import annotations

from typing import Any

import pytest

from dualollama_pipeline.tables.guards import GUARDS, Finding, advice, findings_of, verdict
from dualollama_pipeline.tables.validity import call_findings, trial_findings, warm_limit_ms

NAN = float("nan")


def call(**changes: Any) -> dict[str, object]:
    """A row of the call table that no guard minds."""
    sound: dict[str, object] = {
        "role": "collector",
        "stage": "analysis",
        "arm": "dual",
        "status": "ok",
        "failure_kind": None,
        "n_tokens": 300,
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
    sound: dict[str, object] = {"arm": "dual", "status": "ok"}
    return sound | {"decode_overlap": 1.0, "start_skew_ms": 0.0} | changes


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


@pytest.mark.parametrize(
    ("changes", "levels"),
    [
        ({}, []),
        ({"status": "failed", "failure_kind": "oom"}, ["ERROR"]),
        ({"status": "skipped"}, ["ERROR"]),
        ({"status": "interrupted", "n_tokens": None, "total_ms": NAN}, ["ERROR"]),
        ({"n_tokens": 31}, ["ERROR"]),
        ({"n_tokens": 32}, []),
        ({"ttft_ms": NAN}, ["ERROR"]),
        ({"is_degenerate": True, "repetition_ratio": 50.0}, ["WARN"]),
        ({"is_reload": True}, ["WARN"]),
        ({"is_reload": True, "arm": "solo_a"}, ["WARN"]),
        ({"is_reload": True, "arm": "single"}, []),
        ({"is_reload": None, "load_ms": NAN}, []),
        ({"server_total_ms": 5_020.0}, []),
        ({"server_total_ms": 5_020.1}, ["ERROR"]),
        ({"server_total_ms": NAN}, []),
        ({"stamps_in_order": False}, ["ERROR"]),
        ({"n_cached_prompt_tokens": 150}, ["WARN"]),
        ({"n_cached_prompt_tokens": 0}, []),
        ({"queue_ms": -20.0}, []),
        ({"queue_ms": -20.1}, ["ERROR"]),
        ({"queue_ms": 500.0}, []),  # max(250, 10 % of 5000)
        ({"queue_ms": 500.1}, ["ERROR"]),
        ({"queue_ms": 500.1, "arm": "single"}, []),  # waiting is the condition there
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
            {"n_tokens": 5, "is_reload": True, "server_total_ms": 9_000.0},
            ["ERROR", "WARN", "ERROR"],
        ),
    ],
)
def test_guards_of_a_call(changes: dict[str, Any], levels: list[str]) -> None:
    """A failed call is judged by its failure alone: its missing values are no further faults."""
    findings = call_findings(call(**changes))
    assert [finding.level for finding in findings] == levels
    assert all("collector analysis" in finding.text for finding in findings)
    assert {finding.guard for finding in findings} <= set(GUARDS)


def test_the_kind_of_a_failure_is_told() -> None:
    """`failed` alone sends the reader to the journal."""
    (finding,) = call_findings(call(status="failed", failure_kind="timeout_idle"))
    assert finding.text == "collector analysis failed (timeout_idle)"
    (finding,) = call_findings(call(status="skipped"))
    assert finding.text == "collector analysis skipped"


@pytest.mark.parametrize(
    ("changes", "count"),
    [
        ({}, 0),
        ({"decode_overlap": 0.80}, 0),
        ({"decode_overlap": 0.79}, 1),
        ({"decode_overlap": NAN}, 1),
        ({"start_skew_ms": 50.0}, 0),
        ({"start_skew_ms": 50.1}, 1),
        ({"start_skew_ms": NAN}, 1),
        ({"decode_overlap": 0.0, "start_skew_ms": 900.0}, 2),
        ({"arm": "single", "decode_overlap": 0.0}, 0),
        ({"arm": "solo_a", "decode_overlap": NAN, "start_skew_ms": NAN}, 0),
        ({"status": "failed", "decode_overlap": NAN, "start_skew_ms": NAN}, 0),
    ],
)
def test_guards_of_a_trial(changes: dict[str, Any], count: int) -> None:
    """Side by side or not: an overlap that is not known does not pass."""
    findings = trial_findings(run(**changes))
    assert [finding.level for finding in findings] == ["ERROR"] * count


def test_a_verdict_can_be_taken_apart_again() -> None:
    """A whole is judged from its parts' texts: a guard's name that got lost has no advice."""
    found = [Finding("ERROR", "timing", "a: b"), Finding("ERROR", "ended", "c")]
    assert findings_of(*verdict(found)) == found
    assert findings_of("VALID", "") == []


def test_advice_is_told_once_for_each_guard() -> None:
    """Twenty cold calls need one cure."""
    told = advice("warm: x loaded; warm: y loaded; overlap: 0.1")
    assert told == f"{GUARDS['warm'].advice}; {GUARDS['overlap'].advice}"
    assert advice("") == ""
