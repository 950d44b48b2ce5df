"""The block that is drawn is the median one that counts, and its course is that of the journal."""

from __future__ import annotations

import pytest

from dualollama_pipeline.report.pair import choose_block, pair_of
from dualollama_pipeline.report.plots.canvas import to_svg
from dualollama_pipeline.report.plots.course import course_in_words, draw_course
from dualollama_pipeline.tables.build import build_tables
from dualollama_pipeline.tables.rows import plain_rows
from dualollama_pipeline_tests.report.hand_made import SLOWER, build
from dualollama_pipeline_tests.tables.journals import block_of, journal


@pytest.fixture(scope="module")
def pair():
    """The pair of a journal of two equal blocks."""
    made = journal([trial for number in (1, 2) for trial in block_of(number)])
    return pair_of(made, choose_block(plain_rows(build_tables(made).block_table)))


def test_the_median_of_the_counting_blocks_is_chosen():
    """Trap: the first block, or the prettiest."""
    blocks = build({"test001": [0.9, 0.5, 0.7, 0.8, 0.6]}).blocks
    choice = choose_block(plain_rows(blocks))
    assert (choice.config_id, choice.block, choice.true_speedup, choice.n) == ("test001", 3, 0.7, 5)


def test_blocks_that_do_not_count_or_reload_are_passed_over():
    """Trap: a model load fills the picture, or an INVALID block is shown as typical."""
    blocks = build({"test001": SLOWER}).blocks
    blocks.loc[blocks["block"].eq(3) & blocks["arm"].eq("shared"), "n_reloads"] = 1
    blocks.loc[blocks["block"].eq(4), "validity"] = "INVALID"
    blocks.loc[blocks["block"].eq(5), "counts"] = False
    assert choose_block(plain_rows(blocks)).block == 1  # of 1 and 2 the lower
    assert choose_block(plain_rows(blocks[blocks["block"].gt(2)])) is None


def test_the_course_is_that_of_the_journal(pair):
    """Trap: the solo arms are drawn on top of each other, or the lanes swap agents."""
    lanes = {lane.label: lane.calls for lane in pair.lanes}
    # the collector alone 2 x 5 s, then the insight agent 2 x 6 s; 250 ms to each first token
    alone = lanes["one after the other: insight"]
    assert [call.sent_s for call in alone] == pytest.approx([10, 16])
    assert [call.first_s for call in alone] == pytest.approx([10.25, 16.25])
    assert alone[-1].end_s == pytest.approx(22)
    assert lanes["two servers: collector"][-1].end_s == pytest.approx(18)
    assert lanes["one server: insight"][-1].end_s == pytest.approx(25)
    # 300 tokens after each of two requests, from 250 ms on
    arrivals = pair.arrivals_s["insight"]
    assert len(arrivals) == 600
    assert [arrivals[n] for n in (0, 299, 300, 599)] == pytest.approx([0.25, 10.0, 10.25, 20.0])


def test_drawing_tells_agents_apart_without_colour(pair):
    """Trap: in grey, both agents' lines are one."""
    svg = to_svg(draw_course(pair), course_in_words(pair))
    assert "stroke-dasharray" in svg
    assert "insight: 600 records, the last after 20.00 s" in svg
