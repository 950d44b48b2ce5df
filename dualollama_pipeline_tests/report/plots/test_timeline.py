"""Lanes in time: every mark at its second, foreign text as text."""

from __future__ import annotations

import re

import pytest

from dualollama_pipeline.report.lanes import CallSpan, Lane
from dualollama_pipeline.report.plots.timeline import timeline, timeline_in_words

ANALYSIS = CallSpan("collector", "analysis", 0.0, 1.0, 4.0, 300, load_s=0.5)
REPORT = CallSpan("collector", "report", 4.0, 4.0, 10.0, 300, load_s=0.0)
OTHER = CallSpan("<b>insight", "report", 0.0, 2.0, 5.0, None, load_s=9.0)
LANES = (Lane("two servers: collector", (ANALYSIS, REPORT)), Lane("two: <b>insight", (OTHER,)))


@pytest.fixture(scope="module")
def svg():
    return timeline(LANES, timeline_in_words("t", "Block 3 in time", LANES))


def test_every_mark_stands_at_its_second(svg):
    """Trap: the waiting starts where the answer does; a load is longer than the wait for it."""
    # 10 s fill 85 % of the width, so that a second is 8.5 %
    marks = re.findall(
        r'<rect x="([\d.]+)%" y="\d+" width="([\d.]+)%" height="\d+" fill="(.*?)"', svg
    )
    first, second = "var(--two)", "var(--one)"  # by name: <b>insight is the first
    assert marks == [
        ("0.00", "4.25", "currentColor"), ("0.00", "8.50", "none"), ("8.50", "25.50", second),
        ("34.00", "51.00", second),  # no wait, no load
        ("0.00", "17.00", "currentColor"), ("0.00", "17.00", "none"), ("17.00", "25.50", first),
    ]  # fmt: skip
    assert re.findall(r'<text x="([\d.]+)%"[^>]*>([^<]+)</text>', svg) == [
        ("85.00", "10 s"), ("42.50", "5 s"),
    ]  # fmt: skip


def test_it_is_told_in_words_and_foreign_text_stays_text(svg):
    """Trap: a screen reader says `image`; an agent's name becomes markup."""
    assert "two servers: collector: 2 calls from 0.00 s to 10.00 s." in svg
    assert "collector, analysis: sent 0.00 s, first token 1.00 s, end 4.00 s, 300 tokens" in svg
    assert "<b>" not in svg
    assert "two: &lt;b&gt;insight" in svg
