"""One agent in one trial: its stages, one after the other, over one connection.

Only what must happen while the clock runs: no disk, no logging, and no parsing, unless a stage is
built from the answer before it, as in TR114's own program.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from dualollama_pipeline.core.design import nonce
from dualollama_pipeline.core.errors import ServerError
from dualollama_pipeline.core.parity import report_prompt
from dualollama_pipeline.ollama.client import Exchange, OllamaClient
from dualollama_pipeline.ollama.stream import Answer, StreamError, read_answer

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx

    from dualollama_pipeline.core.plan import Plan, PlannedAgent, Stage, Turn
    from dualollama_pipeline.worker.clock import Clock


@dataclass
class AgentRun:
    """What an agent was to do, and what it has done so far."""

    planned: PlannedAgent
    client: OllamaClient
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


# An answer of this form cannot end within 300 tokens: 80 strings of 10 characters are more.
ENDLESS = {
    "type": "array",
    "items": {"type": "string", "minLength": 10},
    "minItems": 80,
}


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
        **asking(attempt.plan, stage.prompt, stage.said, prefix),
        "stream": True,
        "options": options,
        "keep_alive": attempt.plan.keep_alive,
        **({"think": bool(agent.think)} if agent.model in attempt.thinking else {}),
        **({"format": ENDLESS} if attempt.plan.hold_length else {}),
        "truncate": False,  # refuse a prompt that does not fit: Ollama would cut it in silence
        "shift": False,
    }


def asking(plan: Plan, prompt: str, said: Sequence[Turn] = (), prefix: str = "") -> dict[str, Any]:
    """Return the field that carries a prompt; an empty one only loads the model.

    `said` goes before it, `prefix` before all.
    """
    if plan.api != "chat":
        return {"prompt": prefix + prompt}
    if not prompt:
        return {"messages": []}
    words = [(("user", turn.user), ("assistant", turn.answer or "")) for turn in said]
    spoken = [*(pair for turn in words for pair in turn), ("user", prompt)]
    messages = [{"role": role, "content": text} for role, text in spoken]
    messages[0]["content"] = prefix + messages[0]["content"]
    return {"messages": messages}


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
    body = request_body(run.planned, stage, attempt)
    return run.client.prepare(body, headers, exchange), exchange


def _text_of(exchange: Exchange) -> str | None:
    """Return the text of an answer, None if it is none."""
    answer = Answer()
    try:
        read_answer(answer, exchange.pieces, exchange.stamps.received_ns, exchange.model)
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
