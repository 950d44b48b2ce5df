"""The history of all batches: read whole, in the order of measurement, of one origin.

The trap: batch ids that sort otherwise than they were measured.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from dualollama_pipeline.core.errors import TableError
from dualollama_pipeline.tables.calls import build_calls
from dualollama_pipeline.tables.history import batch_starts, load_history, load_nights
from dualollama_pipeline.tables.store import TableStore
from dualollama_pipeline_tests.tables.journals import block_of, journal, tables_of

CALLS = "call_table"


def calls(batch_id: str, day: int, origin: str = "simulated") -> pd.DataFrame:
    """The calls of one block, measured on a day of January."""
    made = build_calls(journal(block_of(), batch_id=batch_id))
    return made.assign(origin=origin, started_at=f"2026-01-{day:02d}T00:00:00+00:00")


@pytest.fixture
def store(tmp_path: Path) -> TableStore:
    made = TableStore(tmp_path)
    made.publish(CALLS, calls("zulu", 1), "test1")
    made.publish(CALLS, calls("alpha", 2), "test1")
    return made


def test_every_batch_is_there_and_not_the_latest_only(store: TableStore) -> None:
    """The current table holds one batch; a trend from it has one night."""
    rows, other = load_history(store, CALLS, ["test1", "test2"])
    assert set(rows["batch_id"]) == {"zulu", "alpha"}
    assert other == []


def test_batches_are_in_the_order_of_their_clocks(store: TableStore) -> None:
    """By name, alpha would come before zulu."""
    assert list(batch_starts(store, ["test1"]).index) == ["zulu", "alpha"]


def test_measured_and_simulated_nights_are_never_mixed(store: TableStore) -> None:
    """The change from the demo to one's own servers is no trend."""
    store.publish(CALLS, calls("mike", 3, "measured"), "test1")
    rows, _ = load_history(store, CALLS, ["test1"])
    assert set(rows["batch_id"]) == {"mike"}


def test_nights_of_two_workloads_are_never_mixed(store: TableStore) -> None:
    """One night of TR114's unbounded answers among nights of 300 tokens is no change either."""
    store.publish(CALLS, calls("mike", 3).assign(workload="parity"), "test1")
    rows, _ = load_history(store, CALLS, ["test1"])
    assert set(rows["batch_id"]) == {"zulu", "alpha"}


def test_a_batch_of_another_version_is_left_out_and_named(store: TableStore) -> None:
    """Old nights cannot be asked for columns they do not have; the others still make a trend."""
    path = store.history_path(CALLS, "test1", "zulu")
    calls("zulu", 1).drop(columns="gap_p99_ms").to_parquet(path)
    rows, other = load_history(store, CALLS, ["test1"])
    assert set(rows["batch_id"]) == {"alpha"}
    assert other == [str(path)]


def test_no_batch_and_a_damaged_one_are_told(store: TableStore, tmp_path: Path) -> None:
    """With the way out of each."""
    with pytest.raises(TableError, match="no batch") as caught:
        load_history(TableStore(tmp_path / "empty"), CALLS, ["test1"])
    assert "materialize" in caught.value.way_out
    path = store.history_path(CALLS, "test1", "zulu")
    path.write_bytes(b"PAR1")
    with pytest.raises(TableError, match=r"zulu\.parquet"):
        load_history(store, CALLS, ["test1"])
    assert batch_starts(TableStore(tmp_path / "empty"), ["test1"]).empty


def test_nights_hold_runs_blocks_and_order(tmp_path: Path) -> None:
    """A batch whose calls are gone is put first, not dropped."""
    store, tables = TableStore(tmp_path), tables_of(block_of())
    for table, rows in (("run_table", tables.runs), ("block_table", tables.blocks)):
        for batch_id in ("zulu", "alpha", "lost"):
            store.publish(table, rows.assign(batch_id=batch_id), "test1")
    store.publish(CALLS, calls("zulu", 1), "test1")
    store.publish(CALLS, calls("alpha", 2), "test1")
    found = load_nights(store, ["test1"])
    assert found.order == ["lost", "zulu", "alpha"]
    assert len(found.blocks) == 3 * len(tables.blocks)
    assert len(found.runs) == 3 * len(tables.runs)
