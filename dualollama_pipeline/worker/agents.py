"""One agent in one trial: its stages, one after the other, over one connection.

Only what must happen while the clock runs: no parsing, no disk, no logging.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dualollama_pipeline.core.design import nonce
from dualollama_pipeline.core.errors import ServerError
from dualollama_pipeline.ollama.client import Exchange, OllamaClient

if TYPE_CHECKING:
    from dualollama_pipeline.core.plan import PlannedAgent, Stage
    from dualollama_pipeline.worker.clock import Clock


@dataclass
class AgentRun:
    """What an agent was to do, and what it has done so far."""

    planned: PlannedAgent
    client: OllamaClient
    exchanges: list[Exchange] = field(default_factory=list)


@dataclass(frozen=True)
class Attempt:
    """Which attempt at which trial, under which clock."""

    trial_id: str
    number: int
    keep_alive: str
    clock: Clock


def request_body(agent: PlannedAgent, stage: Stage, attempt: Attempt) -> dict[str, Any]:
    """Build the body of POST /api/generate; an option that is not set is not sent.

    A later attempt gets a nonce of its own: the server may hold the first one's prompt cached.
    """
    prefix = stage.nonce if attempt.number == 1 else nonce(stage.nonce, attempt.number)
    options: dict[str, int | float] = agent.options.given()
    if stage.num_predict is not None:
        options["num_predict"] = stage.num_predict
    if stage.seed is not None:
        options["seed"] = stage.seed
    return {
        "model": agent.model,
        "prompt": prefix + stage.prompt,
        "stream": True,
        "options": options,
        "keep_alive": attempt.keep_alive,
        "truncate": False,
        "shift": False,
    }


async def run_agent(run: AgentRun, attempt: Attempt, barrier: asyncio.Barrier) -> None:
    """Run all stages once every agent is ready; stops at a stage whose exchange went wrong."""
    agent = run.planned
    bodies = [request_body(agent, stage, attempt) for stage in agent.stages]
    await barrier.wait()
    try:
        for stage, body in zip(agent.stages, bodies, strict=True):
            exchange = Exchange(url=run.client.url, model=agent.model)
            run.exchanges.append(exchange)
            headers = attempt.clock.headers(attempt.trial_id, agent.role, stage.name)
            await run.client.generate(body, headers, exchange)
            if exchange.failure is not None:
                break
    finally:
        with suppress(ServerError):  # a dead server shows in the exchanges
            await attempt.clock.leave(attempt.trial_id, agent.role)
