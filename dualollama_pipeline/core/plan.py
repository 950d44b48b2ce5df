"""The plan: everything the worker needs to measure one configuration, and nothing else.

The models here are the worker's input format (docs/how-to/worker.md); design.py fills them.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    Field,
    ValidationError,
    model_validator,
)

from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.core.model_name import PATTERN, refuse_cloud
from dualollama_pipeline.core.protocol import OLLAMA, Protocol
from dualollama_pipeline.core.specs import SAFE_ID, AgentOptions, Deadlines, Strict, Surroundings
from dualollama_pipeline.core.study import former, of_former

if TYPE_CHECKING:
    from pathlib import Path


ArmName = Annotated[str, Field(pattern=SAFE_ID), AfterValidator(of_former)]


NOT_MEASURED = {"plan_id", "batch_id", "deadlines", "servers", "ingest_s", "max_attempts"}


class Turn(Strict):
    """A turn of a conversation; its answer is None where it is what the model will have said."""

    user: Annotated[str, Field(min_length=1)]
    answer: str | None = None


class Stage(Strict):
    """One request of an agent. The nonce goes first, else a server reuses its prompt cache.

    `said` are the turns before it, in a conversation; the nonce stands before the first of them.
    Where a stage `follows` another, it is filled from that one's answer: the missing answers of
    `said`, or the places in its prompt (core/parity.py).
    """

    name: str
    prompt: Annotated[str, Field(min_length=1)]
    nonce: str
    num_predict: Annotated[int, Field(gt=0, lt=2**31)] | None
    seed: Annotated[int, Field(ge=0, lt=2**31)] | None
    follows: str | None = None
    said: Annotated[tuple[Turn, ...], Field(strict=False)] = ()

    @property
    def messages(self) -> list[dict[str, str]]:
        """What a chat is asked: the turns before, then the prompt, the nonce before all of it."""
        words = ((("user", turn.user), ("assistant", turn.answer or "")) for turn in self.said)
        spoken = [*(pair for turn in words for pair in turn), ("user", self.prompt)]
        messages = [{"role": role, "content": text} for role, text in spoken]
        messages[0]["content"] = self.nonce + messages[0]["content"]
        return messages


class PlannedAgent(Strict):
    """One agent of a trial: where it runs and what it sends, stage after stage."""

    name: Annotated[str, Field(validation_alias=AliasChoices("name", "role"))]
    server: str
    model: Annotated[str, Field(pattern=PATTERN), AfterValidator(refuse_cloud)]
    options: AgentOptions
    think: bool | None = None
    stages: Annotated[tuple[Stage, ...], Field(min_length=1, strict=False)]

    @model_validator(mode="after")
    def _follows_what_came_before(self) -> PlannedAgent:
        said: set[str] = set()
        for stage in self.stages:
            if stage.follows is not None and stage.follows not in said:
                msg = f"stage {stage.name!r} follows {stage.follows!r}, which is no earlier stage"
                raise ValueError(msg)
            said.add(stage.name)
        return self

    @property
    def is_live(self) -> bool:
        """Whether its conversation goes on from what the model says: then no two are alike."""
        return any(turn.answer is None for stage in self.stages for turn in stage.said)


class PlannedTrial(Strict):
    """One arm of one block; `agents` stand in the order of submission."""

    trial_id: str
    block: Annotated[int, Field(ge=1)]
    arm: ArmName
    agents: Annotated[tuple[PlannedAgent, ...], Field(min_length=1, strict=False)]

    @property
    def is_apart(self) -> bool:
        """Whether each agent has a server to itself."""
        return len({agent.server for agent in self.agents}) == len(self.agents)


class Plan(Strict):
    """One configuration's trials of one batch, in the order in which they are to run.

    `environments` are those of servers that were started for this plan, `changed` what its
    configuration changes of them. `plan_hash` covers what is
    measured, not where (servers), when (batch) or how patiently; an environment decides what a
    server does, so it is covered where there is one. `hold_length` keeps models from stopping
    before num_predict, by a grammar that costs time a token (or `ignore_eos`, which costs none).
    `protocols` names what each server speaks that is not Ollama's own protocol.
    """

    plan_id: str
    batch_id: Annotated[str, Field(pattern=SAFE_ID)]
    config_id: Annotated[str, Field(pattern=SAFE_ID)]
    scenario: str
    workload: Literal["standard", "parity", "study"]
    hold_length: bool = False
    api: Literal["generate", "chat"] = "generate"
    seed: int
    clock: Literal["real", "simulated"]
    deadlines: Deadlines
    servers: dict[str, str]
    protocols: dict[str, Protocol] = Field(default_factory=dict)
    environments: dict[str, dict[str, str]] = Field(default_factory=dict)
    changed: dict[str, Surroundings] = Field(default_factory=dict)
    keep_alive: str
    ingest_s: Annotated[float, Field(ge=0)]
    corpus_sha256: str
    max_attempts: Annotated[int, Field(ge=1, le=10)] = 2
    trials: Annotated[tuple[PlannedTrial, ...], Field(min_length=1, strict=False)]

    @model_validator(mode="after")
    def _consistent(self) -> Plan:
        ids = [trial.trial_id for trial in self.trials]
        if len(ids) != len(set(ids)):
            msg = "trial_id appears twice; every trial needs an id of its own"
            raise ValueError(msg)
        for trial in self.trials:
            names = [agent.name for agent in trial.agents]
            if len(names) != len(set(names)):
                msg = f"{trial.trial_id}: an agent appears twice; every agent needs its own name"
                raise ValueError(msg)
        unknown = {
            agent.server for trial in self.trials for agent in trial.agents
        } - self.servers.keys()
        if stray := self.protocols.keys() - self.servers.keys():
            msg = f"`protocols` names server {sorted(stray)}, which `servers` does not name"
            raise ValueError(msg)
        if unknown:
            msg = f"an agent runs on server {sorted(unknown)}, which `servers` does not name"
            raise ValueError(msg)
        return self

    @property
    def agents(self) -> dict[str, str]:
        """Each agent and the server that it has to itself, in the order of the servers."""
        own: dict[str, str] = {}
        for trial in sorted(self.trials, key=lambda trial: len(trial.agents)):
            for agent in trial.agents:
                own.setdefault(agent.name, agent.server)
        places = list(self.servers)
        return dict(sorted(own.items(), key=lambda each: places.index(each[1])))

    def protocol_of(self, server: str) -> Protocol:
        """Return what a server speaks."""
        return self.protocols.get(server, OLLAMA)

    @property
    def work(self) -> str:
        """The workload as the tables name it: what is never pooled has a name of its own.

        Of a study's own work it holds a fingerprint: with other prompts it is other work.
        """
        name = f"study {self._asked}" if self.workload == "study" else self.workload
        return f"{name}, length held" if self.hold_length else name

    @property
    def _asked(self) -> str:
        """Return 8 hex digits over who is asked what, whatever the arm, block and options."""
        asked = {
            (a.name, s.name, s.prompt, s.num_predict, *(t.model_dump_json() for t in s.said))
            for trial in self.trials
            for a in trial.agents
            for s in a.stages
        }
        return hashlib.sha256(repr(sorted(asked, key=repr)).encode()).hexdigest()[:8]

    @property
    def plan_hash(self) -> str:
        """Return the first 16 hex digits of the sha256 over all that decides what is measured."""
        unused = ("protocols", "environments", "changed", "hold_length")
        as_ever = {name for name in unused if not getattr(self, name)}
        measured = self.model_dump(mode="json", exclude=NOT_MEASURED | as_ever)
        for trial in measured["trials"]:  # in the words of before: the same work, the same hash
            trial["arm"] = former(trial["arm"])
            for agent in trial["agents"]:
                agent["role"] = agent.pop("name")
                _drop_if(agent, "think", None)
                for stage in agent["stages"]:
                    _drop_if(stage, "said", [])
        canonical = json.dumps(measured, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _drop_if(fields: dict[str, Any], name: str, unused: object) -> None:
    """Leave out of a hash what plans of before did not know."""
    if fields[name] == unused:
        del fields[name]


def load_plan(path: Path) -> Plan:
    """Read a plan file.

    Raises:
        InputError: the file cannot be read, or a field of it is wrong; names field and value.
    """
    try:
        return Plan.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot read the plan ({error})", "name a plan file") from error
    except ValidationError as error:
        raise InputError.from_validation(str(path), error) from error
