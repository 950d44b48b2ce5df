"""Page and Markdown: foreign text stays text, the page needs nothing else, both say the same."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from dualollama_pipeline.report.page import escape_markdown, render_html, render_markdown
from dualollama_pipeline.report.summary import summarize
from dualollama_pipeline.report.wording import show
from dualollama_pipeline_tests.report.hand_made import SLOWER, build

VOID = {"meta", "br", "link", "img", "hr", "input"}


class _Balance(HTMLParser):
    """Collects tags, and fails on one that is closed out of turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open, self.seen, self.attributes = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def _parse(html):
    parser = _Balance()
    parser.feed(html)
    assert parser.open == []
    return parser


def test_page_is_well_formed_and_needs_nothing_else(slower):
    """Trap: a font, a script or a picture from elsewhere: the page is blank on a train."""
    page = _parse(render_html(summarize(slower)))
    assert "svg" in page.seen
    assert not {"script", "link", "img", "iframe"} & set(page.seen)
    foreign = [
        (name, value)
        for name, value in page.attributes
        if name in {"src", "href", "xlink:href"} and not value.startswith("#")
    ]
    assert foreign == []
    assert "url(http" not in render_html(summarize(slower))


def test_hostile_text_stays_text_in_html(with_invalid_block):
    """Trap: a model's name or a server's error text runs as a script in the reader's browser."""
    html = render_html(summarize(with_invalid_block))
    assert "<script" not in html
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;" in html
    _parse(html)


def test_hostile_text_stays_in_its_cell_in_markdown(with_invalid_block):
    """Trap: `|` opens a column, a newline ends the table, `<script>` passes through a renderer."""
    markdown = render_markdown(summarize(with_invalid_block))
    assert "<script" not in markdown
    assert "\n# not" not in markdown
    (line,) = [line for line in markdown.splitlines() if line.startswith("| server\\_error")]
    assert len(re.findall(r"(?<!\\)\|", line)) == 4
    assert not re.search(r"(?<!\\)`", line)


def test_hostile_scenario_stays_text_in_the_plot(slower):
    """Trap: a name in the plot is read as a formula (`$`) or as markup."""
    statistics = slower.config_statistics.replace({"scenario": {"chimera_homo": "<b>$\\x$"}})
    html = render_html(summarize(replace(slower, config_statistics=statistics)))
    assert "<b>$" not in html
    assert "&lt;b&gt;$\\x$" in html


@pytest.mark.parametrize("sign", list("\\`*_[]#|~$"))
def test_each_sign_of_markdown_is_escaped(sign):
    """Trap: one sign forgotten."""
    assert escape_markdown(f"a{sign}b\nc") == f"a\\{sign}b c"


def test_simulated_says_so_in_title_and_page(simulated, slower):
    """Trap: a tab, a bookmark or an excerpt without the word."""
    summary = summarize(simulated)
    html, markdown = render_html(summary), render_markdown(summary)
    assert "SIMULATED" in re.search(r"<title>(.*?)</title>", html).group(1)
    assert markdown.startswith("# SIMULATED")
    assert 'class="banner"' in html
    measured = summarize(slower)
    assert "simulated" not in render_markdown(measured).lower().replace("simulated by", "")
    assert 'class="banner"' not in render_html(measured)


def test_excluded_block_is_marked_with_its_reason(with_invalid_block):
    """Trap: n 4 without a word about the fifth."""
    summary = summarize(with_invalid_block)
    for text in (render_html(summary), render_markdown(summary)):
        assert "block 3 INVALID, left out (two servers and one server): dual: collector" in text
    assert render_html(summary).count('<tr class="flagged noted">') == 1


def test_missing_and_equal_are_named(slower):
    """Trap: the reader cannot tell 2 of 27 from 27."""
    summary = summarize(
        replace(
            slower,
            missing={"test099": "not measured yet", "test100": "damaged"},
            equal_groups=(("test013", "test200"),),
        )
    )
    for text in (render_html(summary), render_markdown(summary)):
        assert "Not in this report, 2 of the matrix: test099 (not measured yet);" in text
        assert "test100 (damaged)." in text
        assert "test013 = test200" in text


def test_null_shows_its_reason_never_nan_or_zero():
    """Trap: `nan×`, `None`, or 0.000."""
    summary = summarize(build({"test001": SLOWER[:2]}))
    for text in (render_html(summary), render_markdown(summary)):
        assert "an interval needs 5 blocks, there are 2" in text
        assert not re.search(r"\bnan\b|\bNone\b|0\.000", text)


def test_both_versions_say_every_number(slower):
    """Trap: page and Markdown drift apart."""
    summary = summarize(slower)
    html, markdown = render_html(summary), render_markdown(summary)
    names = ("dual_true_speedup", "balance_efficiency_pct")
    shown = [
        show(estimate)
        for configuration in summary.configurations
        for estimate in configuration.estimates
        if estimate.metric in names
    ]
    assert len(shown) == 4
    for each in shown:
        assert each.value in html
        assert each.interval in html
        assert f"{each.value} (95 % interval {each.interval}; {each.counts})" in markdown


def test_equal_inputs_make_equal_pages(slower):
    """Trap: random ids or a date in the plot make every report differ from the last."""
    assert render_html(summarize(slower)) == render_html(summarize(slower))
    assert "<dc:date>" not in render_html(summarize(slower))
