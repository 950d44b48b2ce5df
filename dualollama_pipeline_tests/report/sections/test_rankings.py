"""First five, last three, and the best single trials beside what their configurations do."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from dualollama_pipeline.report.sections import rankings
from dualollama_pipeline.report.summary import summarize
from dualollama_pipeline_tests.report.hand_made import build


def _speedups(centre):
    return [centre + step for step in (-0.02, -0.01, 0.0, 0.01, 0.02)]


def _tables(*centres: float):
    """Build the section over configurations with these centres; ids count from test001."""
    made = build({f"test{i:03d}": _speedups(at) for i, at in enumerate(centres, start=1)})
    section = rankings.build(made, summarize(made)).section
    return {table.name: table for table in section.tables}


def test_five_from_the_top_and_three_from_the_end():
    """Trap: the last three stand in the wrong order, or a middle place is shown."""
    tables = _tables(1.0, 1.9, 1.1, 1.8, 1.2, 1.7, 1.3, 1.6, 1.4, 1.5)
    rows = tables["ranking_weighted_speedup"].rows
    assert [row.cells[2].value for row in rows] == [1, 2, 3, 4, 5, 8, 9, 10]
    assert [row.cells[0].text for row in rows] == [
        "test002", "test004", "test006", "test008", "test010", "test005", "test003", "test001",
    ]  # fmt: skip
    centres = [math.exp(sum(map(math.log, _speedups(at))) / 5) for at in (1.9, 1.0)]
    assert [rows[0].cells[3].value, rows[-1].cells[3].value] == pytest.approx(centres)


def test_few_configurations_stand_there_once():
    """Trap: of four, two would be both among the first five and among the last three."""
    rows = _tables(1.0, 1.1, 1.2, 1.3)["ranking_weighted_speedup"].rows
    assert [row.cells[2].value for row in rows] == [1, 2, 3, 4]


def test_a_place_says_which_places_the_data_allow():
    """Trap: equal configurations, printed as a podium."""
    rows = _tables(1.0, 1.0, 2.0)["ranking_weighted_speedup"].rows
    ends = [(row.cells[2].ci_low, row.cells[2].ci_high) for row in rows]
    assert ends == [(1, 1), (2, 3), (2, 3)]


def test_a_best_trial_stands_beside_its_configuration():
    """Trap: the highest of 15 trials is taken for what the configuration does."""
    rows = _tables(1.0, 1.5, 1.1)["best_trials"].rows
    mine = [row for row in rows if row.cells[2].text == "Weighted speedup, two servers"]
    assert [row.cells[3].value for row in mine] == pytest.approx([1.52, 1.51, 1.50, 1.49, 1.48])
    assert {row.cells[0].text for row in mine} == {"test002"}
    mean = math.exp(sum(map(math.log, _speedups(1.5))) / 5)
    assert [row.cells[4].value for row in mine] == pytest.approx([mean] * 5)


def test_nothing_to_rank_is_said(slower):
    """Trap: empty tables under a heading."""
    statistics = slower.config_statistics.assign(rank=float("nan"))
    inputs = replace(slower, config_statistics=statistics)
    section = rankings.build(inputs, summarize(inputs)).section
    assert (section.evidence, section.tables) == ("none", ())
