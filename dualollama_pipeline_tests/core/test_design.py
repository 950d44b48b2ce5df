"""The design: the order of arms, who runs where, seeds and nonces.

The trap: arms that differ by more than what is under test - order, seed or a warm prompt cache.
"""

from __future__ import annotations

from collections import Counter
from itertools import pairwise, permutations
from typing import Any

import pytest
from pydantic import ValidationError

from dualollama_pipeline.core.design import BatchSettings, arm_orders, build_plan, nonce, williams
from dualollama_pipeline.core.plan import Plan, PlannedTrial, Stage
from dualollama_pipeline.core.specs import AgentSpec
from dualollama_pipeline.core.study import (
    APART,
    PAIR,
    SHARED,
    Configuration,
    arms_of,
    derive_scenario,
)
from dualollama_pipeline.core.workload import StageTemplate, Workload

ARMS = tuple(arms_of(PAIR))
SERVERS = {"a": "http://127.0.0.1:1", "b": "http://127.0.0.1:2"}
HOMO = {"num_gpu": 80, "num_ctx": 512, "temperature": 0.8}


def planned(
    config_id: str = "test1",
    collector: dict[str, Any] | None = None,
    insight: dict[str, Any] | None = None,
    **campaign: Any,
) -> Plan:
    """The plan of a configuration with sensible defaults; keywords change the campaign."""
    a, b = HOMO if collector is None else collector, HOMO if insight is None else insight
    agents = (AgentSpec.model_validate(a), AgentSpec.model_validate(b))
    configuration = Configuration(
        config_id=config_id,
        scenario=derive_scenario(*agents),
        specs={agent.name: spec for agent, spec in zip(PAIR, agents, strict=True)},
    )
    stages = (StageTemplate("analysis", "analyse", 300), StageTemplate("report", "report", 300))
    defaults: dict[str, Any] = {
        "batch_id": "batch1",
        "blocks": 5,
        "model": "gemma3:latest",
        "servers": SERVERS,
        "clock": "simulated",
    }
    return build_plan(
        configuration,
        Workload("standard", stages, 0.01, "0" * 64),
        BatchSettings(**defaults | campaign),
    )


def stages_of(plan: Plan) -> dict[tuple[str, str, str], Stage]:
    return {
        (trial.trial_id, agent.name, stage.name): stage
        for trial in plan.trials
        for agent in trial.agents
        for stage in agent.stages
    }


def trial_of(plan: Plan, arm: str, block: int = 1) -> PlannedTrial:
    return next(trial for trial in plan.trials if (trial.arm, trial.block) == (arm, block))


@pytest.mark.parametrize("seed", range(20))
def test_blocks_1_to_4_are_a_williams_square(seed: int) -> None:
    """A fixed order would give the warmest device always to the same arm."""
    orders = arm_orders(ARMS, 4, seed)
    for position in range(4):
        assert {order[position] for order in orders} == set(ARMS)
    neighbours = [pair for order in orders for pair in pairwise(order)]
    assert sorted(neighbours) == sorted(permutations(ARMS, 2))  # each ordered pair exactly once


