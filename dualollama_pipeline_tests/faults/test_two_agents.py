"""A fault on one agent's server stays there: the other agent's calls and all other trials are good.

The trap: one shared exception, connection or clock, and a fault of agent A takes B's answer with
it, or the trial after it. The same plan is measured undisturbed, and every call is compared.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from dualollama_pipeline.core.plan import Plan
from dualollama_pipeline.core.records import CallRecord, FailureKind, Status
from dualollama_pipeline.core.study import APART, SHARED
from dualollama_pipeline.worker.batch import run_batch
from dualollama_pipeline.worker.journal import Journal, JournalWriter, read_journal
from dualollama_pipeline_tests.faults.cases import FIRST, IDLE, PATIENT, TOTAL, in_chat
from dualollama_pipeline_tests.faults.ollama import ollama, said_to
from dualollama_pipeline_tests.faults.scripted import (
    END,
    HEAD,
    MODEL,
    Close,
    Hold,
    Pause,
    Request,
    Script,
    Step,
    answer,
    chunk,
    final,
    serve,
    stream,
    token,
)
from dualollama_pipeline_tests.worker.plans import small_plan

K = FailureKind
DEADLINES = {K.TIMEOUT_FIRST: FIRST, K.TIMEOUT_IDLE: IDLE, K.TIMEOUT_TOTAL: TOTAL}
STARTED: list[Step] = [HEAD, chunk(token("started"))]
FAULTS: dict[str, tuple[list[Step], FailureKind]] = {
    "busy": (answer("503 Service Unavailable", b'{"error":"server busy"}'), K.BUSY),
    "model-missing": (answer("404 Not Found", b'{"error":"model not found"}'), K.MODEL_MISSING),
    "oom": (answer("500 Error", b'{"error":"cudaMalloc failed: out of memory"}'), K.OOM),
    "error-line": ([*STARTED, chunk(b'{"error":"runner stopped"}\n'), END], K.SERVER_ERROR),
    "silent-stop": ([*STARTED, END], K.TRUNCATED),
    "fin": ([*STARTED, Close()], K.TRUNCATED),
    "rst": ([*STARTED, Pause(0.05), Close(reset=True)], K.TRUNCATED),
    "no-answer": ([Close()], K.UNKNOWN),
    "stall-before-the-first-token": ([Hold()], K.TIMEOUT_FIRST),
    "stall": ([*STARTED, Hold()], K.TIMEOUT_IDLE),
    "drip": ([*STARTED, *[Pause(0.1), chunk(b"\n")] * 99], K.TIMEOUT_TOTAL),
    "garbage": ([*STARTED, chunk(b"\xff\n"), END], K.PROTOCOL),
    "wrong-model": (stream(token("x", model="other"), final()), K.PROTOCOL),
    "impossible-times": (stream(token("x"), final(eval_duration=10**12)), K.METRICS),
    "cloud": (stream(token("x", remote_host="https://ollama.com"), final()), K.CONFIG),
}


def speaks(steps: Sequence[Step] | None, nonces: frozenset[str], name: str) -> Script:
    """A server that tells its agent's own text, but plays `steps` to a request with a nonce."""

    def trial(request: Request) -> Sequence[Step]:
        if steps is not None and any(nonce in said_to(request) for nonce in nonces):
            return steps
        records = [*(token(f" {name}{i}") for i in range(40)), final()]
        if request.path == "/api/chat":
            records = [in_chat(record) for record in records]
        return stream(*records)

    return ollama(trial)


def nonces_of(plan: Plan, trial_id: str, role: str, stage: str) -> frozenset[str]:
    """Return the nonce by which one planned call is known to a server."""
    return frozenset(
        planned.nonce
        for trial in plan.trials
        for agent in trial.agents
        for planned in agent.stages
        if (trial.trial_id, agent.name, planned.name) == (trial_id, role, stage)
    )


