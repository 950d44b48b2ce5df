"""Killed between any two records: what looked at the servers is complete, and nothing is twice.

The trap: a cell whose "after" was lost with the process that died just before it; nobody would
look any more, and a server replaced meanwhile would stay unseen.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from dualollama_pipeline.bench.servers import ServerPair
from dualollama_pipeline.core.plan import Plan
from dualollama_pipeline.core.records import (
    AnyRecord,
    CallRecord,
    IdentityRecord,
    NoteRecord,
    Record,
    Status,
    TrialRecord,
)
from dualollama_pipeline.core.study import PAIR, arms_of
from dualollama_pipeline.worker.batch import run_batch
from dualollama_pipeline.worker.journal import _RECORD, Journal, JournalWriter, read_journal
from dualollama_pipeline_tests.field.stand_in import stand_ins
from dualollama_pipeline_tests.kills.harness import check_equal, check_once
from dualollama_pipeline_tests.worker.plans import small_plan

ARMS = tuple(arms_of(PAIR))
EVERY_LOOK = {(arm, moment): 1 for arm in ARMS for moment in ("before", "after")}


class Killed(BaseException):
    """The process ends here: nothing may catch it, nothing more is written."""


class MortalWriter(JournalWriter):
    """A writer whose process dies instead of writing the record after so many."""

    def __init__(self, path: Path, records: int | None) -> None:
        super().__init__(path)
        self._left = records

    def append(self, record: Record) -> None:
        if self._left == 0:
            raise Killed
        super().append(record)
        self._left = None if self._left is None else self._left - 1


async def live(plan: Plan, path: Path, records: int | None = None) -> None:
    """One life of a worker, until its batch has ended or it has written so many records."""

    async def no_pause(_: float) -> None:
        """Nobody waits on purpose."""

    with MortalWriter(path, records) as writer, suppress(Killed):
        await run_batch(plan, read_journal(path), writer, lambda _: None, pause=no_pause)


def records_of(path: Path) -> list[AnyRecord]:
    return [_RECORD.validate_json(line) for line in path.read_bytes().splitlines()]


def results(journal: Journal) -> dict[str, tuple[CallRecord, ...]]:
    return {trial.trial_id: trial.calls for trial in journal.trials if trial.status is Status.OK}


def looks(path: Path) -> Counter[tuple[str, str]]:
    return Counter((r.arm, r.moment) for r in records_of(path) if isinstance(r, IdentityRecord))


def check_around(path: Path) -> None:
    """Fail where a look around a cell is not before its first trial, or not after its last."""
    places: dict[tuple[str, str], list[int]] = {}
    for place, record in enumerate(records_of(path)):
        if isinstance(record, IdentityRecord):
            places.setdefault((record.arm, record.moment), []).append(place)
        elif isinstance(record, TrialRecord):
            places.setdefault((record.arm, "trial"), []).append(place)
    for arm in ARMS:
        trials = places[arm, "trial"]
        assert max(places[arm, "before"]) < min(trials), arm
        assert min(places[arm, "after"]) > max(trials), arm


def lives_of(path: Path) -> Iterator[int]:
    """Yield 1, 2, 3... until the journal has its end."""
    for number in count(1):
        if path.exists() and read_journal(path).end is not None:
            return
        assert number < 100, "a batch that never ends"
        yield number


@pytest.fixture(scope="module")
def undisturbed(
    simulated_pair: ServerPair, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Plan, Journal]:
    """Two blocks on the simulated pair; in `single` the agents reload each other's model."""
    plan = small_plan(simulated_pair.urls, blocks=2, clock="simulated", insight={"num_gpu": 60})
    path = tmp_path_factory.mktemp("undisturbed") / "j.jsonl"
    asyncio.run(live(plan, path))
    assert looks(path) == EVERY_LOOK
    return plan, read_journal(path)


