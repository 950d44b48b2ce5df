"""A night that goes on: what fails is tried again, told, skipped with its reason, and resumed."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dualollama_pipeline.core.errors import ServerError
from dualollama_pipeline.core.records import RulerRecord, Status, TrialRecord
from dualollama_pipeline.worker.batch import run_batch
from dualollama_pipeline.worker.journal import Journal, JournalWriter, read_journal
from dualollama_pipeline.worker.ruler import examine_ruler
from dualollama_pipeline_tests.faults.cases import PATIENT
from dualollama_pipeline_tests.field.stand_in import stand_ins
from dualollama_pipeline_tests.worker.plans import small_plan

HANGING = PATIENT.model_copy(update={"first_token_s": 0.3, "return_s": 100.0})


class Night:
    """One plan measured on stand-ins, perhaps several times; nobody waits on purpose."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.told: list[dict[str, Any]] = []
        self.pauses: list[float] = []

    def measure(
        self,
        behaviour: dict[str, Any],
        *,
        ruler: Callable[[], Awaitable[RulerRecord]] | None = None,
        **changes: Any,
    ) -> Journal:
        async def pause(seconds: float) -> None:
            self.pauses.append(seconds)

        async def act() -> None:
            async with stand_ins(**behaviour) as urls:
                plan = small_plan(urls, **changes)
                with JournalWriter(self.path) as writer:
                    journal = read_journal(self.path)
                    await run_batch(plan, journal, writer, self.told.append, ruler, pause)

        asyncio.run(act())
        return read_journal(self.path)

    @property
    def notices(self) -> list[str]:
        return [event["text"] for event in self.told if event["event"] == "notice"]


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path / "j.jsonl")


def statuses(journal: Journal) -> Counter[Status]:
    return Counter(trial.status for trial in journal.trials)


def of_arm(journal: Journal, arm: str) -> list[TrialRecord]:
    return [trial for trial in journal.trials if trial.arm == arm]


@pytest.mark.parametrize("path", ["/api/version", "/api/tags", "/api/show", "/api/ps"])
def test_a_failed_control_request_does_not_end_a_batch(night: Night, path: str) -> None:
    """One lost answer to /api/ps at three in the morning cost the rest of the night."""
    journal = night.measure({"control_failures": {path: (1, 2)}})
    assert statuses(journal) == {Status.OK: 4}
    assert journal.end is not None
    assert path == "/api/show" or 1.0 in night.pauses or 0.5 in night.pauses  # off the clock


def test_a_server_that_no_longer_tells_who_it_is_is_noted_and_measured(night: Night) -> None:
    """A proxy lost /api/tags: the trials stand, and that nobody looked around them is said."""
    journal = night.measure({"control_failures": {"/api/tags": (1, 99)}})
    assert statuses(journal) == {Status.OK: 4}
    assert not journal.identities
    assert {note.about for note in journal.notes} == {"servers"}
    assert "/api/tags: HTTP 500" in journal.notes[0].text


def test_a_load_that_fails_for_good_ends_what_nothing_was_measured_of(night: Night) -> None:
    """Trials against a model that was never loaded wait for their deadline, all of them."""
    with pytest.raises(ServerError, match="out of memory") as caught:
        night.measure({"load_error_b": "cudaMalloc failed: out of memory"})
    assert "num_gpu" in caught.value.way_out
    journal = read_journal(night.path)
    assert not journal.trials
    assert journal.end is None  # the next night tries again
    assert "out of memory" in (journal.cut_off_by or "")
    assert not night.pauses


def test_a_load_that_fails_once_is_tried_again(night: Night) -> None:
    """The preparation is recorded, the pause told, and the trial measured after all."""
    journal = night.measure({"load_error": "llama-server process has terminated", "load_errors": 1})
    assert statuses(journal) == {Status.OK: 4}
    assert [record.status for record in journal.preparations][:2] == [Status.FAILED, Status.FAILED]
    assert night.pauses == [10.0]
    assert "next try in 10 s" in night.notices[0]
    assert "has terminated" in night.notices[0]


def test_an_arm_that_hangs_is_skipped_until_the_last_block(night: Night) -> None:
    """Two requests at once hung a real server: fifty silent minutes a block, night after night."""
    journal = night.measure({"hangs_when_shared": True}, deadlines=HANGING, blocks=4)
    single = of_arm(journal, "shared")
    # two attempts in the first block, one for all in the last
    assert [trial.status for trial in single] == [
        *(Status.FAILED, Status.FAILED),
        *(Status.SKIPPED, Status.SKIPPED),
        Status.FAILED,
    ]
    assert single[2].reason == "not tried: `shared` ran into a deadline 2 times before"
    assert journal.end is not None
    assert (journal.end.ok, journal.end.failed, journal.end.skipped) == (12, 2, 2)


