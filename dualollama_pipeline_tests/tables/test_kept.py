"""The files of many nights, kept as one.

The trap: rows of a file that has changed, is gone, or cannot be read, shown as they once were.
"""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

from dualollama_pipeline.tables.kept import read_kept
from dualollama_pipeline.tables.parquet import read_many

COLUMNS = ["batch_id", "value"]


@pytest.fixture
def nights(tmp_path: Path) -> list[Path]:
    """Three nights; the middle one has a column without any value, as an untyped one."""
    for number, values in enumerate(([1.5, 2.5], [None], [4.5])):
        write(tmp_path / "a" / f"{number}.parquet", values)
    return sorted((tmp_path / "a").glob("*.parquet"))


def write(path: Path, values: list[float | None]) -> None:
    path.parent.mkdir(exist_ok=True)
    rows = pd.DataFrame({"batch_id": path.stem, "value": values, "other": 0})
    rows.astype({"batch_id": "string[pyarrow]"}).to_parquet(path)
    # two writes in one tick of the clock would be told apart by nothing but their size
    stamp = path.stat().st_mtime_ns + len(list(path.parent.iterdir())) + int(sum(map(bool, values)))
    os.utime(path, ns=(stamp, stamp))


def read(nights: list[Path]) -> tuple[pd.DataFrame, dict[str, str]]:
    """Read twice, so that what was kept is read, and hold it against the files."""
    kept = nights[0].parents[1] / "kept.parquet"
    first, second, direct = (
        read_kept(kept, nights, COLUMNS),
        read_kept(kept, nights, COLUMNS),
        read_many(nights, COLUMNS),
    )
    for rows, left_out in (first, second):
        pd.testing.assert_frame_equal(rows, direct[0])
        assert left_out == direct[1]
    return second


def test_a_new_night_stands_in_its_place(nights: list[Path]) -> None:
    """Rows in the order of their arrival would change with the day on which one looked first."""
    first, middle, last = nights
    read([first, last])
    rows, _ = read([first, middle, last])
    assert list(rows["batch_id"]) == ["0", "0", "1", "2"]


def test_only_what_has_changed_is_opened(nights: list[Path]) -> None:
    """Otherwise a hundred nights are opened for one. Damage that keeps the stamp stays unseen."""
    kept = nights[0].parents[1] / "kept.parquet"
    before, _ = read_kept(kept, nights, COLUMNS)
    stat = nights[0].stat()
    nights[0].write_bytes(bytes(stat.st_size))
    os.utime(nights[0], ns=(stat.st_atime_ns, stat.st_mtime_ns))
    pd.testing.assert_frame_equal(read_kept(kept, nights, COLUMNS)[0], before)


def test_a_changed_night_is_read_again_and_one_that_is_gone_is_gone(nights: list[Path]) -> None:
    """`report --from-journals` writes all of them anew."""
    read(nights)
    write(nights[0], [7.5])
    assert list(read(nights)[0]["value"].dropna()) == [7.5, 4.5]
    assert list(read(nights[1:])[0]["batch_id"]) == ["1", "2"]


def test_what_cannot_be_used_is_named_every_time(nights: list[Path]) -> None:
    """Named once and then forgotten, a night would be missing without a word."""
    read(nights)
    nights[1].write_bytes(b"PAR1")
    assert list(read(nights)[1]) == [str(nights[1])]


@pytest.mark.parametrize("content", [b"", b"PAR1", None])
def test_a_kept_file_that_is_none_costs_time_and_no_more(
    nights: list[Path], content: bytes | None
) -> None:
    """A disk that was full, or a table of that name without the list of its files."""
    kept = nights[0].parents[1] / "kept.parquet"
    if content is None:
        pd.DataFrame({"batch_id": ["9"], "value": [9.0]}).to_parquet(kept)
    else:
        kept.write_bytes(content)
    assert len(read(nights)[0]) == 4


def test_no_file_is_no_row(tmp_path: Path) -> None:
    """The first night has no history."""
    rows, left_out = read_kept(tmp_path / "kept.parquet", [], COLUMNS)
    assert list(rows.columns) == COLUMNS
    assert not len(rows)
    assert not left_out
