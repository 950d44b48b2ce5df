"""`dualollama report` on a real warehouse: every table, every section, one page, one content.

Three configurations are measured on the simulated pair: one whose agents make the one server reload
its model, and two whose agents do not and differ in temperature only.
"""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pandas as pd
import pytest

from dualollama_pipeline.bench.measure import Measurement
from dualollama_pipeline.bench.servers import open_pair
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.metrics.catalog import APART_SPEEDUP
from dualollama_pipeline.pipeline import rebuild_report
from dualollama_pipeline.report.gather import samples_of_nights
from dualollama_pipeline.report.model import Summary, find
from dualollama_pipeline.report.schema import json_schema
from dualollama_pipeline.statistics.estimate import night_statistics
from dualollama_pipeline.statistics.samples import of_key
from dualollama_pipeline.tables.conform import schemas
from dualollama_pipeline.tables.rebuild import rebuild_tables
from dualollama_pipeline.tables.schemas import MEASURED_TABLES
from dualollama_pipeline.tables.store import TableStore
from dualollama_pipeline_tests.studies import part_of_tr114

CONFIGURATIONS = ("test007", "test106", "test107")
NIGHTS = ("night1", "night2")
LARGEST_PAGE_BYTES = 3_000_000
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """Settings of a warehouse with two nights and its report."""
    folder = tmp_path_factory.mktemp("home")
    study = part_of_tr114(folder / "study", CONFIGURATIONS)
    made = Settings(warehouse=folder / "warehouse", data=ROOT / "data", study=study)
    with open_pair(made) as pair:
        for night in NIGHTS:
            for config_id in CONFIGURATIONS:
                Measurement(made, pair, lambda _: None).run(config_id, night)
            assert rebuild_tables(made) == (list(CONFIGURATIONS), {})
    rebuild_report(made)
    return made


@pytest.fixture(scope="module")
def folder(settings):
    return Warehouse(settings.warehouse).report


@pytest.fixture(scope="module")
def summary(folder):
    return Summary.model_validate_json((folder / "summary.json").read_text(encoding="utf-8"))


def test_every_table_that_an_asset_makes_is_published(settings):
    """Trap: an asset is added and `dualollama report` goes on without its table."""
    store = TableStore(Warehouse(settings.warehouse).tables)
    # what `dualollama capacity` measures is no part of a report
    computed = set(schemas()) - {schema.name for schema in MEASURED_TABLES} - {"capacity"}
    assert {name for name in computed if store.path(name).exists()} == computed


def test_every_section_has_content(summary):
    """Trap: a table is computed and its section still says that it is not there."""
    bare = [each.id for each in summary.sections if not (each.tables or each.plots)]
    assert bare == []
    assert len(summary.sections) == 16


def test_simulated_sections_say_illustration(summary, folder):
    """Trap: `better`, `supported` or `recommended` without a word about the simulator."""
    evidence = {section.id: section.evidence for section in summary.sections}
    honest = {"ruler": "measured", "appendix-c": "none", "appendix-d": "none"}
    assert evidence == dict.fromkeys(evidence, "illustration") | honest
    page = (folder / "evidence.html").read_text(encoding="utf-8")
    assert page.count("illustration: simulated") == len(evidence) - len(honest) - 1  # the overview
    by_name = {table.name: table for section in summary.sections for table in section.tables}
    for name in ("contrasts", "factors", "scenario_contrasts"):
        verdict = [column.label for column in by_name[name].columns].index("Verdict")
        for row in by_name[name].rows:
            assert row.cells[verdict].text.endswith("(illustration)")


@pytest.mark.parametrize(
    ("name", "source", "label", "rows"),
    [
        ("contrasts", "contrasts", "Effect", {"scope": ["all", "scenario"]}),
        ("factors", "factor_effects", "Effect", {}),
    ],
)
def test_numbers_are_those_of_the_tables(settings, summary, name, source, label, rows):
    """Trap: an interval's end is mixed up on the way from the table to the page."""
    table = TableStore(Warehouse(settings.warehouse).tables).load(source)
    for column, wanted in rows.items():
        table = table[table[column].isin(wanted)]
    table = table[table["value"].notna()]
    expected = [
        tuple(None if value != value else value for value in triple)  # noqa: PLR0124 nan
        for triple in table[["value", "ci_low", "ci_high"]].itertuples(index=False)
    ]
    (shown,) = [t for section in summary.sections for t in section.tables if t.name == name]
    place = [column.label for column in shown.columns].index(label)
    found = [row.cells[place] for row in shown.rows if row.cells[place].value is not None]
    assert sorted(map(str, expected)) == sorted(
        str((cell.value, cell.ci_low, cell.ci_high)) for cell in found
    )
    assert expected


