"""The cells that may not count. The trap: an INVALID trial in a cell that is sound itself."""

from __future__ import annotations

from pathlib import Path

from dualollama_pipeline.tables.build import build_tables
from dualollama_pipeline.tables.guards import GUARDS
from dualollama_pipeline.tables.listing import invalid_cells
from dualollama_pipeline.tables.store import TableStore
from dualollama_pipeline.worker.journal import Journal
from dualollama_pipeline_tests.tables.journals import block_of, call, identity, journal, stages


def published(root: Path, made: Journal) -> Path:
    store = TableStore(root)
    for table, df in build_tables(made)._asdict().items():
        store.publish(table, df, "test1")
    return root


def test_sound_cells_need_no_list(tmp_path: Path) -> None:
    """A list of nothing still says that it looked."""
    found = invalid_cells(published(tmp_path, journal(block_of())), ["test1", "test2"])
    assert (found.n_cells, found.n_invalid, found.n_damaged) == (4, 0, 0)
    assert found.markdown == "All cells may count."


def test_an_invalid_cell_is_listed_with_its_advice(tmp_path: Path) -> None:
    """Half a model on the CPU: the words are those of a person, not of a rule."""
    servers = (identity("a", size_vram_share=0.5), identity("b"))
    found = invalid_cells(published(tmp_path, journal(block_of(), servers=servers)), ["test1"])
    assert found.n_invalid == 4  # the arms are compared with each other
    assert "placement: differs in GPU memory: a 50 %, b 100 %" in found.markdown
    assert GUARDS["placement"].advice in found.markdown


def test_an_invalid_trial_makes_its_cell_a_line(tmp_path: Path) -> None:
    """A cold load in one call of a trial: it is left out, and somebody should know."""
    cold = call("collector", total=9_000, load=4_000, ttft=4_100, evaluated=4_900)
    short = [cold, call("collector", "report", 9_000, 9_000), *stages("insight", 9_000)]
    found = invalid_cells(published(tmp_path, journal(block_of(apart=short))), ["test1"])
    assert found.n_invalid == 1
    assert "warm: collector analysis: cold load" in found.markdown


def test_a_damaged_partition_is_on_the_list(tmp_path: Path) -> None:
    """What cannot be read cannot be judged either."""
    published(tmp_path, journal(block_of()))
    TableStore(tmp_path).path("run_table", "test2").write_bytes(b"damaged")
    found = invalid_cells(tmp_path, ["test1", "test2"])
    assert found.n_damaged == 1
    assert "| test2 | all | damaged: " in found.markdown
    assert "--from-journals" in found.markdown
