"""Outliers: labelled by rule, explained by rule, never dropped.

The trap: a label from too few values, and a cause that was guessed.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dualollama_pipeline.metrics.catalog import (
    APART_AGAINST_SHARED,
    APART_SPEEDUP,
    BALANCE,
    SHARED_SECONDS,
    Key,
)
from dualollama_pipeline.statistics.causes import CAUSES, UNEXPLAINED, arms_of, find_causes
from dualollama_pipeline.statistics.outliers import label, outliers
from dualollama_pipeline.tables.conform import conform
from dualollama_pipeline_tests.statistics.campaign import joined, one, rows

USUAL = np.array([1.0, 2.0, 3.0, 4.0, 5.0])  # median 3, MAD 1


def call(**changes: Any) -> dict[str, Any]:
    """A sound call of block 1."""
    sound: dict[str, Any] = {
        "config_id": "a", "batch_id": "night1", "block": 1, "trial_id": "1-dual", "arm": "apart",
        "attempt": 1, "agent": "insight", "stage": "report", "status": "ok", "failure_kind": None,
        "done_reason": "length", "n_tokens": 300, "total_ms": 3000.0, "queue_ms": 1.0,
        "load_ms": 50.0, "is_reload": False, "is_degenerate": False,
    }  # fmt: skip
    return sound | changes


def run(**changes: Any) -> dict[str, Any]:
    """A sound dual trial of block 1."""
    sound = {
        "config_id": "a", "batch_id": "night1", "block": 1, "arm": "apart", "start_skew_ms": 1.0,
        "ttft_contention": False,
    }  # fmt: skip
    return sound | changes


def calls_with(**changes: Any) -> pd.DataFrame:
    """Block 1 with these changes, and four usual blocks to compare it with."""
    usual = [call(block=block, trial_id=f"{block}-dual") for block in range(2, 6)]
    return pd.DataFrame([call(**changes), *usual])


def cause_of(
    calls: pd.DataFrame | None = None, runs: pd.DataFrame | None = None, key: Key = APART_SPEEDUP
) -> tuple[str, str]:
    place = pd.DataFrame([{"config_id": "a", "batch_id": "night1", "block": 1, **key._asdict()}])
    found = find_causes(
        place,
        pd.DataFrame([run()]) if runs is None else runs,
        calls_with() if calls is None else calls,
    )
    return found["cause"].iloc[0], found["cause_detail"].iloc[0]


def test_the_limit_is_in_unscaled_mads() -> None:
    """14.826 MADs are ten robust standard deviations: 3 + 14.826 is the last that is usual."""
    found = label(np.array([17.82, 17.83, -11.83]), USUAL)
    assert list(found.is_mad_outlier) == [False, True, True]
    assert found.mad_score[0] == pytest.approx(14.82)


def test_tukeys_fences_need_ten_values() -> None:
    """Quartiles 3.25 and 7.75 of 1..10 and IQR 4.5: beyond 21.25; of five values none are known."""
    ten = np.arange(1.0, 11.0)
    assert list(label(np.array([21.2, 21.3, -10.3]), ten).is_tukey_outlier) == [False, True, True]
    assert not label(np.array([1e9]), USUAL).is_tukey_outlier.any()


@pytest.mark.parametrize("usual", [USUAL[:4], np.array([2.0] * 12)])
def test_without_spread_nothing_is_far(usual: np.ndarray) -> None:
    """Among equal values any rounding would be infinitely far."""
    found = label(np.array([99.0]), usual)
    assert not found.is_mad_outlier.any()
    assert not found.is_tukey_outlier.any()
    assert math.isnan(found.mad_score[0])


def test_an_outlier_is_shown_with_and_without() -> None:
    """Geometric mean of four 1s, one 1.01, one 0.99 and one e: exp(1/7) = 1.15 against 1."""
    samples = rows("a", [math.e, 1.0, 1.0, 1.02, 1 / 1.02, 1.01, 1 / 1.01])
    table = outliers(samples, pd.DataFrame([run()]), calls_with(n_tokens=900))
    found = one(conform("outliers", table))
    assert (found["block"], found["counts"], found["n"]) == (1, True, 7)
    assert found["value_with"] == pytest.approx(math.exp(1 / 7))
    assert found["value_without"] == pytest.approx(1.0)
    assert found["change_pct"] == pytest.approx(100 * (math.exp(-1 / 7) - 1))
    assert found["moves_result"]
    assert found["cause"] == "runaway length"
    assert "900 tokens (usual 300)" in found["cause_detail"]
    assert found["evidence"] == "measured"


def test_the_reports_rule_lists_what_is_below_95_pct() -> None:
    """Listed by another rule than distance, so nothing is taken out for it."""
    samples = rows("a", [94.9, 95.0, 97.0, 98.0, 99.0], BALANCE)
    found = one(conform("outliers", outliers(samples, pd.DataFrame([run()]), calls_with())))
    assert found["value"] == 94.9
    assert found["is_below_95_pct"]
    assert not found["is_mad_outlier"]
    assert pd.isna(found["is_tukey_outlier"])
    assert found["change_pct"] == 0


def test_the_reports_rule_is_for_two_agents() -> None:
    """Of three whose work differs every block is below 95 %: a page of findings about nothing."""
    samples = rows("a", [60.0, 61.0, 62.0, 63.0, 64.0], BALANCE).assign(n_agents=3)
    assert outliers(samples, pd.DataFrame([run()]), calls_with()).empty


def test_no_outlier_is_an_empty_table() -> None:
    """And a legal one: it is a finding."""
    table = outliers(rows("a", [1.0, 1.1, 1.2, 1.3, 1.4]), pd.DataFrame([run()]), calls_with())
    assert len(conform("outliers", table)) == 0


def test_what_does_not_count_is_judged_too_but_moves_nothing() -> None:
    """The original's only contention event was a call without a final record."""
    samples = joined(
        rows("a", [9.0], counts=False, pools=False),
        rows("a", [1.0, 1.1, 1.2, 1.3, 1.4]).assign(block=range(2, 7)),
    )
    calls = calls_with(status="failed", failure_kind="truncated")
    found = one(outliers(samples, pd.DataFrame([run()]), calls))
    assert (found["cause"], found["counts"], found["n"]) == ("missing done", False, 5)
    assert found["change_pct"] == 0


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"status": "failed", "failure_kind": "truncated"}, "missing done"),
        ({"done_reason": None}, "missing done"),
        ({"status": "failed", "failure_kind": "oom"}, "failed call"),
        ({"is_reload": True}, "cold load"),
        ({"n_tokens": 451}, "runaway length"),
        ({"n_tokens": 450}, UNEXPLAINED),
        ({"n_tokens": 199}, "short answer"),
        ({"is_degenerate": True}, "degenerate answer"),
        ({"queue_ms": 601.0}, "queueing"),
        ({"n_tokens": None, "queue_ms": None, "is_reload": None}, UNEXPLAINED),
        ({}, UNEXPLAINED),
    ],
)
def test_each_rule_of_a_call(changes: dict[str, Any], cause: str) -> None:
    """A cause is read from a column, or there is none."""
    assert cause_of(calls_with(**changes))[0] == cause
    assert cause in {*CAUSES, UNEXPLAINED}


