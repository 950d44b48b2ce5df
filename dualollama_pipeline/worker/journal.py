"""The journal: evidence, append-only, one JSON record a line, on disk before it counts."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout
from pydantic import TypeAdapter, ValidationError

from dualollama_pipeline.core.errors import JournalError
from dualollama_pipeline.core.records import (
    AnyRecord,
    BatchRecord,
    EndRecord,
    IdentityRecord,
    JournalRecord,
    MachineRecord,
    NoteRecord,
    Origin,
    PreparationRecord,
    Record,
    RulerRecord,
    Status,
    TrialRecord,
)
from dualollama_pipeline.transport.failures import may_pass

_RECORD: TypeAdapter[AnyRecord] = TypeAdapter(JournalRecord)
END_RECORD_BYTES = 4096  # an end record is far shorter
READ_ONLY = 0o444


@dataclass
class Journal:
    """What a journal holds, read whole; records stand in the order in which they were written."""

    path: Path
    batch: BatchRecord | None = None
    machines: list[MachineRecord] = field(default_factory=list)
    identities: list[IdentityRecord] = field(default_factory=list)
    preparations: list[PreparationRecord] = field(default_factory=list)
    notes: list[NoteRecord] = field(default_factory=list)
    trials: list[TrialRecord] = field(default_factory=list)
    ruler: RulerRecord | None = None
    end: EndRecord | None = None

    @property
    def origin(self) -> Origin:
        """Simulated if any server ever announced itself as a simulator."""
        servers = [server for record in self.identities for server in record.servers]
        simulated = any(server.simulated_by for server in servers)
        return Origin.SIMULATED if simulated else Origin.MEASURED

    @property
    def cut_off_by(self) -> str | None:
        """What ended the batch early, as the worker said; None if it is complete or was killed."""
        said = [note for note in self.notes if note.about == "ended"]
        if self.end is not None or not said:
            return None
        return f"{said[-1].text}\n  way out: {said[-1].way_out}"

    def finished(self) -> dict[str, Status]:
        """Trials that are not to be measured again, with how they ended.

        A trial is finished when an attempt was ok, or when its last attempt failed and no other is
        due: the failure would come again, or the plan allows no more attempts. One that was
        interrupted or skipped is measured again.
        """
        last = {trial.trial_id: trial for trial in self.trials}
        return {
            trial_id: trial.status
            for trial_id, trial in last.items()
            if trial.status is Status.OK
            or (trial.status is Status.FAILED and not self._is_another_due(trial))
        }

    def _is_another_due(self, trial: TrialRecord) -> bool:
        failures = [call.failure for call in trial.calls if call.failure is not None]
        left = self.batch is not None and self.attempts_made(trial.trial_id) < self.max_attempts
        return left and may_pass(failures)

    @property
    def max_attempts(self) -> int:
        """How often the plan allows a trial to be attempted."""
        return 0 if self.batch is None else self.batch.plan.max_attempts

    def attempts(self, trial_id: str) -> int:
        """How many records of attempts at a trial there are."""
        return sum(trial.trial_id == trial_id for trial in self.trials)

    def attempts_made(self, trial_id: str) -> int:
        """How many of them came to an end: no other could have saved what we stopped or skipped."""
        ended = (Status.OK, Status.FAILED)
        return sum(t.trial_id == trial_id and t.status in ended for t in self.trials)


def read_journal(path: Path) -> Journal:
    """Read a journal; a torn last line (no newline) is no record yet and is left out.

    Raises:
        JournalError: the file cannot be read, a complete line is no record, or the first is no
            batch record; names file and line.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise JournalError(f"{path}: cannot read the journal ({error})", "restore it") from error
    journal = Journal(path)
    for number, line in enumerate(content.split(b"\n")[:-1], start=1):
        try:
            record = _RECORD.validate_json(line)
        except ValidationError as error:
            finding = error.errors(include_url=False)[0]
            raise JournalError(
                f"{path}: line {number} is no record ({finding['loc']}: {finding['msg']})",
                "restore the file from a copy, or move it away and measure the partition anew",
            ) from error
        _file(journal, record, number)
    return journal


def _file(journal: Journal, record: AnyRecord, number: int) -> None:
    if isinstance(record, BatchRecord) != (number == 1):
        raise JournalError(
            f"{journal.path}: line {number}: the batch record stands first and only there",
            "restore the file from a copy, or move it away",
        )
    match record:
        case BatchRecord():
            journal.batch = record
        case MachineRecord():
            journal.machines.append(record)
        case IdentityRecord():
            journal.identities.append(record)
        case PreparationRecord():
            journal.preparations.append(record)
        case NoteRecord():
            journal.notes.append(record)
        case TrialRecord():
            journal.trials.append(record)
        case RulerRecord():
            journal.ruler = record
        case EndRecord():
            journal.end = record


def is_finished(path: Path) -> bool:
    """Say whether a journal exists and ends with its end record; reads only its last line."""
    try:
        with path.open("rb") as file:
            file.seek(max(path.stat().st_size - END_RECORD_BYTES, 0))
            last = file.read().rstrip(b"\n").rsplit(b"\n", 1)[-1]
    except OSError:
        return False
    return last.startswith(b'{"record":"end"')


class JournalWriter:
    """Appends records; holds the journal's lock, so that it has one writer.

    After its end record a journal is read-only: complete evidence is not added to.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("ab")
        except OSError as error:
            raise self._disk_error(error) from error
        self._lock = FileLock(path.with_name(f"{path.name}.lock"))
        try:
            self._lock.acquire(blocking=False)
        except (OSError, Timeout) as error:
            self._file.close()
            raise JournalError(
                f"{path}: another process is writing this journal", "wait until it has ended"
            ) from error
        try:
            self._quarantine_torn_tail()
        except OSError as error:  # the disk may still be full
            self.close()
            raise self._disk_error(error) from error

    def _quarantine_torn_tail(self) -> None:
        """Move an incomplete last line aside, so that the next record is not glued to it."""
        content = self._path.read_bytes()
        complete = content.rfind(b"\n") + 1
        if complete < len(content):
            count = len(list(self._path.parent.glob(f"{self._path.name}.torn*")))
            self._path.with_name(f"{self._path.name}.torn{count + 1}").write_bytes(
                content[complete:]
            )
            self._file.truncate(complete)

    def append(self, record: Record) -> None:
        """Write one record; when this returns, it is on the disk."""
        try:
            self._file.write(record.model_dump_json().encode() + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())
            if isinstance(record, EndRecord):
                self._path.chmod(READ_ONLY)
        except OSError as error:
            raise self._disk_error(error) from error

    def _disk_error(self, error: OSError) -> JournalError:
        return JournalError(
            f"{self._path}: the journal cannot be written ({error})",
            "make room or make the folder writable, or set DUALOLLAMA_WAREHOUSE to another",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End writing; what was appended stays."""
        with suppress(OSError):  # a full disk was told by append
            self._file.close()
        with suppress(OSError):  # before the release: what waits notices and makes a new one
            Path(self._lock.lock_file).unlink()
        self._lock.release()
