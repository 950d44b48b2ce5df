"""Page and Markdown: foreign text stays text, the page needs nothing else, both say the same."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import pytest

from dualollama_pipeline.report.page import (
    ON_THE_PAGE,
    escape_markdown,
    in_brief,
    mark_code,
    render_answer,
    render_evidence,
    render_html,
    render_markdown,
)
from dualollama_pipeline.report.sections.contents import SECTIONS
from dualollama_pipeline.report.summary import compose
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


def _both(report):
    """The page and its evidence."""
    return render_html(report) + render_evidence(report)


@pytest.mark.parametrize("render", [render_html, render_evidence])
def test_page_is_well_formed_and_needs_nothing_else(slower, render):
    """Trap: a font, a script or a picture from elsewhere: the page is blank on a train."""
    page = _parse(render(compose(slower, SECTIONS)))
    assert "svg" in page.seen
    assert not {"link", "img", "iframe", "object"} & set(page.seen)
    assert page.seen.count("script") == 1
    foreign = [
        (name, value)
        for name, value in page.attributes
        if name in {"src", "href", "xlink:href"} and not value.startswith("#")
    ]
    beside = ("index.html", "evidence.html", "summary.json", "report.md")
    assert [value for _, value in foreign if value.split("#")[0] not in beside] == []
    assert "url(http" not in render(compose(slower, SECTIONS))


def test_hostile_text_stays_text_in_html(with_invalid_block):
    """Trap: a model's name or a server's error text runs as a script in the reader's browser."""
    report = compose(with_invalid_block, SECTIONS)
    for html in (render_html(report), render_evidence(report)):
        assert html.count("<script") == 1
        _parse(html)
    assert "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;" in html


def test_hostile_text_stays_in_its_cell_in_markdown(with_invalid_block):
    """Trap: `|` opens a column, a newline ends the table, `<script>` passes through a renderer."""
    markdown = render_markdown(compose(with_invalid_block, SECTIONS).summary)
    assert "<script" not in markdown
    assert "\n# not" not in markdown
    rows = [line for line in markdown.splitlines() if line.startswith("|")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in rows[:4]}) == 1
    assert not any(re.search(r"(?<!\\)`", line) for line in rows)


def test_hostile_scenario_stays_text_in_the_plot(slower):
    """Trap: a name in the plot is read as a formula (`$`) or as markup."""
    statistics = slower.config_statistics.replace({"scenario": {"chimera_homo": "<b>$\\x$"}})
    html = _both(compose(replace(slower, config_statistics=statistics), SECTIONS))
    assert "<b>$" not in html
    assert "&lt;b&gt;$\\x$" in html


@pytest.mark.parametrize("sign", list("\\`*_[]#|~$"))
def test_each_sign_of_markdown_is_escaped(sign):
    """Trap: one sign forgotten."""
    assert escape_markdown(f"a{sign}b\nc") == f"a\\{sign}b c"


def test_simulated_says_so_in_title_and_page(simulated, slower):
    """Trap: a tab, a bookmark or an excerpt without the word."""
    report = compose(simulated, SECTIONS)
    html, markdown = render_html(report), render_markdown(report.summary)
    assert "SIMULATED" in re.search(r"<title>(.*?)</title>", html).group(1)
    assert markdown.startswith("# SIMULATED")
    assert 'class="ribbon"' in html
    assert "SIMULATED" in render_evidence(report)
    measured = compose(slower, SECTIONS)
    assert "simulated" not in render_markdown(measured.summary).lower().replace("simulated by", "")
    assert 'class="ribbon"' not in render_html(measured)


def test_excluded_block_is_marked_with_its_reason(with_invalid_block):
    """Trap: n 4 without a word about the fifth."""
    report = compose(with_invalid_block, SECTIONS)
    evidence = render_evidence(report)
    assert "block 3 INVALID, left out (two servers and one server): apart: collector" in evidence
    assert evidence.count('class="flagged noted">') == 1
    for text in (render_html(report), render_markdown(report.summary)):
        assert re.search(r"\b\d+ of \d+ blocks count\.", text)
        assert "Left out (1 block): apart: collector" in text


def test_missing_and_equal_are_named(slower):
    """Trap: the reader cannot tell 2 of 27 from 27."""
    report = compose(
        replace(
            slower,
            missing={"test099": "not measured yet", "test100": "damaged"},
            equal_groups=(("test013", "test200"),),
        ),
        SECTIONS,
    )
    evidence = render_evidence(report)
    assert "Not in this report, 2 of the matrix: test099 (not measured yet);" in evidence
    assert "test100 (damaged)." in evidence
    assert "test013 = test200" in evidence
    for text in (render_html(report), render_markdown(report.summary)):
        assert "Not in this report: test099, test100." in text


def test_null_shows_its_reason_never_nan_or_zero():
    """Trap: `nan×`, `None`, or 0.000."""
    report = compose(build({"test001": SLOWER[:2]}), SECTIONS)
    for text in (_both(report), render_markdown(report.summary)):
        assert "an interval needs 5 blocks, there are 2" in text
        assert not re.search(r"\bnan\b|\bNone\b|0\.000", text)


