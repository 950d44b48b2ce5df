"""What is asked of an Ollama server: thinking, and a conversation with its nonce."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dualollama_pipeline.bench.servers import ServerPair
from dualollama_pipeline.core.errors import ServerError
from dualollama_pipeline.core.plan import Stage, Turn
from dualollama_pipeline.core.specs import Deadlines
from dualollama_pipeline.machine.gpu import GpuWatch
from dualollama_pipeline.ollama.client import OllamaClient
from dualollama_pipeline.worker.connections import connect
from dualollama_pipeline_tests.worker.plans import small_plan

URLS = {"a": "http://127.0.0.1:1", "b": "http://127.0.0.1:2"}
STAGE = Stage(
    name="turn 2",
    prompt="And now?",
    nonce="[run 1] ",
    num_predict=9,
    seed=1,
    said=(Turn(user="Hello.", answer="Good day."),),
)


def body(think: bool | None = None, thinks: bool = False, api: str = "generate") -> dict[str, Any]:
    """What a client would send for a stage."""
    plan = small_plan(URLS).model_copy(update={"api": api})
    agent = plan.trials[0].agents[0].model_copy(update={"think": think})
    return dict(OllamaClient("http://x", Deadlines()).body(plan, agent, STAGE, thinks=thinks))


@pytest.mark.parametrize(
    ("think", "thinks", "sent"),
    [(True, True, True), (None, True, False), (False, True, False), (None, False, None)],
)
def test_a_model_that_thinks_is_told_whether_to(
    think: bool | None, thinks: bool, sent: bool | None
) -> None:
    """By default it would think and use up its tokens; one that cannot refuses the word."""
    assert body(think, thinks).get("think") is sent


def test_a_conversation_carries_all_that_was_said() -> None:
    """The nonce stands once, before all of it: later turns find their beginning in the cache."""
    assert body(api="chat")["messages"] == [
        {"role": "user", "content": "[run 1] Hello."},
        {"role": "assistant", "content": "Good day."},
        {"role": "user", "content": "And now?"},
    ]


def test_thinking_that_a_model_cannot_do_is_refused(simulated_pair: ServerPair) -> None:
    """It would be left out in silence, and measured under the name of what was asked."""
    plan = small_plan(simulated_pair.urls, clock="simulated")
    agents = [
        trial.model_copy(
            update={"agents": tuple(a.model_copy(update={"think": True}) for a in trial.agents)}
        )
        for trial in plan.trials
    ]

    async def act() -> None:
        async with connect(plan.model_copy(update={"trials": tuple(agents)})) as connections:
            connections.knowing(await connections.identities(GpuWatch()))

    with pytest.raises(ServerError, match="cannot think") as caught:
        asyncio.run(act())
    assert "leave `think` out" in caught.value.way_out
