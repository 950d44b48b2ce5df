"""Several models on one server: loaded beside each other before, where they fit.

The trap: the first `shared` trial pays the load of a model that its server never held.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from dualollama_pipeline.bench.servers import ServerPair, open_pair
from dualollama_pipeline.core.errors import ServerError
from dualollama_pipeline.core.plan import Plan, PlannedTrial
from dualollama_pipeline.core.records import PreparationRecord
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.machine.gpu import GpuWatch
from dualollama_pipeline.ollama.client import OllamaClient
from dualollama_pipeline.worker.connections import connect
from dualollama_pipeline.worker.residency import Residency
from dualollama_pipeline_tests.worker.plans import small_plan

SMALL = "tiny:1b"


@pytest.fixture(scope="module")
def pair() -> Iterator[ServerPair]:
    """A simulated pair that has a second, small model."""
    with open_pair(Settings(model=SMALL)) as opened:
        yield opened


def two_models(pair: ServerPair) -> Plan:
    """One block: the collector's model is the large one, the insight's the small one."""
    return small_plan(pair.urls, clock="simulated", insight={"model": SMALL})


def trial_of(plan: Plan, arm: str) -> PlannedTrial:
    return next(trial for trial in plan.trials if trial.arm == arm)


@dataclass
class RoomForOne:
    """A server whose models do not fit together: only the last one that was asked for stays."""

    client: OllamaClient
    held: list[str] = field(default_factory=list)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    async def generate(self, body: dict[str, Any], *rest: Any) -> None:
        self.held = [body["model"]]
        await self.client.generate(body, *rest)

    async def loaded(self) -> list[str]:
        return self.held

    async def unload_all(self) -> None:
        self.held = []
        await self.client.unload_all()


def ensured(plan: Plan, *arms: str, crowded: bool = False) -> list[list[PreparationRecord]]:
    """What is prepared before a trial of each of some arms, one after the other."""

    async def act() -> list[list[PreparationRecord]]:
        async with connect(plan) as opened:
            clients: Any = dict(opened.control)
            if crowded:
                clients["a"] = RoomForOne(opened.control["a"])
            residency = Residency(replace(opened, control=clients), lambda _: None)
            return [await residency.ensure(trial_of(plan, arm)) for arm in arms]

    return asyncio.run(act())


def test_guests_are_loaded_before_the_first_trial_that_needs_them(pair: ServerPair) -> None:
    """Each server its own agent's model at once, the guest's when it is due, and none twice."""
    before_solo, before_shared, again = ensured(
        two_models(pair), "solo_collector", "shared", "shared"
    )
    assert {(each.server, each.agent) for each in before_solo} == {
        ("a", "collector"),
        ("b", "insight"),
    }
    assert [(each.server, each.agent, each.failure) for each in before_shared] == [
        ("a", "insight", None)
    ]
    assert again == []


def test_equal_models_have_no_guests(pair: ServerPair) -> None:
    """Other options of one model are the condition of `shared`, as they were."""
    plan = small_plan(pair.urls, clock="simulated", insight={"num_ctx": 8192})
    assert ensured(plan, "solo_collector", "shared")[1] == []


def test_models_that_do_not_fit_together_take_turns(pair: ServerPair) -> None:
    """Whatever is loaded, the other goes: then the server is left as its own agent wants it."""
    before_shared, again = ensured(two_models(pair), "shared", "shared", crowded=True)
    assert [(each.server, each.agent) for each in before_shared][-2:] == [
        ("a", "insight"),
        ("a", "collector"),
    ]
    assert again == []  # nobody goes on trying to load both


def test_a_guest_that_is_not_there_may_be_left_out(simulated_pair: ServerPair) -> None:
    """`ollama pull` is one way out; not to ask for it there is the other."""

    async def act() -> None:
        async with connect(two_models(simulated_pair)) as opened:
            await opened.identities(GpuWatch())

    with pytest.raises(ServerError, match="'tiny:1b' is not there") as caught:
        asyncio.run(act())
    assert "arms: [apart]" in caught.value.way_out


def test_each_server_is_kept_by_its_own_agent_where_apart_is_left_out(pair: ServerPair) -> None:
    """With solo arms alone at home, only the first agent's server would be loaded and compared."""
    plan = two_models(pair)
    left = tuple(trial for trial in plan.trials if trial.arm != "apart")
    (prepared,) = ensured(plan.model_copy(update={"trials": left}), "solo_collector")
    assert {each.server for each in prepared} == {"a", "b"}