def test_killed_between_any_two_records(undisturbed: tuple[Plan, Journal], tmp_path: Path) -> None:
    """Every place in a journal once: resumed, it holds what an undisturbed one holds."""
    plan, whole = undisturbed
    n_records = len(records_of(whole.path))
    assert n_records > 20
    for died_after in range(n_records):
        path = tmp_path / f"{died_after}.jsonl"
        asyncio.run(live(plan, path, died_after))
        kept = records_of(path)
        assert len(kept) == died_after
        asyncio.run(live(plan, path))
        assert records_of(path)[:died_after] == kept
        check_once(read_journal(path))
        assert results(read_journal(path)) == results(whole)
        assert looks(path) == EVERY_LOOK, died_after
        check_around(path)


@pytest.mark.parametrize("records", [5, 7, 8])
def test_killed_again_and_again(
    undisturbed: tuple[Plan, Journal], tmp_path: Path, records: int
) -> None:
    """Lives so short that each is spent on getting ready and a trial or two still get there."""
    plan, whole = undisturbed
    path = tmp_path / "j.jsonl"
    n_lives = sum(asyncio.run(live(plan, path, records)) or 1 for _ in lives_of(path))
    assert n_lives > 2
    check_once(read_journal(path))
    check_equal(read_journal(path), whole)
    assert looks(path) == EVERY_LOOK
    check_around(path)


async def _twice(behaviour: dict[str, Any], path: Path, died_after: int | None) -> Plan:
    """Live on stand-ins until killed, then on the same servers to the end."""
    async with stand_ins(gap_ms=0.2, prefill_ms=1.0, load_s=0.0, **behaviour) as urls:
        plan = small_plan(urls)
        await live(plan, path, died_after)
        await live(plan, path)
        return plan


def test_killed_between_the_attempts_of_a_trial(tmp_path: Path) -> None:
    """The attempts before the death count: else a server that is busy is asked for ever."""
    for died_after in range(4, 16):
        path = tmp_path / f"{died_after}.jsonl"
        plan = asyncio.run(_twice({"busy_a": (1, 3)}, path, died_after))
        journal = read_journal(path)
        attempts = Counter((trial.trial_id, trial.attempt) for trial in journal.trials)
        assert set(attempts.values()) == {1}
        assert all(journal.attempts_made(t.trial_id) <= plan.max_attempts for t in plan.trials)
        finished = Counter(t.trial_id for t in journal.trials if t.status is Status.OK)
        assert set(finished.values()) == {1}
        assert journal.end is not None
        assert journal.end.planned == len(plan.trials) == journal.end.ok + journal.end.failed
        assert journal.end.ok == len(finished)
        assert looks(path) == EVERY_LOOK
        check_around(path)


def check_named(path: Path) -> set[tuple[str, str]]:
    """Fail where a look is missing that no note names; return what is missing."""
    missing = set(EVERY_LOOK) - set(looks(path))
    told = [note.text for note in read_journal(path).notes if note.about == "servers"]
    named = {(arm, m) for arm, m in EVERY_LOOK if any(arm in text and m in text for text in told)}
    assert missing <= named, f"{missing} and only {told}"
    return missing


@pytest.mark.parametrize("lost", range(1, 9))
def test_a_look_that_is_missing_is_named(tmp_path: Path, lost: int) -> None:
    """A server that did not tell who it was, around which cell? Nobody can find out afterwards."""
    path = tmp_path / "j.jsonl"
    asyncio.run(_twice({"control_failures_a": {"/api/tags": (lost, 3)}}, path, None))
    journal = read_journal(path)
    assert journal.end is not None
    assert journal.end.ok == 4
    assert len(check_named(path)) == 1


@pytest.mark.parametrize("lost", range(1, 9))
def test_a_missing_look_is_taken_by_the_next_life(tmp_path: Path, lost: int) -> None:
    """Killed right after the note: whoever goes on looks at once, as the servers may change."""
    behaviour = {"control_failures_a": {"/api/tags": (lost, 3)}}
    asyncio.run(_twice(behaviour, tmp_path / "whole.jsonl", None))
    kinds = [type(record) for record in records_of(tmp_path / "whole.jsonl")]
    path = tmp_path / "j.jsonl"
    asyncio.run(_twice(behaviour, path, kinds.index(NoteRecord) + 1))
    assert looks(path) == EVERY_LOOK
    check_around(path)
    check_once(read_journal(path))