def test_page_markdown_and_json_say_every_number(slower):
    """Trap: page and Markdown drift apart from summary.json, or a section is in one of them."""
    report = compose(slower, SECTIONS)
    html = unescape(_both(report))
    markdown = render_markdown(report.summary)
    shown = [in_brief(each) for each in report.summary.sections if each.id in ON_THE_PAGE]
    assert len([c for c in _cells(report.summary.sections) if c.ci_low is not None]) > 20
    for cell in _cells(report.summary.sections):
        for text in filter(None, (cell.text, cell.reason, *cell.detail.split("; "))):
            assert text in html
    for cell in _cells(shown):
        for text in filter(None, (cell.text, cell.reason)):
            assert escape_markdown(text) in markdown
    for section in report.summary.sections:
        assert f'<h2 id="{section.id}">' in html
    for section in shown:
        assert f"## {section.title}" in markdown


def _cells(sections):
    return [
        c for each in sections for table in each.tables for row in table.rows for c in row.cells
    ]


def test_every_number_with_an_interval_prints_it_with_n_and_unit(slower):
    """Trap: the machine's number has an interval and the reader's has none."""
    for section in compose(slower, SECTIONS).summary.sections:
        for cell in (c for t in section.tables for r in t.rows for c in r.cells):
            if None not in (cell.ci_low, cell.ci_high) and cell.unit != "place":
                assert " to " in cell.detail
                assert f"n {cell.n}" in cell.detail
                assert cell.unit


def test_script_runs_under_the_policy_and_nothing_else_does(slower):
    """Trap: the policy names the hash of another script, and the browser refuses to sort."""
    html = render_html(compose(slower, SECTIONS))
    (script,) = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)
    expected = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', html)
    assert policy == (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{expected}'"
    )


@pytest.mark.parametrize("render", [render_html, render_evidence])
def test_ids_are_unique_and_every_reference_has_its_target(slower, render):
    """Trap: two plots share an id, and one borrows the other's marks or description."""
    html = render(compose(slower, SECTIONS))
    ids = re.findall(r'\bid="([^"]+)"', html)
    assert len(ids) == len(set(ids))
    wanted = re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', html)
    wanted += [
        (name, "") for names in re.findall(r'labelledby="([^"]+)"', html) for name in names.split()
    ]
    assert {a or b for a, b in wanted} <= set(ids)


def test_links_into_the_evidence_lead_to_something(slower):
    """Trap: a row leads to its evidence, and the reader lands at the top of forty screens."""
    report = compose(slower, SECTIONS)
    wanted = re.findall(r'href="evidence.html#([^"]+)"', render_html(report))
    assert {"c-test001", "delays"} <= set(wanted)
    assert set(wanted) <= set(re.findall(r'\bid="([^"]+)"', render_evidence(report)))


def test_a_row_folds_away_what_its_agents_ask_for(slower):
    """Trap: the TOML of another row, or one that a model's name ends early."""
    toml = {"test001": '[agent_a]\nmodel = "</pre><script>"\n', "test013": "[agents]\n"}
    html = render_html(compose(replace(slower, toml=toml), SECTIONS))
    found = re.findall(r'<summary aria-label="(\w+) as TOML".*?<pre>(.*?)</pre>', html, re.DOTALL)
    assert {name: unescape(text) for name, text in found} == toml
    assert html.count("<script") == 1


def test_every_value_of_the_configurations_has_a_hover(slower):
    """Trap: `0.831×` without its interval, its n and its method."""
    html = render_html(compose(slower, SECTIONS))
    cells = re.findall(r'<td class="number"( [^>]*)>', html)
    assert len(cells) == 2 * 7
    hovers = [unescape(found[0]) for each in cells if (found := re.findall(r'title="(.+)"', each))]
    assert len(hovers) == len(cells)
    # five blocks of 0.80 to 0.84: their geometric mean is 0.8199
    assert hovers[0].startswith("0.81987")
    assert "n 5 blocks, 0 left out; geometric mean, t interval on logs" in hovers[0]


def test_the_answer_alone_is_harmless_markdown_and_says_what_to_run(with_invalid_block, simulated):
    """Trap: the catalog shows numbers without the word simulated, or runs a model's name."""
    assert "What should I run?" in render_answer(compose(with_invalid_block, SECTIONS).summary)
    assert "SIMULATED" in render_answer(compose(simulated, SECTIONS).summary)
    assert "<script" not in render_answer(compose(with_invalid_block, SECTIONS).summary)


def test_code_is_marked_after_escaping():
    """Trap: what stands between backticks is taken for markup."""
    assert mark_code("run `<b>`") == "run <code>&lt;b&gt;</code>"


def test_equal_inputs_make_equal_pages(slower):
    """Trap: random ids or a date in the plot make every report differ from the last."""
    assert render_html(compose(slower, SECTIONS)) == render_html(compose(slower, SECTIONS))
    assert "<dc:date>" not in render_html(compose(slower, SECTIONS))
