"""The published figure stands across, the true one up, and what lacks either is left out."""

from __future__ import annotations

from dualollama_pipeline.report.plots.balance import balance_in_words, draw_balance
from dualollama_pipeline.report.summary import summarize
from dualollama_pipeline_tests.report.hand_made import SLOWER, build


def test_words_give_both_ranges(summary):
    """Trap: the axes are mixed up, or one figure is drawn against itself.

    Balance efficiency of the runs: 100 (3.91 .. 3.95) / 4 = 97.75 .. 98.75, mean 98.25 %.
    """
    words = balance_in_words(summary.configurations).description
    assert "from 98.25 % to 98.25 %" in words
    assert "from 0.820 to 0.820" in words


def test_scenarios_differ_by_marker(summary):
    """Trap: in grey, scenarios cannot be told apart."""
    (axes,) = draw_balance(summary.configurations).axes
    markers = [bars.lines[0].get_marker() for bars in axes.containers]
    assert len(markers) == len(set(markers)) == 2


def test_nothing_to_draw_is_no_plot():
    """Trap: an empty plot raises and the report is lost."""
    assert draw_balance(summarize(build({"test001": SLOWER[:2]})).configurations) is None