def measure(
    path: Path,
    fault: list[Step] | None,
    kind: FailureKind | None = None,
    *,
    victim: str = "collector",
    stage: str = "analysis",
    arm: str = APART,
    **changes: Any,
) -> tuple[Journal, str]:
    """Measure two blocks, with a fault in one call of the first trial of an arm."""

    async def act() -> str:
        template = small_plan({"a": "http://a:1", "b": "http://b:1"}, blocks=2, **changes)
        target = next(trial.trial_id for trial in template.trials if trial.arm is arm)
        nonces = nonces_of(template, target, victim, stage)
        assert len(nonces) == 1
        async with (
            serve(speaks(fault, nonces, "a")) as (url_a, _),
            serve(speaks(fault, nonces, "b")) as (url_b, _),
        ):
            plan = template.model_copy(
                update={
                    "servers": {"a": url_a, "b": url_b},
                    "deadlines": DEADLINES.get(kind, PATIENT),
                    "max_attempts": 1,
                }
            )
            with JournalWriter(path) as writer:
                await run_batch(plan, read_journal(path), writer, lambda *_: None)
        return target

    target = asyncio.run(act())
    return read_journal(path), target


def said(call: CallRecord) -> tuple[str, str, Status, str, int | None]:
    return call.agent, call.stage, call.status, call.text, call.counters.eval_count


@pytest.fixture(scope="module", params=["generate", "chat"])
def undisturbed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Journal]:
    """What the plan gives when nothing goes wrong."""
    path = tmp_path_factory.mktemp("undisturbed") / "j.jsonl"
    journal, _ = measure(path, None, api=request.param)
    assert {trial.status for trial in journal.trials} == {Status.OK}
    assert len(journal.trials) == 8
    return request.param, journal


def check_isolated(journal: Journal, undisturbed: Journal, target: str, victim: str) -> CallRecord:
    """Compare all calls but the victim's with the undisturbed ones; return its failed call."""
    assert len(journal.trials) == len(undisturbed.trials)
    for found, expected in zip(journal.trials, undisturbed.trials, strict=True):
        struck = found.trial_id == target
        assert found.status is (Status.FAILED if struck else Status.OK), found.trial_id
        for call, good in zip(found.calls, expected.calls, strict=True):
            if not (struck and call.agent == victim):
                assert said(call) == said(good)
    assert journal.end is not None
    assert (journal.end.ok, journal.end.failed) == (7, 1)
    trial = next(trial for trial in journal.trials if trial.trial_id == target)
    (failed,) = (call for call in trial.calls if call.status is Status.FAILED)
    assert failed.agent == victim
    return failed


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_of_one_agent_leaves_the_other_agent_and_the_other_trials_alone(
    tmp_path: Path, undisturbed: tuple[str, Journal], name: str
) -> None:
    """The other agent of a failed pair has measured well, and its record must say so."""
    api, good = undisturbed
    steps, kind = FAULTS[name]
    journal, target = measure(tmp_path / "j.jsonl", steps, kind, api=api)
    failed = check_isolated(journal, good, target, "collector")
    assert failed.failure is not None
    assert failed.failure.kind is kind
    assert failed.failure.model == MODEL


@pytest.mark.parametrize("arm", [APART, SHARED])
@pytest.mark.parametrize("stage", ["analysis", "report"])
@pytest.mark.parametrize("victim", ["collector", "insight"])
def test_whoever_and_whenever_the_fault_strikes(
    tmp_path: Path, undisturbed: tuple[str, Journal], arm: str, stage: str, victim: str
) -> None:
    """On one server (`single`) the agents share everything but their connection and their calls."""
    api, good = undisturbed
    steps, kind = FAULTS["rst"]
    journal, target = measure(
        tmp_path / "j.jsonl", steps, kind, victim=victim, stage=stage, arm=arm, api=api
    )
    failed = check_isolated(journal, good, target, victim)
    assert failed.stage == stage
    assert failed.failure is not None
    assert failed.failure.kind is kind
    assert failed.text == "started"
