"""The wing's page: every section from its table, and the answer without it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest

from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.pipeline import WING_PAGE, rebuild_report
from dualollama_pipeline.report.inputs import TablesByName
from dualollama_pipeline.report.model import Section, Table
from dualollama_pipeline.tables.store import TableStore
from dualollama_pipeline.tr114.page import SECTIONS, publish_wing
from dualollama_pipeline_tests.report.browser import CHROMIUM, Look, seen_by_a_browser
from dualollama_pipeline_tests.tr114.conftest import DATA


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A warehouse in which nothing was measured: what is printed can be audited all the same."""
    made = Settings(warehouse=tmp_path_factory.mktemp("warehouse"), data=DATA)
    assert rebuild_report(made).no_wing is None
    return made


@pytest.fixture(scope="module")
def tables(settings: Settings) -> dict[str, pd.DataFrame]:
    store = TableStore.of(settings)
    return {name: store.load(name) for name in WING_PAGE}


@pytest.fixture(scope="module")
def sections(tables: dict[str, pd.DataFrame]) -> dict[str, Section]:
    made = [build(TablesByName(tables)).section for build in SECTIONS]
    return {section.id: section for section in made}


def table(section: Section, name: str) -> Table:
    return next(each for each in section.tables if each.name == name)


def test_an_absent_table_is_one_sentence_with_a_way_out() -> None:
    """Trap: an empty table, a traceback, or silence."""
    for build in SECTIONS:
        section = build(TablesByName({})).section
        assert (section.evidence, section.tables, section.plots) == ("none", (), ())
        (why,) = section.paragraphs
        assert "dualollama " in why


def test_every_published_figure_is_counted_once(
    tables: dict[str, pd.DataFrame], sections: dict[str, Section]
) -> None:
    """Trap: a verdict is not in the table, and the counts no longer add up to all figures."""
    counts = {
        row.cells[0].text: row.cells[1].value
        for row in table(sections["audit"], "audit_counts").rows
    }
    audit = tables["claim_audit"]
    assert counts == {word: (audit["verdict"] == word).sum() for word in counts}
    assert sum(value or 0 for value in counts.values()) == len(audit)
    listed = audit["verdict"].isin(["contradicted", "internally inconsistent"]).sum()
    assert listed == len(table(sections["audit"], "audit").rows)


@pytest.mark.parametrize(
    ("section", "name", "source", "label"),
    [
        ("service-levels", "service_levels", "slo_evaluation", "Observed"),
        ("costs", "costs", "cost_model", "Value"),
    ],
)
def test_numbers_are_those_of_the_tables(
    tables: dict[str, pd.DataFrame],
    sections: dict[str, Section],
    section: str,
    name: str,
    source: str,
    label: str,
) -> None:
    """Trap: an interval's end is mixed up on the way from the table to the page."""
    known = tables[source].dropna(subset=["value"])[["value", "ci_low", "ci_high"]]
    expected = known.astype(object).where(known.notna(), None).itertuples(index=False, name=None)
    shown = table(sections[section], name)
    place = [column.label for column in shown.columns].index(label)
    cells = [row.cells[place] for row in shown.rows if row.cells[place].value is not None]
    assert cells
    assert sorted(map(str, expected)) == sorted(
        str((cell.value, cell.ci_low, cell.ci_high)) for cell in cells
    )


def test_the_page_is_linked_both_ways(settings: Settings) -> None:
    """Trap: a page that nobody finds, or that leads nowhere."""
    folder = Warehouse(settings.warehouse).report
    assert 'href="tr114.html"' in (folder / "index.html").read_text()
    wing = (folder / "tr114.html").read_text()
    assert 'href="index.html"' in wing
    assert all(f'id="{build(TablesByName({})).section.id}"' in wing for build in SECTIONS)


def test_trouble_in_the_wing_costs_no_answer(tmp_path: Path) -> None:
    """A mistake in the document's cost file, and there was no report at all."""
    data = shutil.copytree(DATA, tmp_path / "data", ignore=shutil.ignore_patterns("warehouse"))
    (data / "cost.yaml").write_text("horizon_years: -1\n")
    settings = Settings(warehouse=tmp_path / "warehouse", data=data)
    page, no_wing = rebuild_report(settings)
    assert "horizon_years" in str(no_wing)
    assert "Nothing has been measured yet" in page.read_text()
    assert "It is not made yet" in (page.parent / "tr114.html").read_text()


def test_the_page_is_written_whole(tables: dict[str, pd.DataFrame], tmp_path: Path) -> None:
    """The same tables make the same page, to the byte."""
    first = publish_wing(tables, tmp_path).read_bytes()
    assert publish_wing(tables, tmp_path).read_bytes() == first


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium on PATH")
def test_the_wing_fits_its_window_and_axe_finds_nothing(settings: Settings, tmp_path: Path) -> None:
    """Trap: a table wider than the page; a colour that some readers cannot tell."""
    html = (Warehouse(settings.warehouse).report / "tr114.html").read_text(encoding="utf-8")
    looks = {
        "wide": Look(html, 1280, has_axe=True), "dark": Look(html, 1920, "dark", has_axe=True),
        "paper": Look(html, 718, "print"),
    }  # fmt: skip
    for name, seen in seen_by_a_browser(looks, tmp_path).items():
        assert seen["wide"] <= looks[name].width
        assert (seen["scrolled"], seen["spilled"], seen["said"]) == ([], [], [])
        assert seen.get("axe", []) == []
