"""The history of all batches: read whole, in the order of measurement, of one origin.

The trap: batch ids that sort otherwise than they were measured.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from dualollama_pipeline.tables.calls import build_calls
from dualollama_pipeline.tables.history import ASKED, batch_times, load_history, load_nights
from dualollama_pipeline.tables.store import TableStore
from dualollama_pipeline_tests.tables.journals import block_of, journal, tables_of

CALLS = "call_table"


def calls(batch_id: str, day: int, origin: str = "simulated") -> pd.DataFrame:
    """The calls of one block, measured on a day of January."""
    made = pd.DataFrame(build_calls(journal(block_of(), batch_id=batch_id)))
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
    assert other == {}


def test_batches_are_in_the_order_of_their_clocks(store: TableStore) -> None:
    """By name, alpha would come before zulu."""
    assert list(batch_times(store, ["test1"])[0].index) == ["zulu", "alpha"]


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
    assert other == {str(path): "of another version: it has no gap_p99_ms"}


def test_a_batch_of_another_version_still_tells_when_it_began(store: TableStore) -> None:
    """Without its clock, a night of before would be put first, whenever it was measured."""
    path = store.history_path(CALLS, "test1", "alpha")
    calls("alpha", 2).drop(columns="gap_p99_ms").to_parquet(path)
    starts, left_out = batch_times(store, ["test1"])
    assert (list(starts.index), left_out) == (["zulu", "alpha"], {})


def test_some_columns_are_checked_like_all(store: TableStore) -> None:
    """Read alone, a wrong value would be shown, and a night of another version taken for one."""
    store.publish(CALLS, calls("mike", 3), "test1")
    old = store.history_path(CALLS, "test1", "zulu")
    calls("zulu", 1).drop(columns="gap_p99_ms").to_parquet(old)
    broken = store.history_path(CALLS, "test1", "mike")
    rows = calls("mike", 3)
    rows.assign(total_ms=rows["ttft_ms"] - 1).to_parquet(broken)
    found, left_out = load_history(store, CALLS, ["test1"], ASKED[CALLS])
    assert tuple(found.columns) == ASKED[CALLS]
    assert set(found["batch_id"]) == {"alpha"}
    assert left_out[str(old)] == "of another version: it has no gap_p99_ms"
    assert "ttft_ms <= total_ms" in left_out[str(broken)]


def test_a_damaged_batch_does_not_hide_the_others(store: TableStore) -> None:
    """One bad file among a hundred nights: the trend goes on, and says what it lacks."""
    path = store.history_path(CALLS, "test1", "zulu")
    path.write_bytes(b"PAR1")
    rows, left_out = load_history(store, CALLS, ["test1"])
    assert set(rows["batch_id"]) == {"alpha"}
    starts, unread = batch_times(store, ["test1"])
    assert list(starts.index) == ["alpha"]
    assert list(left_out) == list(unread) == [str(path)]
    assert left_out[str(path)].startswith("damaged: ")


def test_other_types_and_broken_rules_cost_one_file_each(store: TableStore) -> None:
    """Files are joined before they are checked: one of another type made all unreadable."""
    store.publish(CALLS, calls("mike", 3), "test1")
    store.publish(CALLS, calls("november", 4), "test1")
    typed = store.history_path(CALLS, "test1", "zulu")
    calls("zulu", 1).assign(block="one").to_parquet(typed)
    broken = store.history_path(CALLS, "test1", "mike")
    calls("mike", 3).assign(attempt=-1).to_parquet(broken)
    rows, left_out = load_history(store, CALLS, ["test1"])
    assert set(rows["batch_id"]) == {"alpha", "november"}
    assert set(left_out) == {str(typed), str(broken)}
    assert all(why.startswith("damaged: ") for why in left_out.values())


def test_nothing_that_can_be_used_is_told(store: TableStore, tmp_path: Path) -> None:
    """With what is there and why it is of no use."""
    rows, left_out = load_history(TableStore(tmp_path / "empty"), CALLS, ["test1"])
    assert rows.empty
    assert left_out == {}
    for batch_id in ("zulu", "alpha"):
        store.history_path(CALLS, "test1", batch_id).write_bytes(b"PAR1")
    rows, left_out = load_history(store, CALLS, ["test1"])
    assert rows.empty
    assert len(left_out) == 2
    assert all("damaged" in why for why in left_out.values())
    assert batch_times(TableStore(tmp_path / "empty"), ["test1"])[0].empty


def test_a_column_that_is_empty_in_one_night_keeps_its_type(store: TableStore) -> None:
    """Parquet knows no type for nothing but nulls; joined with texts it must be texts."""
    store.publish(CALLS, calls("mike", 3).assign(failure_text=None), "test1")
    store.publish(CALLS, calls("november", 4).assign(failure_text="why"), "test1")
    rows, _ = load_history(store, CALLS, ["test1"])
    told = rows.drop_duplicates("batch_id").set_index("batch_id")["failure_text"]
    assert pd.isna(told["mike"])
    assert told["november"] == "why"


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
