"""Every section stands without its table: one sentence says why, and how to get it."""

from __future__ import annotations

import pytest

from dualollama_pipeline.report.sections.contents import SECTIONS
from dualollama_pipeline.report.summary import summarize

NEEDS_A_TABLE = {
    "two-or-one", "course", "factors", "outliers", "nights", "ruler",
}  # fmt: skip


@pytest.fixture(scope="module")
def chapters(slower):
    summary = summarize(slower)
    return [build(slower, summary) for build in SECTIONS]


def test_ids_are_unique(chapters):
    """Trap: a link of the contents leads to another section."""
    ids = [chapter.section.id for chapter in chapters]
    assert len(ids) == len(set(ids))


def test_absent_tables_are_one_sentence_with_a_way_out(chapters):
    """Trap: an empty table, a traceback, or silence."""
    bare = [chapter.section for chapter in chapters if chapter.section.id in NEEDS_A_TABLE]
    assert len(bare) == len(NEEDS_A_TABLE)
    for section in bare:
        assert section.evidence == "none"
        assert (section.tables, section.plots) == ((), ())
        (why,) = section.paragraphs
        assert "dualollama " in why or "make bench" in why


def test_every_plot_has_words_and_a_drawing(chapters):
    """Trap: a plot without a text alternative, or a description of a plot that is not there."""
    drawn = {name for chapter in chapters for name in chapter.drawings}
    told = [plot for chapter in chapters for plot in chapter.section.plots]
    assert {plot.name for plot in told} == drawn
    assert {"speedups", "balance", "ttft"} <= drawn
    for plot in told:
        assert plot.title in chapters_svg(chapters, plot.name)
        assert len(plot.description) > 40
        assert plot.caption


def chapters_svg(chapters, name):
    return next(chapter.drawings[name] for chapter in chapters if name in chapter.drawings)
