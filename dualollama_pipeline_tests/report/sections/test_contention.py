"""A rate of trials says which trials it is not of."""

from __future__ import annotations

from dataclasses import replace

from dualollama_pipeline.report.sections import contention
from dualollama_pipeline.report.summary import summarize


def _paragraphs(inputs):
    return " ".join(contention.build(inputs, summarize(inputs)).section.paragraphs)


def test_trials_that_no_rule_was_asked_about_are_counted(slower):
    """Trap: the worst delays make their trials INVALID, and `0 %` sounds like all is well."""
    assert "Of 10 trials, 0 were not asked" in _paragraphs(slower)
    runs = slower.runs.copy()
    runs.loc[runs.index[0], ["validity", "validity_reasons"]] = ["INVALID", "overlap: 0.60 < 0.8"]
    runs.loc[runs.index[1], "status"] = "failed"
    words = _paragraphs(replace(slower, runs=runs))
    assert "Of 10 trials, 2 were not asked: they failed or are INVALID, 1 because" in words
