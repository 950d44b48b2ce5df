"""Distributions: exact intervals, and no tail that n does not support."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dualollama_pipeline.report.sections import delays
from dualollama_pipeline.report.summary import summarize


def test_interval_of_a_median_is_that_of_order_statistics():
    """Trap: a normal interval around a median.

    Of 1..10, P(2 <= number below the median <= 8) = 1 - 2 (1 + 10) / 1024 = 0.9785: x(2) to x(9).
    """
    assert delays.order_interval(np.arange(1.0, 11.0), 0.5) == (2.0, 9.0)


def test_five_values_have_no_interval():
    """Trap: 5 values promise 95 % (they reach 1 - 2/32 = 93.75 %)."""
    assert all(np.isnan(delays.order_interval(np.arange(5.0), 0.5)))


def test_tails_need_their_n_and_say_so(slower):
    """Trap: a 99th percentile of twenty calls."""
    section = delays.build(slower, summarize(slower)).section
    two_servers = next(row for row in section.tables[0].rows if row.cells[0].text == "two servers")
    named = dict(zip([c.label for c in section.tables[0].columns], two_servers.cells, strict=True))
    assert named["P90"].value == pytest.approx(1.0)  # 20 calls of 1 ms
    assert named["P99"].reason == "P99 needs 100 calls"


def test_what_is_not_there_is_neither_drawn_nor_listed(slower):
    """Trap: of one agent alone, rows and lines of two kinds of `one server`."""
    apart = slower.calls[slower.calls["arm"].eq("apart")]
    arms = [apart.assign(arm=arm) for arm in ("solo_collector", "apart", "shared")]
    for calls, said, listed in (
        (pd.concat(arms), "Solid: alone. Dashed: two servers. Dotted: one server. A line", 3),
        (arms[0], "Solid: alone. A line", 1),
    ):
        inputs = replace(slower, calls=calls)
        section = delays.build(inputs, summarize(slower)).section
        assert section.plots[0].caption.startswith(said)
        assert len({row.cells[0].text for row in section.tables[0].rows}) == listed


def test_failed_and_invalid_calls_are_left_out(slower):
    """Trap: the TTFT of a call that failed counts as a wait."""
    calls = slower.calls.copy()
    calls.loc[calls["block"].eq(1), "status"] = "failed"
    calls.loc[calls["block"].eq(1), "failure_kind"] = "truncated"
    calls.loc[calls["block"].eq(2), "validity"] = "INVALID"
    inputs = replace(slower, calls=calls)
    section = delays.build(inputs, summarize(inputs)).section
    assert section.paragraphs[0].startswith("All 12 calls")  # 20 less 4 failed and 4 INVALID
