"""The journal: nothing acknowledged is lost, nothing torn is read, one writer."""

from __future__ import annotations

from pathlib import Path

import pytest

from dualollama_pipeline.core.errors import JournalError
from dualollama_pipeline.core.records import BatchRecord, EndRecord, Status, TrialRecord
from dualollama_pipeline.worker.journal import JournalWriter, is_finished, read_journal
from dualollama_pipeline_tests.tables.journals import failed
from dualollama_pipeline_tests.worker.plans import small_plan

PLAN = small_plan({"a": "http://127.0.0.1:1", "b": "http://127.0.0.1:2"})
BATCH = BatchRecord(started_at="2026-01-01T00:00:00+00:00", plan_hash=PLAN.plan_hash, plan=PLAN)
END = EndRecord(planned=4, ok=4, failed=0, interrupted=0, skipped=0)


def trial(
    trial_id: str = "t1", attempt: int = 1, status: Status = Status.OK, kind: str = "http_4xx"
) -> TrialRecord:
    calls = () if status is not Status.FAILED else (failed(kind=kind),)
    return TrialRecord(
        trial_id=trial_id,
        attempt=attempt,
        block=1,
        arm="apart",
        order=0,
        status=status,
        started_at="2026-01-01T00:00:00+00:00",
        calls=calls,
    )


def write(path: Path, *records: BatchRecord | TrialRecord | EndRecord) -> Path:
    with JournalWriter(path) as writer:
        for record in records:
            writer.append(record)
    return path


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """Plan, trials and end come back equal."""
    journal = read_journal(write(tmp_path / "j.jsonl", BATCH, trial(), END))
    assert journal.batch == BATCH
    assert journal.trials == [trial()]
    assert journal.end == END


def test_a_torn_tail_is_moved_aside_and_never_glued_to_the_next_record(tmp_path: Path) -> None:
    """A naive append after a torn line loses the next good record too."""
    path = write(tmp_path / "j.jsonl", BATCH, trial("t1"))
    with path.open("ab") as file:
        file.write(b'{"record":"trial","trial_id":"t2"')
    assert [t.trial_id for t in read_journal(path).trials] == ["t1"]
    write(path, trial("t3"))
    assert [t.trial_id for t in read_journal(path).trials] == ["t1", "t3"]
    assert (tmp_path / "j.jsonl.torn1").read_bytes() == b'{"record":"trial","trial_id":"t2"'


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    """Two workers appending to one journal would measure everything twice."""
    path = tmp_path / "j.jsonl"
    with JournalWriter(path), pytest.raises(JournalError, match="another process"):
        JournalWriter(path)


@pytest.mark.parametrize(
    ("line", "number"),
    [(b"garbage\n", 2), (b'{"record":"nonsense"}\n', 2), (b'{"record":"end","ok":1}\n', 2)],
)
def test_a_damaged_line_is_named(tmp_path: Path, line: bytes, number: int) -> None:
    """A damaged record in the middle must not be skipped in silence."""
    path = write(tmp_path / "j.jsonl", BATCH)
    with path.open("ab") as file:
        file.write(line)
    with pytest.raises(JournalError, match=f"j.jsonl: line {number}"):
        read_journal(path)


def test_a_journal_without_its_plan_is_refused(tmp_path: Path) -> None:
    """Trials of an unknown plan are no evidence of anything."""
    with pytest.raises(JournalError, match="line 1"):
        read_journal(write(tmp_path / "j.jsonl", trial()))


def test_an_interrupted_trial_is_not_finished(tmp_path: Path) -> None:
    """Nor is one that was skipped, or that a dead server cut off with an attempt left."""
    journal = read_journal(
        write(
            tmp_path / "j.jsonl",
            BATCH,
            trial("t1", 1, Status.INTERRUPTED),
            trial("t2", 1, Status.FAILED),
            trial("t3", 1, Status.INTERRUPTED),
            trial("t3", 2, Status.OK),
            trial("t4", 1, Status.SKIPPED),
            trial("t5", 1, Status.FAILED, "connect"),
            trial("t6", 1, Status.FAILED, "connect"),
            trial("t6", 2, Status.FAILED, "connect"),
            trial("t7", 1, Status.FAILED, "oom"),
            trial("t8", 1, Status.INTERRUPTED),
            trial("t8", 2, Status.FAILED, "timeout_first"),
        )
    )
    assert journal.max_attempts == 2
    assert journal.finished() == {
        "t2": Status.FAILED,  # refused: would fail again
        "t3": Status.OK,
        "t6": Status.FAILED,  # has had its two attempts
        "t7": Status.FAILED,  # would fail again
    }
    assert (journal.attempts("t3"), journal.attempts_made("t3")) == (2, 1)


def test_finished_means_that_the_end_record_is_whole(tmp_path: Path) -> None:
    """A campaign that was killed before its end record goes on."""
    path = write(tmp_path / "j.jsonl", BATCH, trial())
    assert not is_finished(path)
    assert not is_finished(tmp_path / "absent.jsonl")
    assert is_finished(write(path, END))


def test_a_disk_that_refuses_is_told_as_such(tmp_path: Path) -> None:
    """A traceback of OSError names neither the warehouse nor a way out."""
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="cannot be written") as caught:
        JournalWriter(tmp_path / "file" / "j.jsonl")
    assert "DUALOLLAMA_WAREHOUSE" in caught.value.way_out


def test_a_full_disk_is_told_as_such() -> None:
    """/dev/full takes a file to be opened and refuses every byte."""
    writer = JournalWriter.__new__(JournalWriter)
    with Path("/dev/full").open("ab", buffering=0) as full:
        writer._path, writer._file = Path("/dev/full"), full
        with pytest.raises(JournalError, match="No space left"):
            writer.append(END)


def test_a_complete_journal_is_read_only(tmp_path: Path) -> None:
    """Evidence that anybody can add a line to is none."""
    path = tmp_path / "j.jsonl"
    with JournalWriter(path) as writer:
        assert path.stat().st_mode & 0o222
        writer.append(EndRecord(planned=1, ok=1, failed=0, interrupted=0, skipped=0))
    assert path.stat().st_mode & 0o777 == 0o444
