"""`dualollama compare`: what its exit code promises to a script.

The trap: "not significant" taken for "no worse", and a comparison of a simulation with a server.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from dualollama_pipeline.cli.compare import Comparison, Rule, compare_sides, read_rule
from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.metrics.catalog import APART_SECONDS, APART_SPEEDUP
from dualollama_pipeline.statistics.nights import compare
from dualollama_pipeline.tables.build import Tables, build_tables
from dualollama_pipeline.tables.store import TableStore
from dualollama_pipeline_tests.statistics.campaign import rows
from dualollama_pipeline_tests.tables.journals import block_of, journal

NOISE = np.exp([-0.02, -0.01, 0.0, 0.01, 0.02])


@pytest.mark.parametrize(
    ("level", "margin", "verdict", "code"),
    [
        (1.10, 1.02, "better", 0),
        (1.00, 1.05, "equivalent", 0),  # within 2.3 %, and 5 are tolerated
        (1.02, 1.02, "no worse", 0),  # at worst 0.3 % down
        (0.90, 1.02, "worse", 10),
        (1.00, 1.02, "undetermined", 11),  # 2.3 % down is not excluded: no proof of no change
        (0.97, 1.02, "undetermined", 11),  # worse, but whether by more than 2 %?
    ],
)
def test_the_verdict_is_what_the_interval_excludes(
    level: float, margin: float, verdict: str, code: int
) -> None:
    """Half width: t(8) 2.306 x 0.0158 x sqrt(2 / 5) = 0.0231 on logs."""
    change = compare(rows("a", list(NOISE)), rows("a", list(level * NOISE)), APART_SPEEDUP)
    found = Comparison("measured", 2, {APART_SPEEDUP: change}, Rule(margin=margin))
    assert found.verdict == verdict
    assert found.exit_code == code
    assert change.detectable == pytest.approx(1.033, abs=0.001)  # (2.306 + 0.889) x 0.01


def test_too_few_blocks_are_undetermined_and_say_so() -> None:
    """A point estimate of three blocks is no proof, however good it looks."""
    change = compare(rows("a", list(NOISE[:3])), rows("a", list(2 * NOISE[:3])), APART_SPEEDUP)
    found = Comparison("simulated", 2, {APART_SPEEDUP: change}, Rule())
    assert found.exit_code == 11 or change.ratio.reason == ""
    assert next(iter(found.lines())).startswith("SIMULATED")
    told = json.loads(found.as_json())
    assert told["changes"]["weighted_speedup_apart"]["value"] == pytest.approx(2.0)


def test_a_rule_is_read() -> None:
    """3 % worse is a ratio of 0.97, so 1 / 0.97 is tolerated."""
    assert read_rule("weighted_speedup worse by 3 %") == Rule(APART_SPEEDUP, 1 / 0.97)
    assert read_rule("true_speedup_apart worse by 0.5%").key == APART_SECONDS
    for wrong, said in (
        ("ttft worse", "cannot be read"),
        ("wall worse by 3 %", "weighted_speedup"),
    ):
        with pytest.raises(InputError, match=said):
            read_rule(wrong)


def published(warehouse: Path, batch: str, day: int, **changed: str) -> Settings:
    """A warehouse with one more batch of five blocks."""
    settings = Settings(warehouse=warehouse)
    made = build_tables(journal([e for n in range(5) for e in block_of(n + 1)], batch_id=batch))
    dated = made.call_table.assign(started_at=f"2026-01-{day:02d}T00:00:00+00:00")
    tables = {"call_table": dated, "block_table": made.block_table.assign(**changed)}
    store = TableStore.of(settings)
    store.publish_all(Tables(**{**made._asdict(), **tables}), "test1")
    Warehouse(warehouse).journal("test1", batch).parent.mkdir(parents=True, exist_ok=True)
    return settings


def test_batches_by_name_and_by_place(tmp_path: Path) -> None:
    """`previous` and `last` by their clocks; a name that is none is told with those there are."""
    settings = published(tmp_path, "zulu", 1)
    published(tmp_path, "alpha", 2)
    by_place = compare_sides(settings, "previous", "last", Rule())
    by_name = compare_sides(settings, "zulu", "alpha", Rule())
    assert by_place.changes.keys() == by_name.changes.keys()
    assert by_place.changes[APART_SPEEDUP].ratio.value == pytest.approx(1.0)
    with pytest.raises(InputError, match="alpha"):
        compare_sides(settings, "alpa", "last", Rule())


def test_one_batch_alone_has_no_previous(tmp_path: Path) -> None:
    """The first pass of a build: measure again, do not choose another name."""
    settings = published(tmp_path, "zulu", 1)
    with pytest.raises(InputError, match="previous: there is one batch only here"):
        compare_sides(settings, "previous", "last", Rule())


def test_two_workloads_are_never_compared(tmp_path: Path) -> None:
    """TR114's unbounded answers against 300 tokens a call were 3 % "worse"."""
    settings = published(tmp_path, "zulu", 1)
    published(tmp_path, "alpha", 2, workload="parity")
    with pytest.raises(InputError, match="no comparison"):
        compare_sides(settings, "zulu", "alpha", Rule())


def test_a_simulation_is_compared_with_no_server(tmp_path: Path) -> None:
    """The one number would be taken for the other."""
    settings = published(tmp_path, "zulu", 1)
    published(tmp_path, "alpha", 2, origin="simulated")
    before = pd.read_parquet(tmp_path / "tables/history/block_table/test1/zulu.parquet")
    assert set(before["origin"]) == {"measured"}
    with pytest.raises(InputError, match="no comparison"):
        compare_sides(settings, "zulu", "alpha", Rule())
