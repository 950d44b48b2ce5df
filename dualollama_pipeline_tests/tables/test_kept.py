"""The files of many nights, kept in a few.

The trap: rows of a file that has changed, is gone, or cannot be read, shown as they once were.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from dualollama_pipeline.tables.kept import Read, Source, read_kept, stamps_in
from dualollama_pipeline.tables.parquet import read_parts

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


def whole(paths: Sequence[Path]) -> Read:
    """What of some files may be kept: all that can be read."""
    parts, left_out = read_parts(paths, COLUMNS)
    rows = pa.concat_tables(parts.values(), promote_options="permissive") if parts else None
    return Read(rows, {path: len(part) for path, part in parts.items()}, left_out)


def kept_in(nights: list[Path]) -> Path:
    """The folder where they are kept."""
    return nights[0].parents[1] / "kept"


def once(nights: list[Path], version: str = "1") -> tuple[pd.DataFrame, dict[str, str]]:
    """Read what is kept of them, and keep it."""
    folder = nights[0].parents[1]
    asked = {f"a/{night.name}" for night in nights}
    stamps = [stamp for stamp in stamps_in(folder, ["a"]) if stamp[0] in asked]
    source = Source(folder, stamps, whole, version)
    rows, left_out = read_kept(kept_in(nights), source, COLUMNS)
    return rows.to_pandas(), left_out


def read(nights: list[Path]) -> tuple[pd.DataFrame, dict[str, str]]:
    """Read twice, so that what was kept is read, and hold it against the files."""
    first, second, direct = once(nights), once(nights), whole(nights)
    for rows, left_out in (first, second):
        assert direct.rows is not None
        pd.testing.assert_frame_equal(rows, direct.rows.to_pandas())
        assert left_out == direct.left_out
    return second


def test_a_new_night_stands_in_its_place(nights: list[Path]) -> None:
    """Rows in the order of their arrival would change with the day on which one looked first."""
    first, middle, last = nights
    read([first, last])
    rows, _ = read([first, middle, last])
    assert list(rows["batch_id"]) == ["0", "0", "1", "2"]


def unseen_damage(night: Path) -> None:
    """Damage a file so that only reading it would tell."""
    stat = night.stat()
    night.write_bytes(bytes(stat.st_size))
    os.utime(night, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_only_what_has_changed_is_opened(nights: list[Path]) -> None:
    """Otherwise a hundred nights are opened for one. Damage that keeps the stamp stays unseen."""
    before, _ = once(nights)
    unseen_damage(nights[0])
    pd.testing.assert_frame_equal(once(nights)[0], before)


def test_what_was_checked_by_other_rules_is_opened_again(nights: list[Path]) -> None:
    """A schema of a later version would hold for new nights alone."""
    once(nights)
    unseen_damage(nights[0])
    assert list(once(nights, version="2")[1]) == [str(nights[0])]


def test_many_nights_lie_in_few_files(tmp_path: Path) -> None:
    """One file more a night would be the old trouble again."""
    nights = [tmp_path / "a" / f"{number:03}.parquet" for number in range(40)]
    for number, night in enumerate(nights):
        write(night, [float(number)])
        once(nights[: number + 1])
    assert len(list(kept_in(nights).iterdir())) <= 6
    assert list(once(nights)[0]["value"]) == list(range(40))


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
    once(nights)
    (kept,) = kept_in(nights).iterdir()
    if content is None:
        pd.DataFrame({"batch_id": ["9"], "value": [9.0]}).to_parquet(kept)
    else:
        kept.write_bytes(content)
    assert len(read(nights)[0]) == 4


def test_a_kept_file_whose_rows_are_damaged_is_made_anew(nights: list[Path]) -> None:
    """Its list of files is whole: believed, it would show rows that nobody measured."""
    once(nights)
    (kept,) = kept_in(nights).iterdir()
    content = bytearray(kept.read_bytes())
    content[60:80] = bytes(20)
    kept.write_bytes(content)
    assert len(read(nights)[0]) == 4


def test_where_nothing_can_be_kept_the_files_are_read(nights: list[Path]) -> None:
    """A full disk, or a warehouse of another user: the report must come all the same."""
    kept_in(nights).write_text("in the way")
    assert len(read(nights)[0]) == 4


def test_no_file_is_no_row(tmp_path: Path) -> None:
    """The first night has no history."""
    rows, left_out = read_kept(tmp_path / "kept", Source(tmp_path, [], whole, "1"), COLUMNS)
    assert rows.column_names == COLUMNS
    assert not len(rows)
    assert not left_out