def test_a_server_that_hangs_is_given_up(night: Night) -> None:
    """Made ready again in vain, told each time, and left: the night has other configurations."""
    with pytest.raises(ServerError, match="given up: ReadTimeout"):
        night.measure({"hangs_from_a": 2}, deadlines=HANGING, blocks=4)
    assert len(night.notices) == 3
    assert len(read_journal(night.path).trials) == 1


def test_a_server_that_does_not_come_back_leaves_a_batch_to_go_on_with(night: Night) -> None:
    """What a dead server cut off is measured by the next run, and is no failure of the model."""
    dying = {"dies_after_a": 7}
    with pytest.raises(ServerError, match="given up"):
        night.measure(dying, blocks=2)
    first = read_journal(night.path)
    assert first.end is None
    assert "given up" in (first.cut_off_by or "")
    assert [pause for pause in night.pauses if pause >= 10] == [10.0, 30.0, 60.0]
    kept = [trial for trial in first.trials if trial.status is Status.OK]
    assert kept
    second = night.measure({}, blocks=2)
    assert second.end is not None
    assert second.end.ok == 8
    assert second.trials[: len(first.trials)] == first.trials


def test_a_busy_server_is_asked_when_it_wants_to_be(night: Night) -> None:
    """Asked again at once, a full queue stays full: a second 503 was the end of the trial."""
    journal = night.measure({"busy_a": (1, 2), "retry_after": "7"}, max_attempts=3)
    assert statuses(journal) == {Status.OK: 4, Status.FAILED: 1}
    assert night.pauses == [7.0, 10.0]  # before the trial's next attempt; before its preparation's


def test_a_missing_look_around_is_taken_when_a_batch_goes_on(night: Night) -> None:
    """Killed between a cell's last trial and the look after it: nobody would ever look."""
    whole = night.measure({})
    lines = night.path.read_bytes().split(b"\n")
    afters = [i for i, line in enumerate(lines) if b'"moment":"after"' in line]
    assert len(afters) == 4
    night.path.chmod(0o644)
    night.path.write_bytes(b"\n".join(lines[: afters[-1]]) + b"\n")
    again = night.measure({})
    seen = {(record.arm, record.moment) for record in again.identities}
    assert seen == {(record.arm, record.moment) for record in whole.identities}
    assert again.end is not None


def test_a_ruler_that_cannot_be_examined_costs_no_batch(night: Night) -> None:
    """The trials are over by then: a lost calibration is a note beside them."""

    @contextmanager
    def broken() -> Iterator[str]:
        yield "http://127.0.0.1:1"

    async def no_ruler() -> RulerRecord:
        return await examine_ruler(broken)

    journal = night.measure({}, ruler=no_ruler)
    assert journal.end is not None
    assert journal.end.ok == 4
    assert journal.ruler is None
    assert [note.about for note in journal.notes] == ["ruler"]


def test_a_model_that_can_think_is_told_not_to(night: Night) -> None:
    """Ollama's default is to think: 300 tokens of it, and not one of an answer."""
    journal = night.measure({"thinks": True})
    calls = [call for trial in journal.trials for call in trial.calls]
    assert all(call.text and not call.thinking for call in calls)


def test_a_token_opens_the_door_and_is_written_nowhere(
    night: Night, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A journal is shared; a proxy that quotes a wrong key would carry it there."""
    monkeypatch.setenv("DUALOLLAMA_TOKEN", "sk-right-and-secret")
    behaviour = {"prefix": "/ollama", "token": "sk-right-and-secret"}
    journal = night.measure(behaviour)
    assert statuses(journal) == {Status.OK: 4}
    monkeypatch.setenv("DUALOLLAMA_TOKEN", "sk-wrong-and-secret")
    other = Night(night.path.with_name("k.jsonl"))
    with pytest.raises(ServerError, match=r"HTTP 401: wrong credentials: Bearer \*{3}") as caught:
        other.measure(behaviour)
    assert "DUALOLLAMA_TOKEN" in caught.value.way_out
    for path in night.path.parent.iterdir():
        assert "secret" not in path.read_text()
    assert "secret" not in json.dumps(night.told)
