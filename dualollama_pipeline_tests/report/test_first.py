"""The first screen: seconds, what changed, how much counts, and how long the page is."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
from dataclasses import replace
from html import unescape
from pathlib import Path

import pandas as pd
import pytest

from dualollama_pipeline.report.first import (
    at_best,
    driven_by_length,
    how_much_counts,
    in_seconds,
    since_last_night,
)
from dualollama_pipeline.report.page import render_html, render_markdown
from dualollama_pipeline.report.sections.contents import SECTIONS
from dualollama_pipeline.report.summary import compose
from dualollama_pipeline.statistics.intervals import Interval
from dualollama_pipeline.statistics.nights import Change
from dualollama_pipeline_tests.report.hand_made import FASTER, SLOWER, build

MOST_WORDS, MOST_WORDS_AS_TEXT, MOST_SCREENS = 2_500, 3_000, 8
CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def as_many_as_tr114():
    """27 configurations: what the budgets are for."""
    return compose(build({f"test{n:03}": SLOWER for n in range(27)}), SECTIONS)


def blocks_of(**configurations: list[tuple[float, float]]):
    """Blocks that count: wall seconds together and in turn."""
    rows = [
        {"config_id": name, "arm": "apart", "counts": True, "wall_s": wall, "in_turn_s": in_turn}
        for name, walls in configurations.items()
        for wall, in_turn in walls
    ]
    return pd.DataFrame(rows)


def population(value, low, high):
    (found,) = [
        each
        for each in compose(build({"test001": SLOWER}), SECTIONS).summary.population
        if (each.metric, each.arm) == ("true_speedup", "apart")
    ]
    return [found.model_copy(update={"value": value, "ci_low": low, "ci_high": high})]


def test_what_a_second_gpu_can_bring_at_most():
    """Trap: a reader takes 20 s on one GPU for what two would give. In turn 16 s, ideally / 2."""
    (true,) = population(0.8, 0.7, 0.9)
    ideal = true.model_copy(update={"metric": "ideal_speedup", "value": 2.0})
    blocks = blocks_of(a=[(10.0, 8.0)], b=[(20.0, 16.0), (40.0, 32.0)])
    (said,) = at_best(blocks, [ideal])
    assert "together would take 8 s (computed" in said
    assert "not measured" in said
    assert at_best(blocks, [true]) == ()


def test_the_answer_in_seconds():
    """Trap: a ratio of 0.8 is 25 % later and not 20 %; the blocks of one configuration outweigh."""
    # means: a 10 and 8, b (20 + 40) / 2 = 30 and 24; of both 20 and 16; 1 / 0.8 - 1 = 25 %
    blocks = blocks_of(a=[(10.0, 8.0)], b=[(20.0, 16.0), (40.0, 32.0)])
    # 1 / 0.81 - 1 = 23.5 %, 1 / 0.79 - 1 = 26.6 %
    assert in_seconds(blocks, population(0.8, 0.79, 0.81)) == (
        "Together 20 s, one after the other 16 s: 25.0 % later (95 %: 23.5 to 26.6)."
    )
    sooner = in_seconds(blocks_of(a=[(8.0, 10.0)]), population(1.25, 1.2, 1.3))
    assert sooner.endswith(": 20.0 % sooner (95 %: 16.7 to 23.1).")
    unsure = in_seconds(blocks_of(a=[(10.0, 10.1)]), population(1.01, 0.98, 1.04))
    assert unsure.endswith("the difference is not sure (95 %: up to 3.8 %).")
    assert in_seconds(blocks, population(0.8, None, None)).endswith(
        ": 25.0 % later (a point estimate, without an interval)."
    )


def test_seconds_and_verdict_may_differ_and_then_the_page_says_why():
    """Trap: whoever reads `faster` above `20 % later` believes neither."""
    blocks = blocks_of(a=[(10.0, 8.0)]).assign(window_share=0.93)
    (said,) = driven_by_length("faster", "Together 10 s: 25.0 % later (95 %: 20 to 30).", blocks)
    assert "7.0 % of the time not all agents were running" in said
    assert driven_by_length("slower", "Together 10 s: 25.0 % later.", blocks) == ()
    assert driven_by_length("undetermined", "", blocks) == ()


def test_a_block_that_is_left_out_of_both_arms_is_one_block(slower):
    """Trap: `left out (20 times)` of ten blocks; `All 1 blocks count`."""
    blocks = slower.blocks.assign(counts=False, exclusion_reason="solo_collector: failed")
    assert how_much_counts(replace(slower, blocks=blocks)) == (
        "0 of 10 blocks count.",
        "Left out (10 blocks): solo_collector: failed.",
    )
    (one,) = how_much_counts(build({"test001": SLOWER[:1]}))
    assert one == "The one block counts."


def test_what_does_not_count_is_said_with_its_commonest_reason(slower):
    """Trap: `n 4` in the smallest print is how a lost night hides."""
    assert how_much_counts(slower) == ("All 10 blocks count.",)
    blocks = slower.blocks.copy()
    bad = blocks["block"].eq(2) & blocks["arm"].eq("shared")
    blocks.loc[bad, "counts"] = False
    blocks.loc[bad, "exclusion_reason"] = "shared: cold"
    missing = {f"test{n}": "not measured yet" for n in range(100, 105)}
    assert how_much_counts(replace(slower, blocks=blocks, missing=missing)) == (
        "8 of 10 blocks count.",
        "Left out (2 blocks): shared: cold.",
        "Not in this report: test100, test101, test102 and 2 more.",
    )


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (Interval(1.05, 1.03, 1.07, ""), "changed (+5.0 %, 95 %: +3.0 to +7.0 %)."),
        (Interval(1.0, 0.99, 1.01, ""), "nothing changed that matters (+0.0 %"),
        (Interval(math.nan, math.nan, math.nan, "no block counts"), "not known, no block counts."),
    ],
)
def test_what_changed_since_the_night_before_is_dated(slower, ratio, said):
    """Trap: `last night` is three weeks ago."""
    since = ("2026-11-29", Change(ratio, 2))
    told = since_last_night(replace(slower, since=since))
    assert told.startswith("Since the night before (2026-11-29): ")
    assert said in told
    assert since_last_night(slower) == ""


def words_of(html):
    """What a reader sees: without script, style, pictures, and what is folded away."""
    text = re.sub(r"<(script|style|details|svg)\b.*?</\1>", " ", html, flags=re.DOTALL)
    return unescape(re.sub(r"<[^>]+>", " ", text)).split()


def test_the_page_can_be_read_in_minutes(as_many_as_tr114):
    """Trap: it had 15,400 words, and readers decide in a minute."""
    assert 500 < len(words_of(render_html(as_many_as_tr114))) <= MOST_WORDS
    assert len(render_markdown(as_many_as_tr114.summary).split()) <= MOST_WORDS_AS_TEXT


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium on PATH")
@pytest.mark.parametrize(
    ("n", "width", "height", "most"),
    [(27, 1280, 900, MOST_SCREENS), (1, 1280, 900, 3), (27, 1920, 1080, 7), (27, 500, 900, 14)],
)
def test_the_page_is_no_longer_than_promised(tmp_path, as_many_as_tr114, n, width, height, most):
    """Trap: a table wider than its page, and a page of 41 screens. Laid out by a browser."""
    report = as_many_as_tr114 if n > 1 else compose(build({"test001": FASTER}), SECTIONS)
    size = "[document.documentElement.scrollWidth, document.documentElement.scrollHeight].join()"
    probe = f"<script>onload = () => document.title = {size}</script></body>"
    html = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", render_html(report))
    page = Path(tmp_path / "page.html")
    page.write_text(html.replace("</body>", probe), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=3000"]
    done = subprocess.run(
        [CHROMIUM, *options, f"--window-size={width},{height}", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        check=True,
    )
    wide, high = map(int, re.search(r"<title>(\d+),(\d+)</title>", done.stdout).groups())
    assert wide <= width
    assert high / height <= most


def test_the_summary_says_what_the_page_says(as_many_as_tr114):
    """Trap: programs read the JSON, and find another answer than people do."""
    summary = as_many_as_tr114.summary
    html = unescape(render_html(as_many_as_tr114)).replace("\u00a0", " ")
    for sentence in (summary.seconds, *summary.strip, *summary.counted):
        assert sentence in html
