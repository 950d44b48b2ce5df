"""The open connections of one plan: a control client a server, one for each agent and server."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dualollama_pipeline.core.credentials import credentials_of
from dualollama_pipeline.core.errors import ServerError
from dualollama_pipeline.ollama.client import OllamaClient
from dualollama_pipeline.openai.client import OpenAIClient
from dualollama_pipeline.worker.agents import Attempt
from dualollama_pipeline.worker.clock import Clock, RealClock, SimulatedClock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from dualollama_pipeline.core.plan import Plan
    from dualollama_pipeline.core.protocol import Protocol
    from dualollama_pipeline.core.records import ServerIdentity
    from dualollama_pipeline.machine.gpu import GpuWatch
    from dualollama_pipeline.transport.client import Client

    Pause = Callable[[float], Awaitable[None]]

# The one place that knows which protocols there are.
CLIENTS: dict[Protocol, type[Client]] = {"ollama": OllamaClient, "openai": OpenAIClient}


@dataclass(frozen=True)
class Connections:
    """What trials of a plan run on; `thinking` are the models that can think."""

    plan: Plan
    clock: Clock
    control: dict[str, Client]
    agents: dict[tuple[str, str], Client]
    pause: Pause
    thinking: frozenset[str] = frozenset()

    async def identities(self, gpus: GpuWatch, tries: int = 1) -> tuple[ServerIdentity, ...]:
        """Ask every server who it is, for each model that the plan runs on it.

        Raises:
            ServerError: a server does not answer, or lacks a model.
        """
        wanted: dict[tuple[str, str], set[str]] = {}
        at_home = set()
        for trial in self.plan.trials:
            for agent in trial.agents:
                asked = wanted.setdefault((agent.server, agent.model), set())
                asked.update(agent.options.given())
                asked.update({"hold_length"} if self.plan.hold_length else ())
                if self.plan.agents[agent.name] == agent.server:
                    at_home.add((agent.server, agent.model))
        found = []
        for (server, model), asked in sorted(wanted.items()):
            try:
                client = self.control[server]
                found.append(await client.identity(server, model, asked, gpus, tries))
            except ServerError as error:
                if (server, model) in at_home:
                    raise
                without = "or leave `shared` out of the study (`arms: [apart]`)"
                raise ServerError(error.problem, f"{error.way_out}, {without}") from error
        return tuple(found)

    def knowing(self, servers: tuple[ServerIdentity, ...]) -> Connections:
        """Return this bench, with what its servers said of their models.

        Raises:
            ServerError: an agent is to think, and its model cannot.
        """
        cannot = {server.model for server in servers if server.thinks is False}
        for agent in (agent for trial in self.plan.trials for agent in trial.agents):
            if agent.think and agent.model in cannot:
                raise ServerError(
                    f"{agent.name}: model {agent.model!r} cannot think before it answers",
                    "leave `think` out of the study, or name a model that can",
                )
        return replace(self, thinking=frozenset(s.model for s in servers if s.thinks))

    def attempt(self, trial_id: str, number: int) -> Attempt:
        """Return what an attempt at a trial needs to know."""
        return Attempt(trial_id, number, self.plan, self.clock, self.thinking)


@asynccontextmanager
async def connect(plan: Plan, pause: Pause = asyncio.sleep) -> AsyncIterator[Connections]:
    """Open (lazily connecting) clients for all servers and agents of a plan.

    Raises:
        InputError: the credentials in the environment cannot be used.
    """
    async with AsyncExitStack() as stack:

        async def client(server: str) -> Client:
            speaks = CLIENTS[plan.protocol_of(server)]
            url, known = plan.servers[server], credentials_of(server)
            return await stack.enter_async_context(speaks(url, plan.deadlines, known, pause))

        control = {server: await client(server) for server in plan.servers}
        pairs = {(agent.name, agent.server) for trial in plan.trials for agent in trial.agents}
        agents = {(name, server): await client(server) for name, server in sorted(pairs)}
        simulated = plan.clock == "simulated"
        clock = SimulatedClock(next(iter(control.values()))) if simulated else RealClock()
        yield Connections(plan, clock, control, agents, pause)