def test_reloads_stand_apart(summary):
    """Trap: a configuration that reloads is pooled with those that do not."""
    (table,) = [t for s in summary.sections for t in s.tables if t.name == "contrasts"]
    scopes = [row.cells[0].detail for row in table.rows]
    assert "all scenarios, model reloaded" in scopes


def test_two_nights_have_a_course(summary, settings):
    """Trap: the nights are out of order, or pooled."""
    (section,) = [each for each in summary.sections if each.id == "nights"]
    assert [plot.name for plot in section.plots] == ["nights"]
    # by the clock of its calls: the batch is called night1
    assert re.match(r"Since the night before \(20\d\d-\d\d-\d\d\): nothing", summary.since)
    store = TableStore(Warehouse(settings.warehouse).tables)
    runs = store.load("run_table", "test007")
    samples, left_out = samples_of_nights(store, CONFIGURATIONS, NIGHTS, runs)
    assert samples is not None
    nights = night_statistics(samples, NIGHTS)
    assert left_out == {}
    dual = of_key(nights, APART_SPEEDUP)
    assert dual["batch_id"].tolist() == list(NIGHTS)
    assert dual["n"].tolist() == [15, 15]
    last = find(summary.population, APART_SPEEDUP)
    assert dual["value"].iloc[-1] == pytest.approx(last.value)  # the headline is the last night
    assert samples_of_nights(store, CONFIGURATIONS, NIGHTS[:1], runs) == (None, {})


def test_the_history_is_rebuilt_from_its_journals(settings, tmp_path):
    """Trap: the tables of old nights are lost, their journals are there, and the trend is gone."""
    copy = settings.model_copy(update={"warehouse": tmp_path / "warehouse"})
    shutil.copytree(settings.warehouse, copy.warehouse)
    store = TableStore(Warehouse(copy.warehouse).tables)
    kept = store.load("block_table", "test007")
    shutil.rmtree(store.root)
    first = Warehouse(copy.warehouse).journal("test106", NIGHTS[0])
    first.chmod(0o644)
    first.write_text("no journal\n")
    rebuilt = rebuild_tables(copy)
    assert rebuilt.config_ids == list(CONFIGURATIONS)
    assert list(rebuilt.left_out) == [str(first)]  # one lost night does not cost the others
    there = {name: {path.stem for path in (store.root / "history" / "block_table" / name).iterdir()}
             for name in CONFIGURATIONS}  # fmt: skip
    assert there == {"test007": set(NIGHTS), "test106": {NIGHTS[1]}, "test107": set(NIGHTS)}
    pd.testing.assert_frame_equal(store.load("block_table", "test007"), kept)  # the last night's


def test_a_journal_that_was_cut_off_replaces_nothing(settings, tmp_path):
    """Trap: the tool that is to restore tables overwrites five blocks by two."""
    copy = settings.model_copy(update={"warehouse": tmp_path / "warehouse"})
    shutil.copytree(settings.warehouse, copy.warehouse)
    warehouse = Warehouse(copy.warehouse)
    store = TableStore(warehouse.tables)
    for config_id in ("test007", "test106"):
        last = warehouse.journal(config_id, NIGHTS[1])
        last.chmod(0o644)
        last.write_bytes(last.read_bytes()[: last.stat().st_size // 2])
    warehouse.journal("test106", NIGHTS[0]).unlink()  # there the cut one is all there is
    rebuilt = rebuild_tables(copy)
    assert rebuilt.config_ids == ["test007", "test107"]
    assert {Path(path).parent.name for path in rebuilt.left_out} == {"test007", "test106"}
    for config_id in ("test007", "test106"):
        kept = pd.read_parquet(store.history_path("block_table", config_id, NIGHTS[1]))
        assert len(kept) == 10  # five blocks, two arms
    assert len(store.load("block_table", "test106")) == 10
    assert set(store.load("block_table", "test007")["batch_id"]) == {NIGHTS[0]}
    store.path("call_table", "test106").unlink()  # nothing to lose: what was measured is shown
    assert "test106" in rebuild_tables(copy).config_ids


def test_page_is_light(folder):
    """Trap: a plot of every token makes the page a burden on a phone."""
    assert (folder / "index.html").stat().st_size < LARGEST_PAGE_BYTES


def test_published_schema_is_that_of_this_version():
    """Trap: a field is renamed and the schema in docs/ still promises the old one."""
    published = (ROOT / "docs" / "summary.schema.json").read_text(encoding="utf-8")
    assert published == json_schema(), "python -m dualollama_pipeline.report.schema writes it"
    assert json.loads(published)["properties"]["schema_version"]["const"] == 3


def test_recommended_agents_lie_beside_the_report(folder):
    """Trap: the tiers name a file that is not there."""
    assert sorted((folder / "recommended").glob("*.toml"))
