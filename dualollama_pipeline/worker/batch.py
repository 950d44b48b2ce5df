"""One plan from its first trial to its last: identity, readiness, trials, journal, progress."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from dualollama_pipeline.core.errors import JournalError, ServerError, ServersChangedError
from dualollama_pipeline.core.records import BatchRecord, EndRecord, IdentityRecord, Status
from dualollama_pipeline.ollama.client import OllamaClient
from dualollama_pipeline.ollama.failures import TRANSIENT
from dualollama_pipeline.ollama.gpu import GpuWatch
from dualollama_pipeline.ollama.identity import same_process, snapshot
from dualollama_pipeline.worker.agents import AgentRun, Attempt
from dualollama_pipeline.worker.clock import Clock, RealClock, SimulatedClock
from dualollama_pipeline.worker.conditions import look_around
from dualollama_pipeline.worker.machine import describe_machine
from dualollama_pipeline.worker.residency import Residency
from dualollama_pipeline.worker.trial import run_trial, utc_now

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from dualollama_pipeline.core.plan import Plan, PlannedTrial
    from dualollama_pipeline.core.records import RulerRecord, ServerIdentity, TrialRecord
    from dualollama_pipeline.worker.journal import Journal, JournalWriter

    Announce = Callable[[TrialRecord, int], None]


@dataclass(frozen=True)
class Bench:
    """The open connections: one client a server for control, one for each agent and server."""

    plan: Plan
    clock: Clock
    control: dict[str, OllamaClient]
    agents: dict[tuple[str, str], OllamaClient]

    async def identities(self, gpus: GpuWatch) -> tuple[ServerIdentity, ...]:
        """Ask every server who it is, for each model that the plan runs on it.

        Raises:
            ServerError: a server does not answer, or lacks a model.
        """
        wanted = sorted(
            {(agent.server, agent.model) for trial in self.plan.trials for agent in trial.agents}
        )
        return tuple(
            [await snapshot(self.control[server], server, model, gpus) for server, model in wanted]
        )


@asynccontextmanager
async def open_bench(plan: Plan) -> AsyncIterator[Bench]:
    """Open (lazily connecting) clients for all servers and agents of a plan."""
    async with AsyncExitStack() as stack:

        async def client(server: str) -> OllamaClient:
            opened = OllamaClient(plan.servers[server], plan.deadlines)
            return await stack.enter_async_context(opened)

        control = {server: await client(server) for server in plan.servers}
        pairs = {(agent.role, agent.server) for trial in plan.trials for agent in trial.agents}
        agents = {(role, server): await client(server) for role, server in sorted(pairs)}
        simulated = plan.clock == "simulated"
        clock = SimulatedClock(next(iter(control.values()))) if simulated else RealClock()
        yield Bench(plan, clock, control, agents)


async def run_batch(
    plan: Plan,
    journal: Journal,
    writer: JournalWriter,
    announce: Announce,
    examine_ruler: Callable[[], Awaitable[RulerRecord]] | None = None,
) -> None:
    """Measure what `journal` lacks of `plan`, in the plan's order, and record it with `writer`.

    `announce` gets each attempt and the number of trials finished so far. `examine_ruler` tells
    the error of our stamps when the trials are over; virtual time has none.

    Raises:
        ServerError: a server does not answer before the first trial, or lacks the model.
        JournalError: the journal is of another plan.
        ServersChangedError: the servers are not those that the batch began with.
        asyncio.CancelledError: stopped; the trial in hand is recorded as interrupted.
    """
    check_plan(plan, journal)
    if journal.end is not None:
        return
    async with open_bench(plan) as bench:
        _check_identity(journal, await bench.identities(GpuWatch()))
        if journal.batch is None:
            writer.append(BatchRecord(started_at=utc_now(), plan_hash=plan.plan_hash, plan=plan))
        writer.append(await describe_machine())
        counts = await _Campaign(bench, journal, writer, announce).run()
        if examine_ruler is not None and plan.clock == "real":
            writer.append(await examine_ruler())
        writer.append(counts)


def check_plan(plan: Plan, journal: Journal) -> None:
    """Refuse to mix plans.

    Raises:
        JournalError: the journal was begun for another plan.
    """
    if journal.batch is not None and journal.batch.plan_hash != plan.plan_hash:
        raise JournalError(
            f"{journal.path}: was written for plan {journal.batch.plan_hash}, "
            f"this plan is {plan.plan_hash}",
            "use a new batch: what is measured has changed",
        )


def _check_identity(journal: Journal, now: tuple[ServerIdentity, ...]) -> None:
    """Refuse to mix servers: version, digest and simulator must be what the batch began with."""
    if not journal.identities:
        return

    def software(servers: tuple[ServerIdentity, ...]) -> list[tuple[str | None, ...]]:
        return [(s.server, s.model, s.version, s.digest, s.simulated_by) for s in servers]

    before, after = software(journal.identities[0].servers), software(now)
    if before != after:
        raise ServersChangedError(
            f"{journal.path}: the servers have changed since this batch began:\n"
            f"  then {before}\n  now  {after}",
            "start a new batch; what was measured with the old ones stays where it is",
        )


def _check_distinct(servers: tuple[ServerIdentity, ...]) -> None:
    """Refuse two URLs that reach one server: `dual` would be `single` under another name."""
    same = same_process(servers)
    if same is not None:
        raise ServerError(
            f"{same[0]} and {same[1]} are one and the same server",
            "start a second `ollama serve` with another OLLAMA_HOST, and name its URL",
        )


class _Campaign:
    """The loop over trials; keeps what finishing one needs to know of the others."""

    def __init__(
        self,
        bench: Bench,
        journal: Journal,
        writer: JournalWriter,
        announce: Announce,
    ) -> None:
        self._bench = bench
        self._plan = bench.plan
        self._writer = writer
        self._announce = announce
        self._residency = Residency(bench.plan, bench.control, bench.clock)
        self._finished = journal.finished()
        self._attempts = {t.trial_id: journal.attempts(t.trial_id) for t in self._plan.trials}
        self._seen = {(record.arm, record.moment) for record in journal.identities}

    async def run(self) -> EndRecord:
        """Measure what is left; return how all trials ended."""
        for order, trial in enumerate(self._plan.trials):
            if trial.trial_id not in self._finished:
                await self._measure(trial, order)
        counts = list(self._finished.values())
        return EndRecord(
            planned=len(self._plan.trials),
            ok=counts.count(Status.OK),
            failed=counts.count(Status.FAILED),
            interrupted=0,
            skipped=0,
        )

    async def _measure(self, trial: PlannedTrial, order: int) -> None:
        """Attempt a trial until it is ok, cannot become ok, or has had its attempts."""
        for _ in range(self._plan.max_attempts):
            for preparation in await self._residency.ensure(trial):
                self._writer.append(preparation)
            await self._snapshot(trial, "before")
            record = await self._attempt(trial, order)
            self._writer.append(record)
            self._residency.disturbed_by(trial, record)
            if record.status is Status.INTERRUPTED:
                self._announce(record, len(self._finished))
                raise asyncio.CancelledError
            if not _worth_another(record):
                break
        self._finished[trial.trial_id] = record.status
        if not self._left_in_cell(trial):
            await self._snapshot(trial, "after")
        self._announce(record, len(self._finished))

    async def _attempt(self, trial: PlannedTrial, order: int) -> TrialRecord:
        self._attempts[trial.trial_id] += 1
        attempt = Attempt(
            trial.trial_id,
            self._attempts[trial.trial_id],
            self._plan,
            self._bench.clock,
        )
        runs = [
            AgentRun(agent, self._bench.agents[agent.role, agent.server]) for agent in trial.agents
        ]
        return await run_trial(trial, order, attempt, runs)

    def _left_in_cell(self, trial: PlannedTrial) -> bool:
        return any(
            other.arm is trial.arm and other.trial_id not in self._finished
            for other in self._plan.trials
        )

    async def _snapshot(self, trial: PlannedTrial, moment: Literal["before", "after"]) -> None:
        """Record the servers' identity, once before a cell's first and after its last trial."""
        key = (trial.arm.value, moment)
        if key not in self._seen:
            gpus = GpuWatch()
            servers = await self._bench.identities(gpus)
            _check_distinct(servers)
            conditions = await look_around(servers, gpus) if self._plan.clock == "real" else None
            self._writer.append(
                IdentityRecord(
                    arm=trial.arm.value, moment=moment, servers=servers, conditions=conditions
                )
            )
            self._seen.add(key)


def _worth_another(record: TrialRecord) -> bool:
    """Say whether every failure of an attempt is one that may pass."""
    failures = [call.failure for call in record.calls if call.failure is not None]
    return bool(failures) and all(failure.kind in TRANSIENT for failure in failures)
