"""Which model and options each server holds, and making them so off the clock.

In all arms each server holds its own agent's model, warmed (METHOD section 2). Where `shared`
brings other models to the first server, they are loaded beside it before, and stay if they can:
then no trial pays a load. What `shared` or a failure leaves behind is undone before the next trial.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from dualollama_pipeline.core.design import nonce
from dualollama_pipeline.core.errors import ServerError
from dualollama_pipeline.core.model_name import full_name
from dualollama_pipeline.core.records import (
    Failure,
    FailureKind,
    PreparationRecord,
    Status,
    TrialRecord,
)
from dualollama_pipeline.core.units import NS_PER_S
from dualollama_pipeline.transport.exchange import Exchange
from dualollama_pipeline.worker.agents import Attempt, request_body
from dualollama_pipeline.worker.call import Window, call_record
from dualollama_pipeline.worker.events import notice

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dualollama_pipeline.core.plan import PlannedAgent, PlannedTrial
    from dualollama_pipeline.transport.client import Body
    from dualollama_pipeline.worker.connections import Connections
    from dualollama_pipeline.worker.events import Tell

Held = tuple[str, str]  # a server, and the full name of a model on it
WARM_UP_TOKENS = 32
CONTROL_TRIES = 3
TELL_AFTER_S = 5.0  # a load that takes longer is worth a word
TOUCH_KEEP_ALIVE = "31m"  # not the plan's: a touch has to move the expiry


def _runner_options(agent: PlannedAgent) -> tuple[str, int | None, int | None]:
    """Return what makes Ollama load a model anew when it changes."""
    return agent.model, agent.options.num_gpu, agent.options.num_ctx


def _held(agent: PlannedAgent) -> Held:
    return agent.server, full_name(agent.model)


class Residency:
    """Keeps each server loaded with what its own agent asks for."""

    def __init__(self, connections: Connections, tell: Tell) -> None:
        own = connections.plan.agents
        at_home = [
            trial
            for trial in connections.plan.trials
            if all(own[agent.name] == agent.server for agent in trial.agents)
        ]
        self._home: dict[str, PlannedAgent] = {}
        for trial in sorted(at_home, key=lambda trial: -len(trial.agents)):  # the widest first
            for agent in trial.agents:
                self._home.setdefault(agent.server, agent)
        self._wanted = {_held(agent): agent for agent in self._home.values()}
        if connections.plan.workload != "parity":  # which leaves it to the server, as TR114 did
            for trial in connections.plan.trials:
                for agent in trial.agents:
                    self._wanted.setdefault(_held(agent), agent)
        self._connections = connections
        self._clients = connections.control
        self._clock = connections.clock
        self._plan = connections.plan
        self._tell = tell
        self._ready: set[Held] = set()
        self._crowded: set[str] = set()  # servers whose models do not fit together

    async def ensure(self, trial: PlannedTrial) -> list[PreparationRecord]:
        """Make every server ready that is not; all of them at the same time.

        What cannot be made ready is a record that failed; it is tried again when asked again.
        """
        at_home = [each for each in self._home.values() if _held(each) not in self._ready]
        records = await self._load(at_home, trial, "preparation")
        brought = {_held(agent) for agent in trial.agents if agent.server not in self._crowded}
        guests = [self._wanted[held] for held in (brought & self._wanted.keys()) - self._ready]
        if not guests or any(record.failure for record in records):
            return records
        records += await self._load(guests, trial, "guests")
        for agent in guests:
            if await self._is_crowded(agent):  # each swap is the condition, as it is in use
                self._crowded.add(agent.server)
                records += await self.ensure(trial)
                break
        return records

    async def _load(
        self, agents: Sequence[PlannedAgent], trial: PlannedTrial, what: str
    ) -> list[PreparationRecord]:
        """Load the models of some agents; before one that is at home, all others go."""
        if not agents:
            return []
        trial_id = f"{trial.trial_id}.{what}"
        attempt = self._connections.attempt(trial_id, 1)
        for agent in agents:
            try:
                if agent is self._home[agent.server] and self._plan.workload != "parity":
                    await self._clients[agent.server].unload_all()
                    self._ready = {held for held in self._ready if held[0] != agent.server}
            except ServerError as error:
                return [self._refused(agent, trial, error)]
        try:
            await self._clock.begin(trial_id, [agent.name for agent in agents])
        except ServerError as error:
            return [self._refused(agents[0], trial, error)]
        records = await asyncio.gather(*(self._prepare(each, trial, attempt) for each in agents))
        self._ready |= {
            _held(agent)
            for agent, record in zip(agents, records, strict=True)
            if record.status is Status.OK
        }
        return records

    async def _is_crowded(self, guest: PlannedAgent) -> bool:
        """Say whether a server has dropped a model for a guest's; forget what it has dropped."""
        try:
            loaded = await self._clients[guest.server].loaded()
        except ServerError:
            return False  # what is wrong with it, the trial will say
        if loaded is None:
            return False
        names = {full_name(name) for name in loaded}
        gone = {held for held in self._ready if held[0] == guest.server and held[1] not in names}
        self._ready -= gone
        return bool(gone)

    def touch(self, server: str, model: str) -> Body | None:
        """Return a request that changes nothing of a ready server but when a model expires."""
        agent = self._wanted.get((server, full_name(model)), self._home[server])
        client = self._clients[server]
        body = request_body(client, agent, agent.stages[0], self._connections.attempt("touch", 1))
        return client.loading(body, TOUCH_KEEP_ALIVE)

    def _refused(
        self, agent: PlannedAgent, trial: PlannedTrial, error: ServerError
    ) -> PreparationRecord:
        failure = Failure(
            kind=FailureKind.UNKNOWN,
            text=error.problem,
            url=self._clients[agent.server].url,
            model=agent.model,
            phase="waiting",
        )
        return PreparationRecord(
            before_trial=trial.trial_id,
            server=agent.server,
            agent=agent.name,
            status=Status.FAILED,
            failure=failure,
        )

    def disturbed_by(self, trial: PlannedTrial, record: TrialRecord) -> None:
        """Note what a trial left behind: other options on a server, or a failure.

        A server that drops models as it likes is warmed before every trial.
        """
        for agent in trial.agents:
            home = self._home[agent.server]
            wanted = self._wanted.get(_held(agent), home)
            if record.status is not Status.OK or _runner_options(agent) != _runner_options(wanted):
                self._ready -= {_held(agent), _held(home)}
            elif agent.server in self._crowded and _held(agent) != _held(home):
                self._ready.discard(_held(home))
        self._ready = {held for held in self._ready if self._clients[held[0]].holds_models}

    async def _prepare(
        self, agent: PlannedAgent, trial: PlannedTrial, attempt: Attempt
    ) -> PreparationRecord:
        """Load the model where that is ours to do, then one discarded warm-up."""
        client, limits = self._clients[agent.server], self._plan.deadlines
        stage = agent.stages[0].model_copy(
            update={"nonce": nonce(attempt.trial_id), "num_predict": WARM_UP_TOKENS}
        )
        warm_up = request_body(client, agent, stage, attempt)

        async def send(name: str, body: Body) -> Exchange:
            exchange = Exchange(url=client.url, model=agent.model)
            headers = self._clock.headers(attempt.trial_id, agent.name, name)
            await client.generate(body, headers, exchange)
            return exchange

        loading, load_s = client.loading(warm_up), None
        loads = f"server {agent.server} loads {agent.model} (at most {limits.load_s:.0f} s)"
        with self._told_if_slow(loads):
            exchange = await (send("load", loading) if loading else send("warm_up", warm_up))
        if loading is not None:
            load_s = _wall_s(exchange) if self._plan.clock == "real" else None
            if exchange.failure is None:
                exchange = await send("warm_up", warm_up)
        with suppress(ServerError):  # a server that is gone shows in the exchange
            await self._clock.leave(attempt.trial_id, agent.name)
        call = call_record(agent, stage, exchange, Window(self._clock, 0, interrupted=False))
        return PreparationRecord(
            before_trial=trial.trial_id,
            server=agent.server,
            agent=agent.name,
            status=call.status,
            failure=call.failure,
            load_s=load_s,
            by_server=not client.holds_models,
        )

    @contextmanager
    def _told_if_slow(self, text: str) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        timer = loop.call_later(TELL_AFTER_S, lambda: self._tell(notice(text)))
        try:
            yield
        finally:
            timer.cancel()


def _wall_s(exchange: Exchange) -> float | None:
    sent_ns, ended_ns = exchange.stamps.sent_ns, exchange.ended_ns
    return None if sent_ns is None or ended_ns is None else (ended_ns - sent_ns) / NS_PER_S
