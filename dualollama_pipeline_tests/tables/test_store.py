"""Tables on disk: whole or not at all, and the same when they come back.

The trap: a half-written or half-checked file that the next step reads as the truth.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from dualollama_pipeline.core.errors import TableError
from dualollama_pipeline.tables.calls import build_calls
from dualollama_pipeline.tables.store import TableStore
from dualollama_pipeline_tests.tables.journals import (
    block_of,
    failed,
    journal,
    trial,
    unsent,
)

TABLE = "call_table"


def calls(batch_id: str = "batch1", blocks: int = 1) -> pd.DataFrame:
    """A call table with nulls of every type in it: its first trial failed."""
    trials = [trial("solo_collector", 9, [failed(), unsent()])]
    trials += [each for number in range(blocks) for each in block_of(number + 1)]
    return pd.DataFrame(build_calls(journal(trials, batch_id=batch_id)))


def files_below(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_round_trip_keeps_types_and_nulls(tmp_path: Path) -> None:
    """Parquet turns an all-null column, or a nullable count, into something else by default."""
    store = TableStore(tmp_path)
    published = store.publish(TABLE, calls(), "test1")
    loaded = store.load(TABLE, "test1")
    pd.testing.assert_frame_equal(loaded, published)
    assert str(loaded["n_tokens"].dtype) == "Int64"
    assert loaded["n_tokens"].isna().sum() == 2
    assert loaded["ttft_ms"].isna().sum() == 2
    assert loaded["is_reload"].isna().sum() == 2
    assert loaded["failure_kind"].notna().sum() == 1


def test_where_tables_lie(tmp_path: Path) -> None:
    """Users' scripts read these files."""
    store = TableStore(tmp_path)
    store.publish(TABLE, calls(), "test1")
    store.publish(TABLE, calls())
    assert files_below(tmp_path).keys() == {
        "call_table/test1.parquet",
        "call_table.parquet",
        "history/call_table/test1/batch1.parquet",
    }
    assert store.load(TABLE).equals(store.load(TABLE, "test1"))


def test_history_keeps_every_batch(tmp_path: Path) -> None:
    """The latest table is replaced; trends are made from the others."""
    store = TableStore(tmp_path)
    store.publish(TABLE, calls("night1"), "test1")
    first = store.history_path(TABLE, "test1", "night1").read_bytes()
    store.publish(TABLE, calls("night2", blocks=2), "test1")
    assert store.history_path(TABLE, "test1", "night1").read_bytes() == first
    second = store.history_path(TABLE, "test1", "night2").read_bytes()
    assert store.path(TABLE, "test1").read_bytes() == second != first
    assert set(store.load(TABLE, "test1")["batch_id"]) == {"night2"}


def test_a_breach_of_the_schema_leaves_the_old_file_as_it_is(tmp_path: Path) -> None:
    """Checked after writing, the wrong table would be there until somebody looks."""
    store = TableStore(tmp_path)
    store.publish(TABLE, calls(), "test1")
    before = files_below(tmp_path)
    for wrong in (calls("batch2").assign(origin="invented"), calls("batch2").iloc[:0]):
        with pytest.raises(TableError):
            store.publish(TABLE, wrong, "test1")
    assert files_below(tmp_path) == before


@pytest.mark.parametrize("config_id", ["test1", None])
def test_a_disk_that_refuses_is_told_with_the_file(tmp_path: Path, config_id: str | None) -> None:
    """A file where a folder should be: no permission needed, so it also fails for root."""
    (tmp_path / "tables").write_text("in the way", encoding="utf-8")
    store = TableStore(tmp_path / "tables")
    with pytest.raises(TableError) as caught:
        store.publish(TABLE, calls(), config_id)
    assert str(store.path(TABLE, config_id)) in caught.value.problem
    assert "writable" in caught.value.way_out
    assert files_below(tmp_path) == {"tables": b"in the way"}


