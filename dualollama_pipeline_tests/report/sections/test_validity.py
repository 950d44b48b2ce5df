"""Reasons are counted once for a cell, the worst first, each with its way out."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from dualollama_pipeline.report.sections import ruler, validity
from dualollama_pipeline.report.summary import summarize
from dualollama_pipeline.tables.conform import conform
from dualollama_pipeline.tables.guards import GUARDS
from dualollama_pipeline_tests.report.hand_made import HOSTILE, filled


def _cell(config_id, judged, reasons, drift=None, ruler_ms=None):
    return filled(
        "cell_table", origin="measured", config_id=config_id, scenario="chimera_homo", arm="apart",
        validity=judged, validity_reasons=reasons, n_planned=5, n_ok=5, n_calls=20,
        isolation="unloaded and verified", drift_share=drift, ruler_ttft_error_median_ms=ruler_ms,
    )  # fmt: skip


@pytest.fixture(scope="module")
def inputs(slower):
    rows = [
        _cell("test001", "WARN", "drift: wall time moves by +9 %", 0.09, -0.4),
        _cell("test013", "WARN", "drift: wall time moves by +9 %", -0.2, 0.3),
        _cell("test014", "INVALID", f"placement: {HOSTILE}".replace(";", ",")),
    ]  # fmt: skip
    return replace(slower, more={"cell_table": conform("cell_table", pd.DataFrame(rows))})


@pytest.fixture(scope="module")
def tables(inputs):
    section = validity.build(inputs, summarize(inputs)).section
    return {table.name: table for table in section.tables}


def test_reasons_are_counted_with_their_way_out(tables):
    """Trap: a user reads `drift` and does not know what to do."""
    worst, drift = tables["reasons"].rows
    assert worst.cells[0].text == "INVALID"
    assert [cell.text for cell in drift.cells] == [
        "WARN", "drift", "wall time moves by +9 %", "2", "test001, test013", GUARDS["drift"].advice,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("gpu_uuids", "said"),
    [
        ("a: GPU-1; b: GPU-2", "each server its own"),
        ("a: GPU-1; b: GPU-1", "shared by both servers"),
        ("a: GPU-1 GPU-2; b: GPU-2", "shared by both servers"),
        ("a: GPU-1; b: not known", "not known"),
        (None, "not known"),
    ],
)
def test_whether_the_servers_share_a_gpu_is_said(slower, gpu_uuids, said):
    """Trap: a speedup of two GPUs is read as one that sharing a GPU brings."""
    cell = _cell("test001", "VALID", "") | {"gpu_uuids": gpu_uuids, "max_round_trip_ms": 3.5}
    seen = replace(slower, more={"cell_table": conform("cell_table", pd.DataFrame([cell]))})
    tables = validity.build(seen, summarize(seen)).section.tables
    (facts,) = [table for table in tables if table.name == "provenance"]
    told = {row.cells[0].text: row.cells[1].text for row in facts.rows}
    assert told["GPUs"] == said
    assert told["Round trip from this client to the servers, worst"] == "3.50 ms (n 1 cells)"


def test_the_worst_drift_is_the_largest_either_way(tables):
    """Trap: a fall of 20 % hides behind a rise of 9 %."""
    (row,) = tables["cells"].rows
    assert row.cells[-1].value == pytest.approx(-20.0)
    assert row.cells[4].text == "0, 2, 1"


def test_the_ruler_of_these_batches_is_shown_by_its_worst_error(inputs):
    """Trap: the mean of the ruler's errors, signs cancelling."""
    section = ruler.build(inputs, summarize(inputs)).section
    (row,) = section.tables[0].rows
    assert row.cells[1].value == pytest.approx(-0.4)
    assert row.cells[1].n == 2


def test_missed_promises_are_shown_as_missed(slower):
    """Trap: only the kept promises are printed."""
    target = {"name": "TTFT error", "value": 1.31, "unit": "x", "sign": "<=", "limit": 1.3,
              "spread": "1.03 to 1.70", "met": False}  # fmt: skip
    section = ruler.build(replace(slower, bench={"targets": [target]}), summarize(slower)).section
    assert "0 of 1 promises are kept" in " ".join(section.paragraphs)
    assert [cell.text for cell in section.tables[0].rows[0].cells] == [
        "TTFT error", "1.310×", "1.03 to 1.70", "at most 1.300×", "NO",
    ]  # fmt: skip
