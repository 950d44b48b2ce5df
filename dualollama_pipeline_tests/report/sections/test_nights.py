"""What the course lacks is said, without a path of the machine that it was measured on."""

from __future__ import annotations

from dataclasses import replace

from dualollama_pipeline.report.sections import nights
from dualollama_pipeline.report.summary import summarize
from dualollama_pipeline.statistics.trend import trend
from dualollama_pipeline.tables.conform import conform


def _words(inputs, left_out):
    course = conform("trend", trend(inputs.more["samples"], ["night1"]))
    changed = replace(inputs, more={"trend": course}, nights_left_out=left_out)
    return " ".join(nights.build(changed, summarize(changed)).section.paragraphs)


def test_a_file_that_cannot_be_used_is_told(slower):
    """Trap: a night is missing from the plot, and nothing says so."""
    path = "/home/somebody/history/block_table/test013/night0.parquet"
    words = _words(slower, {path: "damaged: no magic bytes"})
    assert "One file of the history cannot be used here" in words
    assert "test013, batch night0 (damaged: no magic bytes)" in words
    assert "somebody" not in words


def test_many_are_counted_and_nothing_is_said_of_none(slower):
    """Trap: a hundred paragraphs after an update."""
    many = {f"/h/test013/night{i}.parquet": "of another version" for i in range(100)}
    assert "100 files of the history" in _words(slower, many)
    assert "of the history cannot" not in _words(slower, {})
