"""Nights stand in the order of measuring, each with its own interval."""

from __future__ import annotations

import pandas as pd

from dualollama_pipeline.report.plots.nights import draw_nights
from dualollama_pipeline.report.plots.speedups import series_of
from dualollama_pipeline.report.wording import PAIR


def test_nights_keep_their_order_and_gaps():
    """Trap: batch ids are sorted by name, or a night without an estimate closes the gap."""
    nights = pd.DataFrame(
        {
            "batch_id": ["zoe", "adam", "mia"],
            "date": ["2026-11-28", "2026-11-29", "2026-12-01"],
            "metric": "weighted_speedup",
            "arm": "apart",
            "agent": "all",
            "value": [0.8, 0.9, 1.1],
            "ci_low": [0.7, float("nan"), 1.0],
            "ci_high": [0.9, float("nan"), 1.2],
        }
    )
    (axes,) = draw_nights(nights, series_of(PAIR)).axes
    dual = axes.containers[0].lines[0]
    assert list(dual.get_ydata()) == [0.8, 1.1]
    assert [round(x - series_of(PAIR)[0].offset) for x in dual.get_xdata()] == [1, 3]
    assert axes.get_xticklabels()[0].get_text() == "2026-12-01"
    assert len(axes.get_xticklabels()) == 3


def test_of_many_nights_some_dates_are_named_and_the_last():
    """Trap: a hundred dates over each other, or an axis that ends without today's."""
    names = [f"2026-{1 + n // 28:02}-{1 + n % 28:02}" for n in range(100)]
    nights = pd.DataFrame(
        {"batch_id": names, "date": names, "metric": "weighted_speedup", "arm": "apart",
         "agent": "all", "value": 0.8, "ci_low": 0.7, "ci_high": 0.9}
    )  # fmt: skip
    (axes,) = draw_nights(nights, series_of(PAIR)).axes
    shown = [each.get_text() for each in axes.get_xticklabels()]
    assert len(shown) <= 8
    assert max(shown) == names[-1]
