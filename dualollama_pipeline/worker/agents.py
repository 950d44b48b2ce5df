"""One agent in one trial: its stages, one after the other, over one connection.

Only what must happen while the clock runs: no disk, no logging, and no parsing, unless a stage is
built from the answer before it, as in TR114's own program.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dualollama_pipeline.core.design import nonce
from dualollama_pipeline.core.errors import ServerError
from dualollama_pipeline.core.parity import report_prompt
from dualollama_pipeline.transport.answer import Answer, StreamError
from dualollama_pipeline.transport.exchange import Exchange

if TYPE_CHECKING:
    import httpx

    from dualollama_pipeline.core.plan import Plan, PlannedAgent, Stage
    from dualollama_pipeline.transport.client import Body, Client
    from dualollama_pipeline.worker.clock import Clock


@dataclass
class AgentRun:
    """What an agent was to do, and what it has done so far."""

    planned: PlannedAgent
    client: Client
    exchanges: list[Exchange] = field(default_factory=list)


@dataclass(frozen=True)
class Attempt:
    """Which attempt at which trial of which plan, under which clock.

    `thinking` names the models that can think before they answer: they are told whether to.
    """

    trial_id: str
    number: int
    plan: Plan
    clock: Clock
    thinking: frozenset[str] = frozenset()


def request_body(client: Client, agent: PlannedAgent, stage: Stage, attempt: Attempt) -> Body:
    """Build the body of a generation.

    A later attempt gets a nonce of its own: the server may hold the first one's prompt.
    """
    if attempt.number > 1:
        stage = stage.model_copy(update={"nonce": nonce(stage.nonce, attempt.number)})
    return client.body(attempt.plan, agent, stage, thinks=agent.model in attempt.thinking)


def _filled(agent: PlannedAgent, stage: Stage, answers: dict[str, str]) -> Stage:
    """Return a stage that follows another, with what was said put in."""
    if not stage.said:
        prompt = report_prompt(stage.prompt, answers[stage.follows or ""])
        return stage.model_copy(update={"prompt": prompt})
    said = (
        turn.model_copy(update={"answer": answers[earlier.name]})
        for turn, earlier in zip(stage.said, agent.stages, strict=False)
    )
    return stage.model_copy(update={"said": tuple(said)})


def _prepare(run: AgentRun, stage: Stage, attempt: Attempt) -> tuple[httpx.Request, Exchange]:
    exchange = Exchange(url=run.client.url, model=run.planned.model)
    headers = attempt.clock.headers(attempt.trial_id, run.planned.name, stage.name)
    body = request_body(run.client, run.planned, stage, attempt)
    return run.client.prepare(body, headers, exchange), exchange


def _text_of(exchange: Exchange) -> str | None:
    """Return the text of an answer, None if it is none."""
    answer = Answer()
    try:
        exchange.read(answer)
    except StreamError:
        return None
    return "".join(answer.texts)


async def run_agent(run: AgentRun, attempt: Attempt, barrier: asyncio.Barrier) -> None:
    """Run all stages once every agent is ready; stops at a stage whose exchange went wrong."""
    agent, client = run.planned, run.client
    # before the barrier: building a request would delay the other agent's send
    prepared = {
        stage.name: _prepare(run, stage, attempt) for stage in agent.stages if stage.follows is None
    }
    answers: dict[str, str] = {}
    await barrier.wait()
    try:
        for stage in agent.stages:
            if stage.follows is not None:
                stage = _filled(agent, stage, answers)  # noqa: PLW2901 the stage, filled
            request, exchange = prepared.get(stage.name) or _prepare(run, stage, attempt)
            run.exchanges.append(exchange)
            await client.perform(request, exchange)
            if exchange.failure is not None:
                break
            if any(other.follows == stage.name for other in agent.stages):
                text = _text_of(exchange)
                if text is None:
                    break  # what is wrong with the answer, its record will say
                answers[stage.name] = text
    finally:
        with suppress(ServerError):  # a dead server shows in the exchanges
            await attempt.clock.leave(attempt.trial_id, agent.name)