def test_a_folder_in_the_way_is_told_with_the_file(tmp_path: Path) -> None:
    """And no temporary file is left behind."""
    store = TableStore(tmp_path)
    store.path(TABLE, "test1").mkdir(parents=True)
    with pytest.raises(TableError, match=r"test1\.parquet"):
        store.publish(TABLE, calls(), "test1")
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("content", [b"", b"PAR1", b"not parquet at all", None])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes | None) -> None:
    """`None` cuts a sound file in the middle, as a full disk does."""
    store = TableStore(tmp_path)
    store.publish(TABLE, calls(), "test1")
    path = store.path(TABLE, "test1")
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(TableError) as caught:
        store.load(TABLE, "test1")
    assert str(path) in caught.value.problem
    assert "--from-journals" in caught.value.way_out


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The report may be asked for before anything was measured."""
    with pytest.raises(TableError, match=r"call_table\.parquet"):
        TableStore(tmp_path).load(TABLE)


def test_a_file_of_an_older_schema_is_named(tmp_path: Path) -> None:
    """Of 27 partitions, which one is it?"""
    store = TableStore(tmp_path)
    path = store.path(TABLE, "test1")
    path.parent.mkdir(parents=True)
    calls().drop(columns="is_reload").to_parquet(path)
    with pytest.raises(TableError, match="is_reload") as caught:
        store.load(TABLE, "test1")
    assert str(path) in caught.value.problem


def test_load_all_names_what_is_missing(tmp_path: Path) -> None:
    """A fan-in takes what is there; silently, 26 configurations would pass for 27."""
    store = TableStore(tmp_path)
    store.publish(TABLE, calls().assign(config_id="test3"), "test3")
    store.publish(TABLE, calls().iloc[:4], "test1")
    rows, missing = store.load_all(TABLE, ["test1", "test2", "test3", "test4"])
    assert missing == {"test2": "not measured yet", "test4": "not measured yet"}
    assert len(rows) == 4 + len(calls())
    assert list(rows.index) == list(range(len(rows)))
    assert store.partitions(TABLE) == ["test1", "test3"]
    assert rows.dtypes.equals(store.load(TABLE, "test1").dtypes)


def test_load_all_takes_only_what_was_asked_for(tmp_path: Path) -> None:
    """A partition that left the matrix must not come back into the statistics."""
    store = TableStore(tmp_path)
    store.publish(TABLE, calls(), "test1")
    store.publish(TABLE, calls(), "removed")
    rows, missing = store.load_all(TABLE, ["test1"])
    assert (len(rows), missing) == (len(calls()), {})


def test_load_all_without_any_partition_is_an_empty_table(tmp_path: Path) -> None:
    """The report on nothing says what is missing; it cannot if reading refuses."""
    rows, left_out = TableStore(tmp_path).load_all(TABLE, ["test1"])
    assert rows.empty
    assert set(rows.columns) == set(calls().columns)
    assert left_out == {"test1": "not measured yet"}


@pytest.mark.parametrize("damage", ["no parquet", "older schema", "breaks a check"])
def test_a_damaged_partition_is_named_and_the_others_load(tmp_path: Path, damage: str) -> None:
    """One bad file of 27 must not cost the report; silently, it would cost the truth.

    A column that one partition lacks would be null beside the others, and all checks would pass.
    """
    store = TableStore(tmp_path)
    store.publish(TABLE, calls(), "test1")
    path = store.path(TABLE, "test2")
    other = calls().assign(config_id="test2")
    if damage == "no parquet":
        path.write_bytes(b"damaged")
    elif damage == "older schema":
        other.drop(columns="gap_p99_ms").to_parquet(path)
    else:
        other.assign(ttft_ms=1e9).to_parquet(path)  # above total_ms
    rows, missing = store.load_all(TABLE, ["test1", "test2", "test3"])
    assert set(rows["config_id"]) == {"test1"}
    assert missing["test3"] == "not measured yet"
    assert missing["test2"].startswith("damaged: ")
    assert "test2.parquet" in missing["test2"]
    store.path(TABLE, "test1").unlink()
    rows, missing = store.load_all(TABLE, ["test1", "test2"])
    assert rows.empty
    assert "test2.parquet" in missing["test2"]


def test_measured_and_simulated_rows_are_never_mixed(tmp_path: Path) -> None:
    """The demo, then one's own servers: a mean over both would be neither."""
    store = TableStore(tmp_path)
    store.publish(TABLE, calls().assign(origin="measured", config_id="test1"), "test1")
    store.publish(TABLE, calls().assign(origin="simulated", config_id="test2"), "test2")
    rows, missing = store.load_all(TABLE, ["test1", "test2"])
    assert set(rows["config_id"]) == {"test1"}
    assert missing == {"test2": "only simulated so far"}
    rows, missing = store.load_all(TABLE, ["test2"])
    assert set(rows["origin"]) == {"simulated"}
    assert missing == {}


def test_other_prompts_of_a_study_are_never_pooled_with_the_old_ones(tmp_path: Path) -> None:
    """A prompt rewritten between two nights: what was measured last is what is wanted."""
    store = TableStore(tmp_path)
    for config_id, batch_id, work in (
        ("test1", "night-20261102-010000", "study 11111111"),
        ("test2", "night-20261103-010000", "study 00000000"),
    ):
        named = calls(batch_id).assign(config_id=config_id, workload=work)
        store.publish(TABLE, named, config_id)
    rows, missing = store.load_all(TABLE, ["test1", "test2"])
    assert set(rows["config_id"]) == {"test2"}
    assert missing == {"test1": "only study 11111111 so far"}
