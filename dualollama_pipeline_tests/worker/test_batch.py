"""The worker against the simulated pair, in this process: order, evidence, resuming."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from dualollama_pipeline.bench.servers import ServerPair
from dualollama_pipeline.core.errors import JournalError, ServerError, ServersChangedError
from dualollama_pipeline.core.plan import Plan
from dualollama_pipeline.core.records import CallRecord, Status
from dualollama_pipeline.worker.batch import run_batch
from dualollama_pipeline.worker.journal import Journal, JournalWriter, read_journal
from dualollama_pipeline_tests.worker.plans import small_plan


def measure(plan: Plan, path: Path, stop_after: int | None = None) -> Journal:
    """Run a plan; stop as Ctrl-C does once `stop_after` trials are finished."""

    async def act() -> None:
        task = asyncio.current_task()
        assert task is not None

        def announce(event: dict[str, Any]) -> None:
            if event["finished"] == stop_after:
                task.cancel()

        with JournalWriter(path) as writer:
            await run_batch(plan, read_journal(path), writer, announce)

    if stop_after is None:
        asyncio.run(act())
    else:
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(act())
    return read_journal(path)


def results(journal: Journal) -> dict[str, tuple[CallRecord, ...]]:
    return {trial.trial_id: trial.calls for trial in journal.trials if trial.status is Status.OK}


def test_every_planned_trial_is_measured_in_order(
    simulated_pair: ServerPair, tmp_path: Path
) -> None:
    """The order of the arms is part of the design; a worker must not sort it away."""
    plan = small_plan(simulated_pair.urls, blocks=2, clock="simulated")
    journal = measure(plan, tmp_path / "j.jsonl")
    assert [t.trial_id for t in journal.trials] == [t.trial_id for t in plan.trials]
    assert journal.end is not None
    assert (journal.end.planned, journal.end.ok) == (8, 8)
    calls = [call for trial in journal.trials for call in trial.calls]
    assert {call.counters.eval_count for call in calls} == {40}
    assert all(len(call.chunk_ns) == 40 for call in calls)


def test_agents_of_a_pair_start_together_and_solo_agents_alone(
    simulated_pair: ServerPair, tmp_path: Path
) -> None:
    """Started one after the other, a pair would measure its own start-up."""
    plan = small_plan(simulated_pair.urls, clock="simulated")
    for trial in measure(plan, tmp_path / "j.jsonl").trials:
        starts = [call.sent_ns for call in trial.calls if call.stage == "analysis"]
        assert starts == ([0] if trial.arm.startswith("solo") else [0, 0])


def test_the_same_plan_twice_is_bit_identical(simulated_pair: ServerPair, tmp_path: Path) -> None:
    """Simulated results that depend on scheduling would be neither exact nor reproducible."""
    plan = small_plan(simulated_pair.urls, blocks=2, clock="simulated")
    first, second = (measure(plan, tmp_path / f"{name}.jsonl") for name in "ab")
    assert results(first) == results(second)


def test_identity_is_recorded_around_every_cell(simulated_pair: ServerPair, tmp_path: Path) -> None:
    """A server replaced between two trials must be seen."""
    plan = small_plan(simulated_pair.urls, blocks=2, clock="simulated")
    journal = measure(plan, tmp_path / "j.jsonl")
    moments = Counter((record.arm, record.moment) for record in journal.identities)
    arms = ("solo_collector", "solo_insight", "apart", "shared")
    assert moments == {(arm, when): 1 for arm in arms for when in ("before", "after")}
    assert all(s.loaded and s.simulated_by for r in journal.identities for s in r.servers)


def test_chat_measures_what_generate_measures(simulated_pair: ServerPair, tmp_path: Path) -> None:
    """Only the wrapping of the words differs; the simulator's times are the same."""
    plan = small_plan(simulated_pair.urls, clock="simulated")
    chat = plan.model_copy(update={"api": "chat"})
    assert chat.plan_hash != plan.plan_hash
    first, second = measure(plan, tmp_path / "g.jsonl"), measure(chat, tmp_path / "c.jsonl")
    assert results(first) == results(second)
    assert all(call.text for calls in results(second).values() for call in calls)


