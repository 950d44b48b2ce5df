"""Every measured number of summary.json, from the journals by another path, to 1e-9.

The other path (rederive/): the journal's lines as plain JSON, sums written out, no table, no
pandas, none of the project's formulas. The trap: a column that is mixed up on its way through six
rooms. A number that no derivation covers fails, so a new table must bring its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dualollama_pipeline.bench.measure import Measurement
from dualollama_pipeline.bench.servers import open_pair
from dualollama_pipeline.core.places import PROJECT_ROOT
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.pipeline import rebuild_report
from dualollama_pipeline.tables.rebuild import rebuild_tables
from dualollama_pipeline_tests.end_to_end.rederive import (
    estimates,
    tables_of_calls,
    tables_of_change,
    tables_of_comparisons,
    tables_of_estimates,
    tables_of_validity,
)
from dualollama_pipeline_tests.end_to_end.rederive.evidence import Evidence, read_evidence
from dualollama_pipeline_tests.end_to_end.rederive.further_nights import write_further_nights
from dualollama_pipeline_tests.end_to_end.rederive.ledger import (
    NUMBERS,
    ZERO,
    Number,
    Row,
    as_shown,
    compare,
)
from dualollama_pipeline_tests.end_to_end.rederive.ratios import BALANCE, SPEEDUP
from dualollama_pipeline_tests.studies import part_of_tr114

# three mixed pairs, two of them alike (their single arm reloads), an uneven pair (so does it),
# an equal pair that is really the same, and two of other sampling
CONFIGS = ["test001", "test003", "test007", "test013", "test106", "test108", "test202"]

DERIVED: dict[tuple[str, str], Callable[[Evidence], list[Row]]] = {
    ("overview", "overview"): tables_of_estimates.overview,
    ("configurations", "configurations"): tables_of_estimates.configurations,
    ("rankings", "ranking_weighted_speedup"): lambda e: tables_of_estimates.ranking(e, SPEEDUP),
    ("rankings", "ranking_balance_efficiency_pct"): lambda e: tables_of_estimates.ranking(
        e, BALANCE
    ),
    ("rankings", "best_trials"): tables_of_estimates.best_trials,
    ("scenarios", "scenarios"): tables_of_estimates.scenarios,
    ("scenarios", "scenario_contrasts"): tables_of_comparisons.between_scenarios,
    ("two-or-one", "contrasts"): tables_of_comparisons.two_or_one,
    ("delays", "delays"): tables_of_calls.delays,
    ("factors", "factors"): tables_of_comparisons.factor_rows,
    ("outliers", "outliers"): tables_of_change.outliers,
    ("contention", "contention"): tables_of_estimates.contention,
    ("nights", "nights"): tables_of_change.nights,
    ("validity", "cells"): tables_of_validity.cells,
    ("validity", "reasons"): tables_of_validity.reasons,
    ("validity", "failures"): tables_of_validity.failures,
    ("appendix-a", "appendix_a"): tables_of_estimates.appendix_a,
}
OPEN_ORDER = {("outliers", "outliers")}
MOST_OUTLIERS = 40
# what the derivation shows to be wrong and is not mended yet: where, and what is wrong
EXEMPT = {
    ("ruler", "ruler"): "docs/benchmarks.json, measured by make bench, not in this run",
}
Summary = dict[str, Any]


def in_home(home: Path) -> tuple[Summary, Evidence]:
    content = json.loads((home / "warehouse" / "report" / "summary.json").read_text())
    return content, read_evidence(home, PROJECT_ROOT / "data")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Seven configurations of five blocks, from the worker to the page.

    That Dagster's assets make the same page is test_run's.
    """
    folder = tmp_path_factory.mktemp("rederive")
    study = part_of_tr114(folder / "study", CONFIGS)
    settings = Settings(warehouse=folder / "warehouse", study=study)
    with open_pair(settings) as pair:
        for config_id in CONFIGS:
            Measurement(settings, pair, lambda _: None).run(config_id, "night-0")
    rebuild_report(settings)
    return folder


@pytest.fixture(scope="module")
def first_night(home: Path) -> tuple[Summary, Evidence]:
    """As the pipeline left it; undisturbed, and without any other night."""
    return in_home(home)