@pytest.mark.parametrize(("n", "n_rows"), [(3, 6), (4, 4), (5, 10), (8, 8), (10, 10)])
def test_a_design_for_any_number_of_arms(n: int, n_rows: int) -> None:
    """A square alone does not balance an odd number: three agents have five arms."""
    rows = williams(n)
    assert len(rows) == n_rows
    for position in range(n):
        assert Counter(row[position] for row in rows) == dict.fromkeys(range(n), n_rows // n)
    followed = Counter(pair for row in rows for pair in pairwise(row))
    assert followed == dict.fromkeys(permutations(range(n), 2), n_rows // n)


def test_further_blocks_are_permutations() -> None:
    """An arm twice in a block is an arm less in it."""
    orders = arm_orders(ARMS, 40, seed=1)
    assert len(orders) == 40
    assert all(sorted(order) == sorted(ARMS) for order in orders)
    assert len(set(orders[4:])) > 10  # random, not one order again and again


def test_the_order_is_seeded_and_stable() -> None:
    """A resumed batch must find the order it began with, and more blocks must not shuffle it."""
    assert arm_orders(ARMS, 5, seed=1) == arm_orders(ARMS, 5, seed=1)
    assert arm_orders(ARMS, 8, seed=1)[:5] == arm_orders(ARMS, 5, seed=1)
    assert arm_orders(ARMS, 2, seed=1) == arm_orders(ARMS, 4, seed=1)[:2]
    assert len({tuple(arm_orders(ARMS, 5, seed)) for seed in range(20)}) > 10


def test_configurations_get_orders_of_their_own() -> None:
    """One order for all 27 would tie time of night to an arm."""
    orders = {
        tuple(trial.arm for trial in planned(config_id=f"test{number}").trials)
        for number in range(10)
    }
    assert len(orders) > 5


def test_every_block_has_every_arm_once() -> None:
    """540 trials for 27 configurations: 27 x 5 x 4."""
    plan = planned(blocks=5)
    assert [trial.block for trial in plan.trials] == [b for b in range(1, 6) for _ in range(4)]
    for block in range(1, 6):
        arms = [trial.arm for trial in plan.trials if trial.block == block]
        assert sorted(arms) == sorted(ARMS)


def test_who_runs_where() -> None:
    """`shared` with the insight agent on server b would be `apart` under another name."""
    plan = planned()
    placed = {
        arm: {(agent.name, agent.server) for agent in trial_of(plan, arm).agents} for arm in ARMS
    }
    assert placed == {
        "solo_collector": {("collector", "a")},
        "solo_insight": {("insight", "b")},
        APART: {("collector", "a"), ("insight", "b")},
        SHARED: {("collector", "a"), ("insight", "a")},
    }


def test_each_agent_keeps_its_options_and_model() -> None:
    """An absent option is not sent; a default filled in here would no longer be the baseline."""
    plan = planned(collector={"model": "own:1b"}, insight={"num_gpu": 80, "num_ctx": 512})
    for trial in plan.trials:
        for agent in trial.agents:
            if agent.name == "collector":
                assert (agent.model, agent.options.given()) == ("own:1b", {})
            else:
                assert agent.model == "gemma3:latest"
                assert agent.options.given() == {"num_gpu": 80, "num_ctx": 512}


def test_both_orders_of_submission_occur() -> None:
    """Always the collector first would give it the shorter queue of every `single` trial."""
    plan = planned(blocks=20)
    first = [trial.agents[0].name for trial in plan.trials if len(trial.agents) == 2]
    assert 10 <= first.count("collector") <= 30  # of 40
    again = [trial.agents[0].name for trial in planned(blocks=20).trials if len(trial.agents) == 2]
    assert first == again


def test_the_nonce_has_a_fixed_length_and_is_unique() -> None:
    """Two equal prefixes, and the second call is answered from the prompt cache of the first."""
    stages = stages_of(planned(blocks=5)) | stages_of(planned(config_id="test2", blocks=5))
    nonces = [stage.nonce for stage in stages.values()]
    assert len(nonces) == 2 * 5 * 6 * 2  # configurations x blocks x agents in 4 arms x stages
    assert len(set(nonces)) == len(nonces)
    assert {len(each) for each in nonces} == {23}
    assert stages_of(planned(seed=1)).keys().isdisjoint(stages_of(planned(seed=2)))


def test_nonce_is_keyed_by_all_its_parts() -> None:
    """The worker asks for a new one at each further attempt."""
    assert nonce("a", 1) == nonce("a", 1)
    assert len({nonce("a", 1), nonce("a", 2), nonce("b", 1), nonce("a")}) == 4


def test_the_sampling_seed_is_the_same_in_all_arms_of_a_block() -> None:
    """With other seeds the arms write other answers, and length differences pass for speed."""
    seeds: dict[tuple[int, str, str], set[int | None]] = {}
    for trial in planned(blocks=5).trials:
        for agent in trial.agents:
            for stage in agent.stages:
                seeds.setdefault((trial.block, agent.name, stage.name), set()).add(stage.seed)
    assert len(seeds) == 5 * 2 * 2
    assert all(len(values) == 1 for values in seeds.values())
    distinct = {value for values in seeds.values() for value in values}
    assert len(distinct) == len(seeds)  # differs between blocks, roles and stages
    assert all(value is not None and 0 <= value < 2**31 for value in distinct)


def test_another_campaign_seed_gives_other_sampling_seeds() -> None:
    """Two nights with one seed would be one night measured twice."""
    one = {stage.seed for stage in stages_of(planned(seed=1)).values()}
    two = {stage.seed for stage in stages_of(planned(seed=2)).values()}
    assert one.isdisjoint(two)


def test_trial_ids_are_unique_and_stable() -> None:
    """The journal is resumed by trial id."""
    ids = [trial.trial_id for trial in planned().trials]
    assert len(set(ids)) == len(ids) == 20
    assert set(ids) == {trial.trial_id for trial in planned(batch_id="other").trials}
    assert set(ids) <= {trial.trial_id for trial in planned(blocks=6).trials}


@pytest.mark.parametrize(
    "campaign",
    [
        {"blocks": 0},
        {"batch_id": "a/b"},
        {"batch_id": ""},
        {"clock": "wall"},
        {"model": "two words"},
        {"servers": {"a": "http://127.0.0.1:1"}},
    ],
)
def test_a_campaign_out_of_range_is_refused(campaign: dict[str, Any]) -> None:
    """The worker would find out an hour later."""
    with pytest.raises(ValidationError):
        planned(**campaign)
