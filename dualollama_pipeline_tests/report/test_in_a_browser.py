"""Pages as a browser lays them out: at every width, light, dark and on paper, and by keyboard."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape

import pytest

from dualollama_pipeline.report.page import EVIDENCE, render_evidence, render_html
from dualollama_pipeline.report.sections.contents import SECTIONS
from dualollama_pipeline.report.summary import compose
from dualollama_pipeline_tests.report.browser import (
    AXE,
    CHROMIUM,
    POLICY,
    Look,
    axe_source,
    run_chromium,
    seen_by_a_browser,
)
from dualollama_pipeline_tests.report.hand_made import FASTER, SLOWER, build
from dualollama_pipeline_tests.report.states import of_a_journal, states

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium on PATH"),
]
WINDOWS = [(width, shown) for width in (390, 1280, 1920) for shown in ("light", "dark")]
WITH_AXE = [(390, "light"), (1280, "light"), (1280, "dark")]  # it takes a second a page
PAPER = (718, "print")  # A4 between its margins, at 96 px an inch
NARROW = 500  # px: what is wider in the evidence is scrolled there


@pytest.fixture(scope="module")
def pages():
    """Every state's page, and its evidence with all that is folded opened."""
    made = {}
    for name, report in states().items():
        made[name] = render_html(report, [EVIDENCE])
        if name != "many":  # the same, 27 times
            made[f"{name}-evidence"] = render_evidence(report).replace("<details", "<details open")
    return made


@pytest.fixture(scope="module")
def seen(pages, tmp_path_factory):
    looks = {
        f"{name} {width} {shown}": Look(html, width, shown, has_axe=(width, shown) in WITH_AXE)
        for name, html in pages.items()
        for width, shown in (*WINDOWS, PAPER)
    }
    return seen_by_a_browser(looks, tmp_path_factory.mktemp("looks"))


def test_nothing_is_wider_than_its_page(seen):
    """Trap: a long name, or a table that paper cuts off."""
    assert {name: each["wide"] for name, each in seen.items() if each["wide"] > _width(name)} == {}
    assert len(seen) == 15 * 7
    scrolled = {
        name: each["scrolled"]
        for name, each in seen.items()
        if each["scrolled"] and not ("-evidence" in name and _width(name) < NARROW)
    }
    assert scrolled == {}


def _width(name):
    return int(name.split()[1])


def test_no_text_leaves_its_cell(seen):
    """Trap: two columns' words on top of each other."""
    assert {name: each["spilled"] for name, each in seen.items() if each["spilled"]} == {}


def test_no_word_of_a_picture_is_cut_off(seen):
    """Trap: the label of a line begins left of its picture."""
    assert {name: each["cut"] for name, each in seen.items() if each["cut"]} == {}


def test_the_console_is_silent(seen, pages, tmp_path):
    """Trap: the page's own policy stops its script, and nothing sorts any more."""
    assert {name: each["said"] for name, each in seen.items() if each["said"]} == {}
    for name in ("many", "foreign-evidence"):
        path = tmp_path / f"{name}.html"
        path.write_text(pages[name], encoding="utf-8")
        done = run_chromium(path.as_uri(), "--enable-logging=stderr")
        assert 'class="scripted"' in done.stdout
        assert "CONSOLE" not in done.stderr


def test_axe_finds_nothing(seen):
    """Trap: a table, a box or a colour that some readers cannot use."""
    if axe_source() is None:
        pytest.skip(f"needs the package {AXE} (extra `dev`), which holds axe-core")
    assert {name: each["axe"] for name, each in seen.items() if each.get("axe")} == {}
    assert sum("axe" in each for each in seen.values()) == 15 * 3


ACTED = """<script>addEventListener("load", () => {
  const table = document.querySelector("table.brief"), told = [];
  const press = (text) => [...table.querySelectorAll("thead button")].find(
    (each) => each.textContent === text).click();
  const shown = () => told.push([...table.tBodies].filter((body) => !body.hidden).map(
    (body) => body.querySelector("a").textContent).join(" "));
  const box = document.querySelector(".filter input");
  const filter = (text) => { box.value = text; box.dispatchEvent(new Event("input")); shown(); };
  press("Configuration"); shown();
  press("Configuration"); shown();
  told.push(table.querySelector("[aria-sort]").getAttribute("aria-sort"));
  filter("80 LAYERS"); filter("layers num_gpu"); filter("none such"); filter("");
  const folded = table.querySelector("details.toml");
  folded.open = true; folded.querySelector("button").click();
  told.push(getSelection().toString().trim());
  document.title = JSON.stringify(told);
})</script></body>"""


def test_rows_are_sorted_filtered_and_copied_by_controls_that_a_keyboard_reaches(tmp_path):
    """Trap: a heading that looks sortable and is no button; a filter that hides all."""
    inputs = build({"test013": SLOWER, "test001": FASTER, "test100": SLOWER})
    inputs = replace(inputs, toml={"test013": "num_gpu = 60"})
    html = POLICY.sub("", render_html(compose(inputs, SECTIONS)))
    path = tmp_path / "page.html"
    path.write_text(html.replace("</body>", ACTED), encoding="utf-8")
    told = re.search(r"<title>(.*?)</title>", run_chromium(path.as_uri()).stdout)
    assert json.loads(unescape(told[1])) == [
        "test001 test013 test100", "test100 test013 test001", "descending",
        "test100 test013 test001", "test013", "", "test100 test013 test001",
        "num_gpu = 60",
    ]  # fmt: skip


def test_a_link_into_the_evidence_opens_what_it_leads_to(tmp_path):
    """Trap: the reader lands before a closed fold."""
    folded = render_evidence(compose(of_a_journal(), SECTIONS))
    path = tmp_path / "evidence.html"
    path.write_text(folded, encoding="utf-8")
    opened = r'<details class="rows one" open=""><summary><strong>test1'
    assert re.search(opened, run_chromium(f"{path.as_uri()}#c-test1").stdout)
    assert not re.search(opened, run_chromium(path.as_uri()).stdout)
