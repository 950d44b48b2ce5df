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
    from dualollama_pipeline.core.plan import Plan, PlannedAgent, Stage
    from dualollama_pipeline.worker.clock import Clock


@dataclass
class AgentRun:
    """What an agent was to do, and what it has done so far."""

    planned: PlannedAgent
    client: OllamaClient
    exchanges: list[Exchange] = field(default_factory=list)


@dataclass(frozen=True)
class Attempt:
    """Which attempt at which trial of which plan, under which clock."""

    trial_id: str
    number: int
    plan: Plan
    clock: Clock


def request_body(agent: PlannedAgent, stage: Stage, attempt: Attempt) -> dict[str, Any]:
    """Build the body of a generation; an option that is not set is not sent.

    A later attempt gets a nonce of its own: the server may hold the first one's prompt. `parity`
    sends what TR114's program sent: no nonce, seed, num_predict, keep_alive, truncate or shift.
    """
    options: dict[str, int | float] = agent.options.given()
    if attempt.plan.workload == "parity":
        return {"model": agent.model, "prompt": stage.prompt, "stream": True, "options": options}
    prefix = stage.nonce if attempt.number == 1 else nonce(stage.nonce, attempt.number)
    fixed = {"num_predict": stage.num_predict, "seed": stage.seed}
    options |= {name: value for name, value in fixed.items() if value is not None}
    return {
        "model": agent.model,
        **asking(attempt.plan, prefix + stage.prompt),
        "stream": True,
        "options": options,
        "keep_alive": attempt.plan.keep_alive,
        "truncate": False,  # refuse a prompt that does not fit: Ollama would cut it in silence
        "shift": False,
    }


def asking(plan: Plan, prompt: str) -> dict[str, Any]:
    """Return the field that carries a prompt; an empty one only loads the model."""
    if plan.api == "chat":
        return {"messages": [{"role": "user", "content": prompt}] if prompt else []}
    return {"prompt": prompt}


async def run_agent(run: AgentRun, attempt: Attempt, barrier: asyncio.Barrier) -> None:
    """Run all stages once every agent is ready; stops at a stage whose exchange went wrong."""
    agent, client = run.planned, run.client
    prepared = []
    for stage in agent.stages:  # before the barrier: building one would delay the other's send
        exchange = Exchange(url=client.url, model=agent.model)
        headers = attempt.clock.headers(attempt.trial_id, agent.role, stage.name)
        body = request_body(agent, stage, attempt)
        prepared.append((client.prepare(body, headers, exchange), exchange))
    await barrier.wait()
    try:
        for request, exchange in prepared:
            run.exchanges.append(exchange)
            await client.perform(request, exchange)
            if exchange.failure is not None:
                break
    finally:
        with suppress(ServerError):  # a dead server shows in the exchanges
            await attempt.clock.leave(attempt.trial_id, agent.role)
