"""The plot can be read without colour, without eyes, and on any background."""

from __future__ import annotations

import base64
import re

from dualollama_pipeline.report.plots.canvas import to_markdown, to_svg
from dualollama_pipeline.report.plots.speedups import (
    draw_speedups,
    rows_of,
    series_of,
    speedups_in_words,
)
from dualollama_pipeline.report.summary import summarize
from dualollama_pipeline.report.wording import PAIR
from dualollama_pipeline_tests.report.hand_made import SLOWER, STRADDLING, build


def plot_speedups(summary):
    rows = rows_of(summary.configurations)
    return to_svg(draw_speedups(rows), speedups_in_words(rows))


def test_plot_has_a_text_alternative(summary):
    """Trap: a screen reader meets a picture without words."""
    svg = plot_speedups(summary)
    assert svg.startswith("<svg")
    assert 'role="img" aria-labelledby="plot-speedups-title plot-speedups-desc"' in svg
    description = re.search(r"<desc[^>]*>(.*?)</desc>", svg).group(1)
    assert "two servers: intervals 2 below 1, 0 with 1 inside" in description


def test_series_differ_by_shape_and_filling():
    """Trap: printed in grey, the two series are one."""
    assert len({series.marker for series in series_of(PAIR)}) == 2
    assert len({series.is_filled for series in series_of(PAIR)}) == 2


def test_colours_are_left_to_the_page(summary):
    """Trap: black strokes on a dark page, or a white box."""
    svg = plot_speedups(summary)
    assert {"var(--two)", "currentColor"} <= set(re.findall(r"var\(--\w+\)|currentColor", svg))
    assert re.findall(r"#[0-9a-f]{6}\b", svg) == []


def test_configuration_without_interval_keeps_its_line():
    """Trap: what has no interval is dropped, or drawn as a point without one."""
    svg = plot_speedups(summarize(build({"test001": SLOWER[:3], "test013": STRADDLING})))
    assert "test001" in svg
    assert "two servers: no interval (see table)" in svg
    assert "1 with 1 inside, 0 above 1, 1 not determined" in svg


def test_plot_of_nothing_but_nulls_is_still_drawn():
    """Trap: an empty errorbar raises and the whole report is lost."""
    assert "no interval" in plot_speedups(summarize(build({"test001": SLOWER[:2]})))


def test_picture_for_the_catalog_holds_its_own_bytes_and_words(summary):
    """Trap: the catalog loads a picture from a path that the browser cannot read."""
    rows = rows_of(summary.configurations)
    markdown = to_markdown(draw_speedups(rows), speedups_in_words(rows))
    image, words = markdown.split("\n\n", 1)
    content = base64.b64decode(re.search(r"base64,([^)]+)\)", image).group(1))
    assert content.startswith(b"\x89PNG")
    assert "two servers: intervals 2 below 1" in words