@pytest.mark.parametrize(
    ("changes", "cause"),
    [({"start_skew_ms": 51.0}, "late start"), ({"ttft_contention": True}, "contention by TTFT")],
)
def test_each_rule_of_a_trial(changes: dict[str, Any], cause: str) -> None:
    """What only the whole trial shows."""
    assert cause_of(runs=pd.DataFrame([run(**changes)]))[0] == cause


def test_waiting_on_one_server_is_the_condition_and_no_cause() -> None:
    """Both agents on one server queue and reload by design."""
    calls = calls_with(arm="shared", is_reload=True, queue_ms=2000.0)
    runs = pd.DataFrame([run(arm="shared", ttft_contention=True)])
    assert cause_of(calls, runs, SHARED_SECONDS) == (UNEXPLAINED, "")


def test_the_first_rule_that_speaks_is_the_cause() -> None:
    """A cold load makes a late start too."""
    runs = pd.DataFrame([run(start_skew_ms=900.0)])
    assert cause_of(calls_with(is_reload=True), runs)[0] == "cold load"


def test_only_arms_that_a_value_rests_on_are_asked() -> None:
    """A runaway in `shared` explains nothing about `apart`."""
    calls = calls_with(arm="shared", n_tokens=9_000)
    assert cause_of(calls)[0] == UNEXPLAINED
    assert cause_of(calls, key=APART_AGAINST_SHARED)[0] == "runaway length"
    assert arms_of(BALANCE.metric, BALANCE.arm, ["solo_insight"]) == ("apart",)


def test_an_attempt_that_was_repeated_is_no_cause() -> None:
    """The value comes from the last attempt."""
    calls = pd.concat(
        [calls_with(attempt=2), pd.DataFrame([call(status="failed", failure_kind="oom")])]
    )
    assert cause_of(calls)[0] == UNEXPLAINED