@pytest.fixture(scope="module")
def last_night(home: Path, first_night: tuple[Summary, Evidence]) -> tuple[Summary, Evidence]:
    """After further nights, the last of them with mishaps, by `dualollama report`."""
    assert len(first_night[1].nights) == 1  # read before the other nights are there
    settings = Settings(warehouse=home / "warehouse", study=home / "study")
    write_further_nights(home)
    rebuild_tables(settings)
    rebuild_report(settings)
    return in_home(home)


@pytest.fixture(scope="module", params=["first_night", "last_night"])
def told(request: pytest.FixtureRequest) -> tuple[Summary, Evidence]:
    found: tuple[Summary, Evidence] = request.getfixturevalue(request.param)
    return found


def tables_of(summary: Summary) -> dict[tuple[str, str], dict[str, Any]]:
    return {(s["id"], table["name"]): table for s in summary["sections"] for table in s["tables"]}


def n_values(table: dict[str, Any]) -> int:
    cells = (cell for row in table["rows"] for cell in row["cells"])
    return sum(cell[name] is not None for cell in cells for name in NUMBERS)


def test_every_table_is_derived_or_exempt(told: tuple[Summary, Evidence]) -> None:
    """A new table with numbers fails until it is covered; an exemption that is none fails, too."""
    tables = tables_of(told[0])
    numeric = {key for key, table in tables.items() if n_values(table)}
    assert numeric - DERIVED.keys() - EXEMPT.keys() == set()
    assert not DERIVED.keys() & EXEMPT.keys()
    assert EXEMPT.keys() <= tables.keys()
    for path, _ in estimates.leaves(told[0]["sections"]):
        if "axis" in path:  # where bars are drawn
            continue
        assert path[-1] in (*NUMBERS, "level"), path  # a number elsewhere would go unchecked
        assert "cells" in path, path


def test_the_other_path_is_another() -> None:
    """Nothing of the project and no pandas is used to derive a number."""
    for path in (Path(__file__).parent / "rederive").glob("*.py"):
        for line in path.read_text().splitlines():
            words = [*line.split(), ""]
            imported = words[1].split(".")[0] if words[0] in {"from", "import"} else ""
            assert imported not in {"dualollama_pipeline", "pandas"}, (path.name, line)


@pytest.mark.parametrize("key", DERIVED, ids="/".join)
def test_the_tables(key: tuple[str, str], told: tuple[Summary, Evidence]) -> None:
    """Every cell of every table: value, interval and n."""
    summary, evidence = told
    table = tables_of(summary).get(key)
    rows = DERIVED[key](evidence)
    if table is None:
        assert rows == []  # nothing went wrong: no table of failures
        assert len(evidence.nights) == 1
        return
    if key in OPEN_ORDER:
        rows = in_open_order(table, rows)
    n_compared, wrong = compare("/".join(key), table, rows)
    assert not wrong, "\n".join(wrong)
    assert n_compared > 0 or n_values(table) == 0
    if len(evidence.nights) > 1:  # one night has no trend, and nothing has gone wrong in it
        assert empty_columns(table, rows) == []


def empty_columns(table: dict[str, Any], rows: list[Row]) -> list[str]:
    """Return the columns of numbers in which nothing was compared."""
    columns = zip(table["columns"], zip(*rows, strict=True), strict=True)
    return [
        column["label"]
        for column, entries in columns
        if (numbers := [entry for entry in entries if isinstance(entry, Number)])
        and all(entry.found.value is None for entry in numbers)
    ]


def in_open_order(table: dict[str, Any], rows: list[Row]) -> list[Row]:
    """Take the rows that are shown: the largest changes, in an order that equal ones leave open."""
    n_shown = len(table["rows"])
    assert n_shown == min(MOST_OUTLIERS, len(rows))
    ordered = as_shown(table, rows, place=2)
    weights = [abs(row[-1].found.value or 0.0) for row in ordered if isinstance(row[-1], Number)]
    least = min(weights[:n_shown], default=0.0)
    assert max(weights[n_shown:], default=0.0) <= least + ZERO
    shown = [abs(row["cells"][-1]["value"] or 0.0) for row in table["rows"]]
    assert shown == sorted(shown, reverse=True)
    return ordered[:n_shown]


def test_outside_the_sections(told: tuple[Summary, Evidence]) -> None:
    """Estimates of all levels, counts of blocks, calls and trials; every number is visited."""
    summary, evidence = told
    n_compared, wrong = estimates.compare_outside(summary, evidence)
    assert not wrong, "\n".join(wrong[:40])
    assert n_compared > 0