def test_a_stopped_batch_is_resumed_and_equals_an_undisturbed_one(
    simulated_pair: ServerPair, tmp_path: Path
) -> None:
    """Finished trials are never measured twice, and resuming must not change the results."""
    plan = small_plan(simulated_pair.urls, blocks=2, clock="simulated", insight={"num_gpu": 60})
    undisturbed = measure(plan, tmp_path / "a.jsonl")
    stopped = measure(plan, tmp_path / "b.jsonl", stop_after=3)
    assert stopped.end is None
    before = [t.trial_id for t in stopped.trials]
    resumed = measure(plan, tmp_path / "b.jsonl")
    assert resumed.end is not None
    assert [t.trial_id for t in resumed.trials[: len(before)]] == before
    assert Counter(t.trial_id for t in resumed.trials if t.status is Status.OK) == {
        t.trial_id: 1 for t in plan.trials
    }
    assert results(resumed) == results(undisturbed)


def test_a_finished_journal_is_left_alone(simulated_pair: ServerPair, tmp_path: Path) -> None:
    """Asking again for a finished batch costs nothing and changes nothing."""
    plan = small_plan(simulated_pair.urls, clock="simulated")
    path = tmp_path / "j.jsonl"
    measure(plan, path)
    before = path.read_bytes()
    measure(plan, path)
    assert path.read_bytes() == before


def test_a_journal_of_another_plan_is_refused(simulated_pair: ServerPair, tmp_path: Path) -> None:
    """Trials of two plans in one journal could not be told apart."""
    path = tmp_path / "j.jsonl"
    measure(small_plan(simulated_pair.urls, clock="simulated"), path)
    with pytest.raises(JournalError, match="use a new batch"):
        measure(small_plan(simulated_pair.urls, clock="simulated", seed=5), path)


def test_changed_servers_are_not_mixed_into_a_batch(
    simulated_pair: ServerPair, tmp_path: Path
) -> None:
    """After an upgrade of Ollama the rest of a batch would measure something else."""
    path = tmp_path / "j.jsonl"
    plan = small_plan(simulated_pair.urls, clock="simulated")
    measure(plan, path, stop_after=1)
    text = path.read_text().replace("0.33.0-simulated", "0.32.9")
    path.write_text(text)
    with pytest.raises(ServersChangedError, match=r"0\.32\.9"):
        measure(plan, path)


def test_other_options_on_one_server_are_undone_after_single(
    simulated_pair: ServerPair, tmp_path: Path
) -> None:
    """What `single` leaves loaded would be measured as the next trial's condition."""
    plan = small_plan(
        simulated_pair.urls, blocks=2, clock="simulated", insight={"num_gpu": 60, "num_ctx": 4096}
    )
    journal = measure(plan, tmp_path / "j.jsonl")
    first = next(i for i, t in enumerate(plan.trials) if t.arm == "shared")
    following = plan.trials[first + 1]
    prepared = [r for r in journal.preparations if r.before_trial == following.trial_id]
    assert [(r.server, r.status) for r in prepared] == [("a", Status.OK)]
    loads = {
        (t.arm, call.agent, call.stage): call.counters.load_duration
        for t in journal.trials
        for call in t.calls
    }
    reload_ns = 2_000_000_000  # a warm load takes a quarter of a second, a reload four
    assert all((ns or 0) < reload_ns for (arm, *_), ns in loads.items() if arm != "shared")
    assert any((ns or 0) > reload_ns for (arm, *_), ns in loads.items() if arm == "shared")


def test_a_server_without_the_model_is_named_before_anything_is_measured(
    simulated_pair: ServerPair, tmp_path: Path
) -> None:
    """No trial could succeed; the user should read `ollama pull`, not 60 failures."""
    plan = small_plan(simulated_pair.urls, clock="simulated")
    agents = tuple(
        trial.model_copy(
            update={"agents": tuple(a.model_copy(update={"model": "absent"}) for a in trial.agents)}
        )
        for trial in plan.trials
    )
    with pytest.raises(ServerError, match="ollama pull absent"):
        measure(plan.model_copy(update={"trials": agents}), tmp_path / "j.jsonl")
