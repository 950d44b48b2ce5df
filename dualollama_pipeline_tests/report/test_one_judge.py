"""One judge: what is better, by how much and how sure is the same word and number everywhere."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

import pandas as pd
import pytest

from dualollama_pipeline.bench.measure import Measurement
from dualollama_pipeline.bench.servers import open_pair
from dualollama_pipeline.cli.answer import print_arms
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.metrics.catalog import APART_SPEEDUP
from dualollama_pipeline.pipeline import rebuild_report
from dualollama_pipeline.report.headline import ANSWERS
from dualollama_pipeline.report.wording import PAIR
from dualollama_pipeline.statistics.samples import of_key
from dualollama_pipeline.tables.latest import journals_to_latest
from dualollama_pipeline.tables.rebuild import rebuild_tables
from dualollama_pipeline.tables.store import TableStore
from dualollama_pipeline.worker.journal import read_journal

CONFIG_ID = "test106"
SIDE = {"slower": "later", "faster": "sooner"}  # in seconds
STORED = {"slower": "worse", "faster": "better"}  # the table of contrasts
INTERVAL = r"(\d\.\d+)×? ?\(?,? ?95 %(?: interval)?:? (\d\.\d+) to (\d\.\d+)"


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    """A warehouse of one configuration: its estimate and that over all are of the same blocks."""
    root = Path(__file__).resolve().parents[2]
    made = Settings(warehouse=tmp_path_factory.mktemp("warehouse"), data=root / "data")
    with open_pair(made) as pair:
        Measurement(made, pair, lambda _: None).run(CONFIG_ID, "night1")
    rebuild_tables(made)
    rebuild_report(made)
    return made


@pytest.fixture(scope="module")
def said(settings):
    """The report's files by name."""
    folder = Warehouse(settings.warehouse).report
    names = ("index.html", "report.md", "summary.json")
    return {name: (folder / name).read_text(encoding="utf-8") for name in names}


@pytest.fixture(scope="module")
def judged(said):
    """What summary.json says: the verdict, its interval to three decimals, and the seconds."""
    summary = json.loads(said["summary.json"])
    (found,) = [
        each
        for each in summary["population"]
        if (each["metric"], each["arm"], each["agent"]) == tuple(APART_SPEEDUP)
    ]
    numbers = tuple(f"{found[name]:.3f}" for name in ("value", "ci_low", "ci_high"))
    return summary["verdict"], numbers, summary["seconds"]


def _intervals(text):
    """Every value with its interval in a text, to three decimals."""
    return {tuple(f"{float(each):.3f}" for each in found) for found in re.findall(INTERVAL, text)}


def _seen(html):
    return unescape(re.sub(r"<[^>]+>", " ", html)).replace("\u00a0", " ")


def test_the_page_and_its_text_say_the_stored_verdict(said, judged, settings):
    """Trap: `slower` on the first screen, `no difference shown` in the text beside it."""
    verdict, numbers, seconds = judged
    assert verdict == "slower"  # of the simulated pair, always
    assert f": {seconds.split(': ')[1].split(' %')[0]} % {SIDE[verdict]} (95 %: " in seconds
    for text in (_seen(said["index.html"]), said["report.md"]):
        assert [word for word, answer in ANSWERS.items() if PAIR.fill(answer) in text] == [verdict]
        assert seconds in text
        assert numbers in _intervals(text) | _in_a_tile(text)
    contrasts = pd.read_parquet(TableStore.of(settings).path("contrasts"))
    row = of_key(contrasts[contrasts["scope"].eq("all")], APART_SPEEDUP)
    assert set(row["verdict"]) == {STORED[verdict]}


def _in_a_tile(text):
    """On the first screen the interval stands below its value."""
    found = re.search(
        r"Weighted speedup, two servers\s+([\d.]+)×\s+95 % interval ([\d.]+) to ([\d.]+)", text
    )
    return {found.groups()} if found else set()


def test_the_row_of_the_configuration_has_the_same_interval(said, judged):
    """Trap: the table estimates anew, or its bar is drawn from another interval."""
    _, numbers, _ = judged
    row = re.search(
        rf"<tbody[^>]*>\s*<tr><th[^>]*><a [^>]*#c-{CONFIG_ID}.*?</tbody>",
        said["index.html"],
        re.DOTALL,
    )
    value, low_and_high = re.findall(r'title="([\d.]+) x; 95 %: ([\d.]+ to [\d.]+)', row[0])[0]
    assert (f"{float(value):.3f}", *low_and_high.split(" to ")) == numbers


def test_the_terminal_says_it_too(settings, judged, capsys):
    """Trap: `measure` pools other blocks than the page, and says `sooner` of the same numbers."""
    _, numbers, seconds = judged
    print_arms(read_journal(journals_to_latest(settings.warehouse, CONFIG_ID)[-1]))
    told = capsys.readouterr().out
    (line,) = [line for line in told.splitlines() if line.startswith("weighted_speedup, apart")]
    found = re.search(r": ([\d.]+), 95 % interval ([\d.]+) to ([\d.]+)", line)
    assert tuple(f"{float(each):.3f}" for each in found.groups()) == numbers
    assert seconds in told.splitlines()
