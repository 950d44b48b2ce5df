"""Which batch a measurement goes on with: same plan and servers, or a fresh one beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dualollama_pipeline.bench.launch import WorkerError
from dualollama_pipeline.bench.measure import Measurement
from dualollama_pipeline.bench.servers import ServerPair
from dualollama_pipeline.core.errors import ServersChangedError
from dualollama_pipeline.core.plan import Plan
from dualollama_pipeline.core.records import BatchRecord, EndRecord, TrialRecord
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.ollama.client import OllamaClient
from dualollama_pipeline.worker.agents import Attempt, request_body
from dualollama_pipeline.worker.clock import RealClock
from dualollama_pipeline.worker.journal import JournalWriter

PAIR = ServerPair({"a": "http://127.0.0.1:1", "b": "http://127.0.0.1:2"}, "simulated")
END = EndRecord(planned=1, ok=1, failed=0, interrupted=0, skipped=0)


class Worker:
    """Stands in for the worker: writes a journal, finished or not, or meets changed servers."""

    def __init__(self, *, finishes: bool = True, changed: str | None = None) -> None:
        self.finishes, self.changed = finishes, changed
        self.plans: list[Plan] = []

    @property
    def batches(self) -> list[str]:
        return [plan.batch_id for plan in self.plans]

    def __call__(self, plan: Plan, path: Path, _: Callable[[dict[str, Any]], None]) -> None:
        self.plans.append(plan)
        if plan.batch_id == self.changed:
            raise ServersChangedError("changed", "open a new batch")
        with JournalWriter(path) as writer:
            if not path.stat().st_size:
                batch = BatchRecord(started_at="", plan_hash=plan.plan_hash, plan=plan)
                writer.append(batch)
            if self.finishes:
                writer.append(END)


def measure(tmp_path: Path, worker: Worker, batch_id: str, **settings: Any) -> str:
    """Measure test001 in a warehouse; return the batch that the journal is of."""
    chosen = Settings(warehouse=tmp_path, **settings)
    journal = Measurement(chosen, PAIR, lambda _: None, worker).run("test001", batch_id)
    return journal.path.stem


def test_an_unfinished_batch_goes_on_under_its_own_name(tmp_path: Path) -> None:
    """Finished trials are in it; another batch would measure them again."""
    assert measure(tmp_path, Worker(finishes=False), "first") == "first"
    assert measure(tmp_path, Worker(), "second") == "first"


def test_a_finished_batch_is_followed_by_a_new_one(tmp_path: Path) -> None:
    """Materializing again is measuring again."""
    measure(tmp_path, Worker(), "first")
    assert measure(tmp_path, Worker(), "second") == "second"


def test_an_unfinished_batch_of_another_plan_is_left_alone(tmp_path: Path) -> None:
    """Six blocks are another plan than five; the journal of five stays as it is."""
    measure(tmp_path, Worker(finishes=False), "first")
    assert measure(tmp_path, Worker(), "second", blocks=6) == "second"


def test_a_length_that_is_held_is_asked_of_the_server_and_is_another_plan(tmp_path: Path) -> None:
    """Numbers of answers of equal length must not mix with those that stopped early."""
    measure(tmp_path, Worker(finishes=False), "first")
    held = Worker()
    assert measure(tmp_path, held, "second", hold_length=True) == "second"
    bodies = []
    for plan in (held.plans[0], held.plans[0].model_copy(update={"hold_length": False})):
        agent = plan.trials[0].agents[0]
        client = OllamaClient(PAIR.urls["a"], plan.deadlines)
        attempt = Attempt("t", 1, plan, RealClock())
        bodies.append(request_body(client, agent, agent.stages[0], attempt))
    form = bodies[0]["format"]
    # a token is at most some four characters: 80 texts of 10 are more than the 300 asked for
    assert form["minItems"] * form["items"]["minLength"] >= 2 * bodies[0]["options"]["num_predict"]
    assert "format" not in bodies[1]


def test_the_same_batch_with_another_plan_gets_a_number(tmp_path: Path) -> None:
    """A retried run with changed settings was refused for ever."""
    measure(tmp_path, Worker(finishes=False), "first")
    assert measure(tmp_path, Worker(), "first", blocks=6) == "first-2"
    assert measure(tmp_path, Worker(), "first", blocks=7) == "first-3"


def test_changed_servers_get_a_fresh_batch_even_under_the_same_name(tmp_path: Path) -> None:
    """After an upgrade of Ollama an interrupted campaign could never be run again."""
    measure(tmp_path, Worker(finishes=False), "first")
    worker = Worker(changed="first")
    assert measure(tmp_path, worker, "first") == "first-2"
    assert worker.batches == ["first", "first-2"]


class DyingServers(Worker):
    """Stands in for the worker whose servers are lost after some trials of a life."""

    def __init__(self, *trials_of_a_life: int) -> None:
        super().__init__()
        self.left = list(trials_of_a_life)

    def __call__(self, plan: Plan, path: Path, _: Callable[[dict[str, Any]], None]) -> None:
        with JournalWriter(path) as writer:
            if not path.stat().st_size:
                writer.append(BatchRecord(started_at="", plan_hash=plan.plan_hash, plan=plan))
            for planned in plan.trials[: self.left.pop(0)]:
                writer.append(
                    TrialRecord(
                        trial_id=planned.trial_id,
                        attempt=1,
                        block=planned.block,
                        arm=planned.arm,
                        order=0,
                        status="ok",
                        started_at="",
                        calls=(),
                    )
                )
        raise WorkerError("the servers are gone", "start them")


def test_servers_lost_on_the_way_leave_what_was_measured(tmp_path: Path) -> None:
    """Three trials are evidence; failing the asset would keep them out of every table."""
    said: list[dict[str, Any]] = []
    measurement = Measurement(Settings(warehouse=tmp_path), PAIR, said.append, DyingServers(3))
    journal = measurement.run("test001", "first")
    assert len(journal.trials) == 3
    assert journal.end is None
    assert "the servers are gone" in said[-1]["text"]


def test_servers_lost_before_the_first_trial_are_an_error(tmp_path: Path) -> None:
    """Also in a batch that has trials from yesterday: nothing was attempted today."""
    measurement = Measurement(
        Settings(warehouse=tmp_path), PAIR, lambda _: None, DyingServers(0, 2, 0)
    )
    with pytest.raises(WorkerError):
        measurement.run("test001", "first")
    assert len(measurement.run("test001", "first").trials) == 2
    with pytest.raises(WorkerError):
        measurement.run("test001", "first")


def test_a_journal_that_was_killed_at_its_birth_is_gone_on_with(tmp_path: Path) -> None:
    """An empty file beside the new one would be an unfinished batch for ever."""
    empty = tmp_path / "journals" / "test001" / "first.jsonl"
    empty.parent.mkdir(parents=True)
    empty.touch()
    assert measure(tmp_path, Worker(), "second") == "first"
    assert measure(tmp_path, Worker(), "third") == "third"
