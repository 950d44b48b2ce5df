"""Plain rows, groups, and the judgement of a whole. The trap: pandas' many kinds of nothing."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dualollama_pipeline.tables.rows import column, grouped, judge, pick, plain_rows


def judged(status: str = "ok", validity: str = "VALID", reasons: str = "") -> dict[str, Any]:
    return {"status": status, "validity": validity, "validity_reasons": reasons}


def test_missing_numbers_are_nan_and_missing_texts_and_flags_are_none() -> None:
    """`if row["flag"]` of pandas' NA raises, and NA in a sum spreads as an object."""
    frame = pd.DataFrame(
        {
            "count": pd.array([1, None], dtype="Int64"),
            "number": [0.5, np.nan],
            "text": pd.array(["a", None], dtype="string[pyarrow]"),
            "flag": pd.array([False, None], dtype="boolean"),
        }
    )
    full, empty = plain_rows(frame)
    assert full == {"count": 1, "number": 0.5, "text": "a", "flag": False}
    assert math.isnan(empty["count"])
    assert math.isnan(empty["number"])
    assert empty["text"] is None
    assert empty["flag"] is None


def test_groups_keep_the_order_of_first_appearance() -> None:
    """The order of submission is in the order of rows; sorting would lose it."""
    rows = [{"role": "insight", "n": 1}, {"role": "collector", "n": 2}, {"role": "insight", "n": 3}]
    groups = grouped(rows, "role")
    assert list(groups) == [("insight",), ("collector",)]
    assert column(groups["insight",], "n") == [1, 3]
    assert pick(rows[1], ["n"]) == {"n": 2}


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        (["ok", "ok"], "ok"),
        (["ok", "skipped"], "skipped"),
        (["skipped", "failed", "ok"], "failed"),
        (["failed", "interrupted", "skipped"], "interrupted"),
    ],
)
def test_a_whole_is_as_bad_as_its_worst_part(statuses: list[str], expected: str) -> None:
    """A trial with one failed call of four is no ok trial."""
    assert judge([judged(status) for status in statuses])["status"] == expected


def test_reasons_of_all_parts_are_told_once() -> None:
    """Two agents with the same warning are one footnote; an error outweighs it."""
    parts = [
        judged(validity="WARN", reasons="warm: w"),
        judged(validity="WARN", reasons="warm: w; loop: v"),
    ]
    assert judge(parts) == judged(validity="WARN", reasons="warm: w; loop: v")
    parts.append(judged("failed", "INVALID", "ended: e"))
    assert judge(parts) == judged("failed", "INVALID", "warm: w; loop: v; ended: e")
    assert judge([judged()]) == judged()
