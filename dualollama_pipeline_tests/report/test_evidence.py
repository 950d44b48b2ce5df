"""A configuration's evidence: every block, trial and call, and where they are written down."""

from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import pytest

from dualollama_pipeline.report.evidence import gather_evidence
from dualollama_pipeline.report.page import render_evidence
from dualollama_pipeline.report.sections.contents import SECTIONS
from dualollama_pipeline.report.summary import compose, summarize
from dualollama_pipeline_tests.report.states import of_a_journal, of_one_agent


@pytest.fixture(scope="module")
def inputs():
    return of_a_journal()


@pytest.fixture(scope="module")
def evidence(inputs):
    (found,) = gather_evidence(inputs, summarize(inputs))
    return found


def _texts(table):
    return [[cell.text or cell.reason for cell in row.cells] for row in table.rows]


def test_a_block_has_its_seconds_its_speedups_and_its_standing(evidence):
    """Trap: the wall of one arm under the heading of another."""
    blocks, _ = evidence.tables
    assert [column.label for column in blocks.columns] == [
        "Block", "collector alone", "insight alone", "two servers", "one server",
        "Weighted speedup, two servers", "True speedup, two servers",
        "Weighted speedup, one server", "True speedup, one server", "Counts",
    ]  # fmt: skip
    # walls of journals.py: 2 x 5, 2 x 6, 2 x 10, 2 x 12.5 s; (10 + 12) / 20 and (10 + 12) / 25
    first, second = _texts(blocks)
    assert first[:5] == ["1", "10 s", "12 s", "20 s", "25 s"]
    assert (first[6], first[8], first[9]) == ("1.100×", "0.880×", "yes")
    assert second[0] == "2"


def test_a_call_has_its_stamps_and_an_attempt_that_was_replaced_stays(evidence):
    """Trap: the failed attempt that explains a hole in the night is not there."""
    _, calls = evidence.tables
    rows = _texts(calls)
    assert len(rows) == 2 * 12 + 1
    assert rows[1] == [
        "1, collector alone", "collector: report", "5.000", "5.250", "10.000", "10.000", "0.250",
        "300", "ok, length",
    ]  # fmt: skip
    (attempt,) = [row for row in calls.rows if "server_error" in row.cells[-1].text]
    assert [cell.text for cell in attempt.cells[2:8]] == ["0.000", "–", "–", "–", "–", "–"]
    assert attempt.notes == ("failed: a later attempt took its place",)
    assert rows[13][0] == "2, collector alone, attempt 2"


def test_it_says_where_it_is_written_down(evidence, inputs):
    """Trap: a path of the machine that it was measured on, or none at all."""
    assert evidence.where == (
        "Journal: `journals/test1/batch1.jsonl`, below the warehouse. "
        "Dagster: asset `benchmark_trials`, partition `test1`."
    )
    assert "one server: insight" in evidence.drawing
    (bare,) = gather_evidence(replace(inputs, recorded={}), summarize(inputs))
    assert bare.where.startswith("Journal: gone or damaged, so no call can be shown.")
    assert [table.name for table in bare.tables] == ["blocks-test1"]


def test_the_page_holds_it_folded_and_harmless(inputs):
    """Trap: what a server said runs in the reader's browser; a link opens nothing."""
    html = render_evidence(compose(inputs, SECTIONS))
    assert html.count("<script") == 1
    assert "alert('x')" in unescape(html)
    (folded,) = re.findall(r'<details class="rows one">.*?</details>', html, re.DOTALL)
    assert '<div id="c-test1">' in folded
    assert "1, collector alone" in folded


def test_one_agent_has_evidence_and_no_blocks():
    """Trap: nothing is estimated of one agent, so its calls are nowhere; `0 blocks: 0 valid`."""
    inputs = of_one_agent()
    report = compose(inputs, SECTIONS)
    (alone,) = report.evidence
    assert (alone.config_id, alone.title) == ("test001", "collector: server defaults")
    html = render_evidence(report)
    assert '<div id="c-test001">' in html
    assert "0 blocks" not in html


def test_a_known_ui_is_one_click_away(inputs, evidence):
    """The run behind a number; without a UI that is known there is no link that leads nowhere."""
    assert evidence.ui == ""
    (found,) = gather_evidence(replace(inputs, ui_url="http://127.0.0.1:3000"), summarize(inputs))
    assert found.ui.startswith("http://127.0.0.1:3000/assets/benchmark_trials?")
    assert found.ui.endswith(f"partition={found.config_id}")
