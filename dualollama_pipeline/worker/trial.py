"""One attempt at one trial: all agents at once, and the record of what came of it."""

from __future__ import annotations

import asyncio
import gc
import time
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import zip_longest
from typing import TYPE_CHECKING

from dualollama_pipeline.core.errors import ServerError
from dualollama_pipeline.core.records import CallRecord, Status, TrialRecord
from dualollama_pipeline.core.units import NS_PER_MS
from dualollama_pipeline.worker.agents import AgentRun, Attempt, run_agent
from dualollama_pipeline.worker.call import Window, call_record, skipped_call
from dualollama_pipeline.worker.clock import p99_ms, sampled_lag

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dualollama_pipeline.core.plan import PlannedTrial
    from dualollama_pipeline.worker.clock import Clock


def utc_now() -> str:
    """Return the host's wall clock as RFC 3339; it labels a record, it measures nothing."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Keep the collector's pauses out of the measured window."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def run_trial(
    trial: PlannedTrial, order: int, attempt: Attempt, runs: list[AgentRun]
) -> TrialRecord:
    """Measure one trial.

    `runs` stand in the order of submission. When the task is cancelled meanwhile, the record says
    `interrupted` and the cancellation ends here: the caller writes the record, then stops.
    """
    started_at = utc_now()
    interrupted = False
    ahead_ns = time.time_ns() - time.perf_counter_ns()
    try:
        with sampled_lag() as late_s:
            await _run_agents(attempt, runs)
    except asyncio.CancelledError:
        interrupted = True
    drift_ns = time.time_ns() - time.perf_counter_ns() - ahead_ns
    real = attempt.plan.clock == "real"
    calls = _call_records(runs, attempt.clock, interrupted=interrupted)
    return TrialRecord(
        trial_id=trial.trial_id,
        attempt=attempt.number,
        block=trial.block,
        arm=trial.arm,
        order=order,
        status=_trial_status(calls, interrupted=interrupted),
        started_at=started_at,
        wall_clock_drift_ms=drift_ns / NS_PER_MS if real else None,
        loop_lag_p99_ms=p99_ms(late_s) if real else None,
        calls=tuple(calls),
    )


async def _run_agents(attempt: Attempt, runs: list[AgentRun]) -> None:
    with suppress(ServerError):  # a server that is gone shows in the exchanges that follow
        for run in runs:
            await run.client.greet()  # opens the connection, off the clock
        await attempt.clock.begin(attempt.trial_id, [run.planned.name for run in runs])
    barrier = asyncio.Barrier(len(runs))
    with _no_garbage_collection():
        async with asyncio.TaskGroup() as group:
            for run in runs:
                group.create_task(run_agent(run, attempt, barrier))


def _trial_status(calls: list[CallRecord], *, interrupted: bool) -> Status:
    if interrupted:
        return Status.INTERRUPTED
    return Status.OK if all(call.status is Status.OK for call in calls) else Status.FAILED


def _call_records(runs: list[AgentRun], clock: Clock, *, interrupted: bool) -> list[CallRecord]:
    """Describe every planned call, all instants counted from the trial's first request."""
    sent = [clock.sent_ns(exchange) for run in runs for exchange in run.exchanges]
    origin_ns = min((instant for instant in sent if instant is not None), default=0)
    return [
        call_record(run.planned, stage, exchange, Window(clock, origin_ns, interrupted))
        if exchange is not None
        else skipped_call(run.planned, stage)
        for run in runs
        for stage, exchange in zip_longest(run.planned.stages, run.exchanges)
    ]
