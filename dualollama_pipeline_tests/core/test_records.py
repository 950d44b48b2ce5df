"""Records: the journal's lines. The trap: a record that loads as another, or fills in a zero."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from dualollama_pipeline.core.records import (
    CallRecord,
    EndRecord,
    FailureKind,
    JournalRecord,
    ServerCounters,
    Status,
    TrialRecord,
)

RECORD: TypeAdapter[Any] = TypeAdapter(JournalRecord)
END = {"record": "end", "planned": 4, "ok": 4, "failed": 0, "interrupted": 0, "skipped": 0}


def call(**changes: Any) -> CallRecord:
    sound: dict[str, Any] = {
        "role": "collector",
        "server": "a",
        "model": "m:1b",
        "stage": "analysis",
        "options": {"num_gpu": 60, "temperature": 0.8},
        "status": "ok",
    }
    return CallRecord.model_validate(sound | changes)


def attempt(**changes: Any) -> TrialRecord:
    sound: dict[str, Any] = {
        "trial_id": "t1",
        "attempt": 1,
        "block": 1,
        "arm": "apart",
        "order": 0,
        "status": "ok",
        "started_at": "2026-01-01T00:00:00+00:00",
        "calls": (call(),),
    }
    return TrialRecord.model_validate(sound | changes)


def test_what_was_not_observed_is_none() -> None:
    """Ollama omits zeros, and a call that failed has no counters: neither may become 0."""
    unknown = call(status="failed")
    assert unknown.counters == ServerCounters()
    assert set(unknown.counters.model_dump().values()) == {None}
    assert unknown.sent_ns is unknown.first_token_ns is unknown.end_ns is None


@pytest.mark.parametrize(
    "record",
    [
        attempt(),
        attempt(status="interrupted", calls=()),
        attempt(calls=(call(chunk_ns=(1, 2), counters={"eval_count": 0}, text="\u2028\x85"),)),
        EndRecord.model_validate(END),
    ],
)
def test_a_record_survives_its_line(record: TrialRecord | EndRecord) -> None:
    """One line a record, whatever a model wrote, or the journal falls apart."""
    line = record.model_dump_json()
    assert "\n" not in line
    assert RECORD.validate_json(line) == record


def test_integers_stay_integers() -> None:
    """`60` that comes back as `60.0` is another option set to the server."""
    options = RECORD.validate_json(attempt().model_dump_json()).calls[0].options
    assert [type(value) for value in options.values()] == [int, float]


@pytest.mark.parametrize(
    "changes", [{"record": "other"}, {"extra": 1}, {"planned": None}, {"ok": "many"}]
)
def test_a_line_that_is_no_record_is_refused(changes: dict[str, Any]) -> None:
    """A journal of a later version must not be read by halves."""
    with pytest.raises(ValidationError):
        RECORD.validate_json(json.dumps(END | changes))


def test_attempts_count_from_one_and_kinds_are_a_closed_list() -> None:
    """Free text in `kind` could not be counted."""
    with pytest.raises(ValidationError):
        attempt(attempt=0)
    failure = {"kind": "bad luck", "text": "t", "url": "u", "model": "m", "phase": "waiting"}
    with pytest.raises(ValidationError):
        call(status="failed", failure=failure)
    for kind in FailureKind:
        assert call(status="failed", failure={**failure, "kind": kind.value}).failure is not None
    assert {status.value for status in Status} == {"ok", "failed", "interrupted", "skipped"}
