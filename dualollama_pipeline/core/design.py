"""The experiment's design: which trials a configuration gets, in which order, with which seeds.

All arms a block, a Williams design over the first blocks, random order afterwards (METHOD 2).
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from dualollama_pipeline.core.plan import Plan, PlannedAgent, PlannedTrial, Stage, Turn
from dualollama_pipeline.core.protocol import Protocol
from dualollama_pipeline.core.specs import AgentOptions, AgentSpec, Deadlines, StudyAgent
from dualollama_pipeline.core.study import PAIR, TOGETHER, Agent, Configuration, arms_of, former
from dualollama_pipeline.core.workload import StageTemplate, Workload

DEFAULT_SEED = 114
KEEP_ALIVE = "30m"
Arm = tuple[str, tuple[Agent, ...]]


@dataclass(frozen=True)
class BatchSettings:
    """What all configurations of one batch share."""

    batch_id: str
    blocks: int
    model: str
    servers: dict[str, str]
    clock: str
    agents: tuple[StudyAgent, ...] = tuple(StudyAgent(name=n, server=s) for n, s in PAIR)
    environments: dict[str, dict[str, str]] = field(default_factory=dict)
    hold_length: bool = False
    together: tuple[str, ...] = TOGETHER
    seed: int = DEFAULT_SEED
    deadlines: Deadlines = field(default_factory=Deadlines)
    protocols: dict[str, Protocol] = field(default_factory=dict)


def _digest(*parts: object) -> str:
    return hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()


def _keyed_int(*parts: object) -> int:
    """Return an integer below 2**31 (Ollama's seed is an int32) keyed by `parts`."""
    return int(_digest(*parts)[:8], 16) % 2**31


def nonce(*parts: object) -> str:
    """Return a prompt prefix of fixed length, `[run 16 hex digits] `, keyed by `parts`."""
    return f"[run {_digest(*parts)[:16]}] "


def williams(n: int) -> list[tuple[int, ...]]:
    """Return orders of `n` things in which each follows each other equally often.

    What one arm leaves behind (heat, caches) so falls on all alike. A square for an even number, a
    pair of mirrored squares for an odd one (Williams, Aust. J. Sci. Res. A 2 (1949) 149).
    """
    steps = [0, *(step for low in range(1, n // 2 + 1) for step in (low, n - low))][:n]
    square = [tuple((start + step) % n for step in steps) for start in range(n)]
    return square if n % 2 == 0 else [*square, *(row[::-1] for row in square)]


def arm_orders(arms: Sequence[str], blocks: int, seed: int) -> list[tuple[str, ...]]:
    """The order of the arms in each block: the design's rows shuffled, then random orders."""
    chance = random.Random(seed)
    rows = [tuple(arms[i] for i in row) for row in williams(len(arms))]
    chance.shuffle(rows)
    while len(rows) < blocks:
        rows.append(tuple(chance.sample(arms, k=len(arms))))
    return rows[:blocks]


def _stage(
    template: StageTemplate, shared: BatchSettings, block: int, agent: str, trial: str
) -> Stage:
    # The sampling seed is the same in every arm of a block, so the arms do the same work; the
    # nonce differs, so that no arm pays for the prompt cache of another.
    return Stage(
        name=template.name,
        prompt=template.prompt,
        # of a conversation one for all turns: each finds its own beginning in the cache, as in use
        nonce=nonce(trial, agent, "turn 1" if template.said else template.name),
        num_predict=template.num_predict,
        seed=_keyed_int(shared.seed, block, agent, template.name),
        follows=template.follows,
        said=template.said,
    )


def stages_of(agent: StudyAgent, workload: Workload) -> tuple[StageTemplate, ...]:
    """Return what an agent is asked: its conversation, its prompts, else the workload's stages."""
    if agent.conversation:
        return tuple(_turns(agent))
    if agent.prompts:
        return tuple(
            StageTemplate(f"prompt {number}", prompt, agent.num_predict)
            for number, prompt in enumerate(agent.prompts, start=1)
        )
    if agent.num_predict is None:
        return workload.stages
    return tuple(replace(stage, num_predict=agent.num_predict) for stage in workload.stages)


def _turns(agent: StudyAgent) -> Iterator[StageTemplate]:
    said: list[Turn] = []
    for number, turn in enumerate(agent.conversation, start=1):
        before = f"turn {number - 1}" if agent.live and said else None
        yield StageTemplate(f"turn {number}", turn.user, agent.num_predict, before, tuple(said))
        said.append(Turn(user=turn.user, answer=turn.answer))


def workload_name(agents: Sequence[StudyAgent], workload: Workload) -> str:
    """Return `study` where an agent has work of its own: no other work is pooled with it."""
    own = any(agent.has_work or agent.num_predict is not None for agent in agents)
    return "study" if own else workload.name


def _trial(
    configuration: Configuration, workload: Workload, shared: BatchSettings, block: int, arm: Arm
) -> PlannedTrial:
    name_of_arm, placed = arm
    trial_id = f"{configuration.config_id}.s{shared.seed}.b{block}.{former(name_of_arm)}"
    specs: dict[str, AgentSpec] = dict(configuration.agents)
    asked = {agent.name: stages_of(agent, workload) for agent in shared.agents}
    agents = [
        PlannedAgent(
            name=name,
            server=server,
            model=specs[name].model or shared.model,
            options=AgentOptions.model_validate(specs[name].given()),
            think=specs[name].think,
            stages=tuple(_stage(s, shared, block, name, trial_id) for s in asked[name]),
        )
        for name, server in placed
    ]
    random.Random(_keyed_int("submission", trial_id)).shuffle(agents)
    return PlannedTrial(trial_id=trial_id, block=block, arm=name_of_arm, agents=tuple(agents))


def build_plan(configuration: Configuration, workload: Workload, shared: BatchSettings) -> Plan:
    """Lay out all trials of one configuration.

    Raises:
        pydantic.ValidationError: a shared value is out of range.
    """
    order_seed = _keyed_int("order", shared.seed, configuration.config_id)
    arms = arms_of([Agent(agent.name, agent.server) for agent in shared.agents])
    arms = {arm: arms[arm] for arm in arms if arm not in {*TOGETHER} - {*shared.together}}
    trials = [
        _trial(configuration, workload, shared, block, (arm, arms[arm]))
        for block, order in enumerate(arm_orders(list(arms), shared.blocks, order_seed), start=1)
        for arm in order
    ]
    return Plan(
        plan_id=f"{configuration.config_id}.{shared.batch_id}",
        batch_id=shared.batch_id,
        config_id=configuration.config_id,
        scenario=str(configuration.scenario),
        api="chat" if any(agent.conversation for agent in shared.agents) else "generate",
        workload=workload_name(shared.agents, workload),  # type: ignore[arg-type]  # checked by the model
        seed=shared.seed,
        clock=shared.clock,  # type: ignore[arg-type]  # checked by the model
        deadlines=shared.deadlines,
        servers=shared.servers,
        protocols=shared.protocols,
        environments=shared.environments,
        changed=configuration.servers,
        hold_length=shared.hold_length,
        keep_alive=KEEP_ALIVE,
        ingest_s=workload.ingest_s,
        corpus_sha256=workload.corpus_sha256,
        trials=tuple(trials),
    )
