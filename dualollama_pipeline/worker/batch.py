"""One plan from its first trial to its last: identity, readiness, trials, journal, progress."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

from dualollama_pipeline.core.errors import (
    DualOllamaError,
    JournalError,
    ServerError,
    ServersChangedError,
)
from dualollama_pipeline.core.records import (
    BatchRecord,
    EndRecord,
    IdentityRecord,
    NoteRecord,
    Status,
    TrialRecord,
)
from dualollama_pipeline.machine.conditions import look_around
from dualollama_pipeline.machine.description import describe_machine
from dualollama_pipeline.machine.gpu import GpuWatch
from dualollama_pipeline.ollama.identity import moves_together, same_process
from dualollama_pipeline.transport.failures import may_pass
from dualollama_pipeline.worker.agents import AgentRun
from dualollama_pipeline.worker.call import skipped_call
from dualollama_pipeline.worker.connections import Connections, connect
from dualollama_pipeline.worker.events import attempted, notice
from dualollama_pipeline.worker.patience import RETURN_SHARES, Patience, backoff_s
from dualollama_pipeline.worker.residency import CONTROL_TRIES, Residency
from dualollama_pipeline.worker.trial import run_trial, utc_now

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from dualollama_pipeline.core.plan import Plan, PlannedTrial
    from dualollama_pipeline.core.records import Failure, RulerRecord, ServerIdentity
    from dualollama_pipeline.worker.connections import Pause
    from dualollama_pipeline.worker.events import Tell
    from dualollama_pipeline.worker.journal import Journal, JournalWriter

GO_ON = "look at the server and its log; run again: it goes on where it stopped"


async def run_batch(
    plan: Plan,
    journal: Journal,
    writer: JournalWriter,
    tell: Tell,
    examine_ruler: Callable[[], Awaitable[RulerRecord]] | None = None,
    pause: Pause = asyncio.sleep,
) -> None:
    """Measure what `journal` lacks of `plan`, in the plan's order, and record it with `writer`.

    `tell` hears of each attempt, and of what takes long. `examine_ruler` tells the error of our
    stamps when the trials are over; virtual time has none.

    Raises:
        ServerError: a server does not answer or lacks the model, at the start or for good; the
            journal says so, too.
        JournalError: the journal is of another plan.
        ServersChangedError: the servers are not those that the batch began with.
        asyncio.CancelledError: stopped; the trial in hand is recorded as interrupted.
    """
    check_plan(plan, journal)
    if journal.end is not None:
        return
    if journal.batch is None:
        writer.append(BatchRecord(started_at=utc_now(), plan_hash=plan.plan_hash, plan=plan))
    try:
        async with connect(plan, pause) as connections:
            servers = await connections.identities(GpuWatch())
            _check_identity(journal, servers)
            writer.append(await describe_machine())
            batch = _Batch(connections.knowing(servers), journal, writer, tell)
            counts = await batch.run()
        if examine_ruler is not None and plan.clock == "real":
            try:
                writer.append(await examine_ruler())
            except DualOllamaError as error:  # what was measured stands
                writer.append(_note("ruler", error))
    except ServersChangedError:
        raise  # of this batch there is nothing to say: another one is opened
    except ServerError as error:
        writer.append(_note("ended", error))
        raise
    writer.append(counts)


def _note(about: Literal["ended", "servers", "ruler"], error: DualOllamaError) -> NoteRecord:
    return NoteRecord(at=utc_now(), about=about, text=error.problem, way_out=error.way_out)


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


class _Batch:
    """The loop over trials; keeps what finishing one needs to know of the others."""

    def __init__(
        self, connections: Connections, journal: Journal, writer: JournalWriter, tell: Tell
    ) -> None:
        self._connections = connections
        self._plan = connections.plan
        self._writer = writer
        self._tell = tell
        self._residency = Residency(connections, tell)
        self._patience = Patience(connections.plan)
        self._ended = journal.finished()
        self._attempts = {t.trial_id: journal.attempts(t.trial_id) for t in self._plan.trials}
        self._made = {t.trial_id: journal.attempts_made(t.trial_id) for t in self._plan.trials}
        self._seen = {(record.arm, record.moment) for record in journal.identities}
        self._refused: Failure | None = None

    async def run(self) -> EndRecord:
        """Measure what is left; return how all trials ended."""
        for arm in dict.fromkeys(trial.arm for trial in self._plan.trials):
            if not self._left_in_cell(arm):  # stopped between a last trial and its look around
                await self._snapshot(arm, "after")
        for order, trial in enumerate(self._plan.trials):
            if trial.trial_id not in self._ended:
                await self._finish(trial, order)
        counts = list(self._ended.values())
        return EndRecord(
            planned=len(self._plan.trials),
            ok=counts.count(Status.OK),
            failed=counts.count(Status.FAILED),
            interrupted=0,
            skipped=counts.count(Status.SKIPPED),
        )

    async def _finish(self, trial: PlannedTrial, order: int) -> None:
        """Bring a trial to its end, whichever it is."""
        record = await self._measure(trial, order)
        self._ended[trial.trial_id] = record.status
        if not self._left_in_cell(trial.arm):
            await self._snapshot(trial.arm, "after")
        self._tell(attempted(self._plan, record, len(self._ended)))

    async def _measure(self, trial: PlannedTrial, order: int) -> TrialRecord:
        """Attempt a trial until it is ok, cannot become ok, or has had its attempts."""
        while True:
            self._refused = self._refused or await self._make_ready(trial)
            if self._refused is not None:
                return self._skip(trial, order, self._refused.text, self._refused)
            if reason := self._patience.reason_to_skip(trial):
                return self._skip(trial, order, reason)
            await self._snapshot(trial.arm, "before")
            record = await self._attempt(trial, order)
            self._writer.append(record)
            self._residency.disturbed_by(trial, record)
            self._patience.note(record)
            if record.status is Status.INTERRUPTED:
                self._tell(attempted(self._plan, record, len(self._ended)))
                raise asyncio.CancelledError
            self._made[trial.trial_id] += 1
            left = self._plan.max_attempts - self._made[trial.trial_id]
            if not self._patience.is_worth_another(record, left):
                return record
            self._tell(attempted(self._plan, record, len(self._ended)))
            await self._connections.pause(backoff_s(record))

    async def _make_ready(self, trial: PlannedTrial) -> Failure | None:
        """Load what has to be loaded; return why that cannot be done, whatever is tried.

        Raises:
            ServerError: a server did not come back, or nothing of this batch could be attempted.
        """
        for share in (*RETURN_SHARES, None):
            preparations = await self._residency.ensure(trial)
            for record in preparations:
                self._writer.append(record)
            failed = [(r.server, r.failure) for r in preparations if r.failure is not None]
            if not failed:
                return None
            server, what = failed[0]
            if not may_pass([failure for _, failure in failed]):
                if not any(self._made.values()):
                    way_out = self._connections.control[server].way_out(what)
                    raise ServerError(f"{what.url}: {what.text}", way_out)
                return what
            if share is None:
                raise ServerError(f"{what.url} was given up: {what.text}", GO_ON)
            pause_s = max(share * self._plan.deadlines.return_s, what.retry_after_s or 0.0)
            text = f"{what.url} cannot be made ready: {what.text}; next try in {pause_s:.0f} s"
            self._tell(notice(text))
            await self._connections.pause(pause_s)
        raise AssertionError  # the last round returns or raises

    def _skip(
        self, trial: PlannedTrial, order: int, reason: str, cause: Failure | None = None
    ) -> TrialRecord:
        """Record a trial that is not tried, with the reason."""
        self._attempts[trial.trial_id] += 1
        calls = (
            skipped_call(agent, stage).model_copy(update={"failure": cause})
            for agent in trial.agents
            for stage in agent.stages
        )
        record = TrialRecord(
            trial_id=trial.trial_id,
            attempt=self._attempts[trial.trial_id],
            block=trial.block,
            arm=trial.arm,
            order=order,
            status=Status.SKIPPED,
            started_at=utc_now(),
            reason=reason,
            calls=tuple(calls),
        )
        self._writer.append(record)
        return record

    async def _attempt(self, trial: PlannedTrial, order: int) -> TrialRecord:
        self._attempts[trial.trial_id] += 1
        attempt = self._connections.attempt(trial.trial_id, self._attempts[trial.trial_id])
        runs = [
            AgentRun(agent, self._connections.agents[agent.name, agent.server])
            for agent in trial.agents
        ]
        return await run_trial(trial, order, attempt, runs)

    def _left_in_cell(self, arm: str) -> bool:
        return any(
            other.arm == arm and other.trial_id not in self._ended for other in self._plan.trials
        )

    async def _snapshot(self, arm: str, moment: Literal["before", "after"]) -> None:
        """Record the servers' identity, once before a cell's first and after its last trial.

        A server that does not tell is noted, and asked again at the next occasion.
        """
        if (arm, moment) in self._seen:
            return
        gpus = GpuWatch()
        try:
            servers = await self._connections.identities(gpus, CONTROL_TRIES)
            twins = await self._twins(servers)
        except ServerError as error:
            lost = ServerError(f"{arm}, {moment}: {error.problem}", error.way_out)
            self._writer.append(_note("servers", lost))
            return
        if twins is not None:  # `apart` would be `shared` under another name
            raise ServerError(
                f"{twins[0]} and {twins[1]} are one and the same server",
                "start a second `ollama serve` with another OLLAMA_HOST, and name its URL",
            )
        conditions = await look_around(servers, gpus) if self._plan.clock == "real" else None
        self._writer.append(
            IdentityRecord(arm=arm, moment=moment, servers=servers, conditions=conditions)
        )
        self._seen.add((arm, moment))

    async def _twins(self, servers: tuple[ServerIdentity, ...]) -> tuple[str, str] | None:
        """Return two URLs that reach one server; equal expiries alone are put to the test."""
        found = same_process(servers)
        if found is None or self._plan.workload == "parity":  # which lets the servers unload
            return None if found is None else found.urls
        if not found.by_expiry:
            return found.urls
        first, second = (self._connections.control[name] for name in found.names)
        model, touch = found.model, self._residency.touch(found.names[0], found.model) or {}
        return found.urls if await moves_together(first, second, model, touch) else None
