"""The study: its agents and their servers, the arms that follow, and its configurations.

Agents and servers have the names that the study's file gives them; everybody else gets them from
here or reads them in a column. How often and in which order a configuration is measured is the
plan's business (plan.py). An option that is not written is the server's default.
"""

from __future__ import annotations

from collections import defaultdict
from difflib import get_close_matches
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    Field,
    model_validator,
)

from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.core.protocol import OLLAMA, Protocol, refuse_what_it_cannot
from dualollama_pipeline.core.specs import (
    ALL,
    OWN_KEYS,
    SAFE_ID,
    AgentSpec,
    Deadlines,
    ServiceLevels,
    Strict,
    StudyAgent,
    StudyServer,
    StudyTurn,
    Surroundings,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dualollama_pipeline.core.settings import Settings


class Scenario(StrEnum):
    """The report's three scenarios (section 2.3)."""

    BASELINE_VS_CHIMERA = "baseline_vs_chimera"
    CHIMERA_HETERO = "chimera_hetero"
    CHIMERA_HOMO = "chimera_homo"


class Agent(NamedTuple):
    """An agent, and the server that it runs on."""

    name: str
    server: str


COLLECTOR, INSIGHT = Agent("collector", "a"), Agent("insight", "b")
PAIR = (COLLECTOR, INSIGHT)  # the agents of a study that names none
APART, SHARED = "apart", "shared"
TOGETHER = (APART, SHARED)
MOST_AGENTS = 8


def solo(agent: str) -> str:
    """Return the arm in which an agent runs alone."""
    return f"solo_{agent}"


def arms_of(agents: Sequence[Agent]) -> dict[str, tuple[Agent, ...]]:
    """Return who runs where in each arm; `agents` are on the servers that they have to themselves.

    `shared` is on the first agent's server.
    """
    alone: dict[str, tuple[Agent, ...]] = {solo(agent.name): (agent,) for agent in agents}
    if len(agents) == 1:  # nobody to be compared with
        return alone
    return {
        **alone,
        APART: tuple(agents),
        SHARED: tuple(Agent(agent.name, agents[0].server) for agent in agents),
    }


# What arms were called before. Trial ids, nonces and seeds keep these words, so that the same plan
# measures the same; journals that hold them are read through this table.
FORMER_ARMS = {
    "solo_a": solo(COLLECTOR.name),
    "solo_b": solo(INSIGHT.name),
    "dual": APART,
    "single": SHARED,
}


def of_former(arm: str) -> str:
    """Return what an arm is called today."""
    return FORMER_ARMS.get(arm, arm)


def former(arm: str) -> str:
    """Return what an arm was called before; a later one has no other name."""
    return next((word for word, today in FORMER_ARMS.items() if today == arm), arm)


class Configuration(Strict):
    """One configuration of the study: what each agent asks for, by the agents' names.

    `servers` says what is other in their surroundings; servers that are started here are started
    anew for it.
    """

    config_id: Annotated[str, Field(pattern=SAFE_ID)]
    scenario: Annotated[str, Field(pattern=SAFE_ID)] = ALL
    servers: dict[str, Surroundings] = Field(default_factory=dict)
    specs: dict[str, AgentSpec]

    @model_validator(mode="before")
    @classmethod
    def _agents_stand_beside(cls, written: Any) -> Any:
        """In a file an agent's options stand under its name, beside id and scenario."""
        if not isinstance(written, dict) or "specs" in written:
            return written
        if {"id", "config_id"} <= written.keys():
            msg = "id and config_id are the same key; write one of them"
            raise ValueError(msg)
        plain = {OWN_KEYS[key]: value for key, value in written.items() if key in OWN_KEYS}
        specs = {key: value for key, value in written.items() if key not in OWN_KEYS}
        return plain | {"specs": specs}

    @property
    def agents(self) -> tuple[tuple[str, AgentSpec], ...]:
        """Name and options of each agent, in the study's order."""
        return tuple(self.specs.items())

    def of(self, agent: str) -> AgentSpec:
        """Return what one agent asks for."""
        return self.specs[agent]


def derive_scenario(collector: AgentSpec, insight: AgentSpec) -> Scenario:
    """Classify a configuration of TR114 from its two option sets (section 2.3).

    A without any option against B with some is baseline_vs_chimera; equal sets are homo.
    """
    if collector == insight:
        return Scenario.CHIMERA_HOMO
    if not collector.given() and insight.given():
        return Scenario.BASELINE_VS_CHIMERA
    return Scenario.CHIMERA_HETERO


def _arm_of_several(name: str) -> str:
    if name not in TOGETHER:
        raise ValueError(unknown("arm", name, TOGETHER))
    return name


TogetherArm = Annotated[str, AfterValidator(_arm_of_several)]


class Study(Strict):
    """Servers, agents and configurations, in the order of the file; names are unique."""

    name: Annotated[str, Field(pattern=SAFE_ID)] = "tr114"
    servers: Annotated[tuple[StudyServer, ...], Field(strict=False)] = tuple(
        StudyServer(name=agent.server) for agent in PAIR
    )
    agents: Annotated[
        tuple[StudyAgent, ...], Field(strict=False, min_length=1, max_length=MOST_AGENTS)
    ] = tuple(StudyAgent(name=agent.name, server=agent.server) for agent in PAIR)
    configurations: Annotated[tuple[Configuration, ...], Field(strict=False)]
    together: Annotated[
        tuple[TogetherArm, ...], Field(strict=False, alias="arms", min_length=1)
    ] = TOGETHER
    blocks: Annotated[int, Field(ge=1, le=1000)] | None = None
    workload: Literal["standard", "parity"] | None = None
    hold_length: bool | None = None
    deadlines: Deadlines | None = None
    service_levels: ServiceLevels = ServiceLevels()

    @model_validator(mode="before")
    @classmethod
    def _what_all_share(cls, written: Any) -> Any:
        """Give each configuration every agent, with what the agent has in all of them."""
        if not isinstance(written, dict) or not isinstance(written.get("configurations"), list):
            return written
        agents = written.get("agents", [{"name": agent.name} for agent in PAIR])
        if not isinstance(agents, list) or not all(isinstance(each, dict) for each in agents):
            return written
        shared = {
            each["name"]: {key: each[key] for key in AgentSpec.model_fields if key in each}
            for each in agents
            if isinstance(each.get("name"), str)
        }
        return written | {
            "configurations": [_with_shared(each, shared) for each in written["configurations"]]
        }

    @model_validator(mode="after")
    def _names_are_unique_and_known(self) -> Study:
        if not self.configurations:
            msg = "there is no configuration; write at least one"
            raise ValueError(msg)
        _refuse_twice("config_id", self.config_ids)
        _refuse_twice("agent", [agent.name for agent in self.agents])
        _refuse_twice("server", [server.name for server in self.servers])
        servers, names = [server.name for server in self.servers], list(self.specs_of)
        taken: dict[str, str] = {}
        for agent in self.agents:
            if agent.server not in servers:
                raise ValueError(unknown(f"server of {agent.name}", agent.server, servers))
            if (other := taken.setdefault(agent.server, agent.name)) != agent.name:
                msg = (
                    f"{other} and {agent.name} name one server, {agent.server!r}, so there is no "
                    "`apart`; give each agent a server of its own (`shared` is measured anyway)"
                )
                raise ValueError(msg)
        for configuration in self.configurations:
            for name in configuration.specs.keys() - set(names):
                raise ValueError(unknown(f"agent in {configuration.config_id}", name, names))
            for name in configuration.servers.keys() - set(servers):
                raise ValueError(unknown(f"server in {configuration.config_id}", name, servers))
        return self

    @model_validator(mode="after")
    def _one_protocol(self) -> Study:
        if len({server.protocol for server in self.servers}) > 1:
            told = ", ".join(f"{server.name}: {server.protocol}" for server in self.servers)
            msg = (
                f"servers of two protocols are two kinds of software and cannot be compared "
                f"({told}); write one study for each (Ollama speaks both)"
            )
            raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _what_their_protocol_can(self) -> Study:
        for configuration in self.configurations:
            for placed in self.arms.values():
                asked = [(a, configuration.specs.get(a.name, AgentSpec())) for a in placed]
                refuse_what_it_cannot(configuration.config_id, asked, self.protocols)
        return self

    @property
    def protocols(self) -> dict[str, Protocol]:
        """The protocol of each server that does not speak Ollama's own."""
        return {each.name: each.protocol for each in self.servers if each.protocol != OLLAMA}

    @property
    def specs_of(self) -> dict[str, StudyAgent]:
        """Each agent by its name."""
        return {agent.name: agent for agent in self.agents}

    @property
    def places(self) -> tuple[Agent, ...]:
        """Each agent on the server that it has to itself where each has one."""
        return tuple(Agent(agent.name, agent.server) for agent in self.agents)

    @property
    def arms(self) -> dict[str, tuple[Agent, ...]]:
        """Who runs where in each arm."""
        every = arms_of(self.places)
        return {arm: who for arm, who in every.items() if arm not in {*TOGETHER} - {*self.together}}

    @property
    def is_the_documents_pair(self) -> bool:
        """Whether its agents are those that a file for `measure --agents` describes."""
        return self.places == PAIR and not any(agent.has_work for agent in self.agents)

    @property
    def models(self) -> list[str]:
        """The models that agents name, of all configurations."""
        named = (spec.model for each in self.configurations for spec in each.specs.values())
        return list(dict.fromkeys(model for model in named if model))

    @property
    def scenarios(self) -> list[str]:
        """The scenarios, in the order of the file."""
        return list(dict.fromkeys(each.scenario for each in self.configurations))

    @property
    def config_ids(self) -> list[str]:
        """The partition keys, in the order of the file."""
        return [configuration.config_id for configuration in self.configurations]

    def get(self, config_id: str) -> Configuration:
        """Return one configuration; raise InputError naming those that exist."""
        for configuration in self.configurations:
            if configuration.config_id == config_id:
                return configuration
        raise InputError(
            f"config_id = {config_id!r}: there is no such configuration",
            f"use one of {', '.join(self.config_ids)}, or add it to the study",
        )

    def equal_groups(self) -> list[tuple[str, ...]]:
        """Groups of config_ids that ask for the same thing under different names."""
        groups: defaultdict[str, list[str]] = defaultdict(list)
        for configuration in self.configurations:
            asked = configuration.model_dump(include={"specs", "servers"}, exclude_none=True)
            for spec in asked["specs"].values():
                if spec.get("think") is False:  # which is what happens anyway
                    del spec["think"]
            servers = {name: each for name, each in asked["servers"].items() if any(each.values())}
            groups[repr((asked["specs"], servers))].append(configuration.config_id)
        return [tuple(ids) for ids in groups.values() if len(ids) > 1]


def _with_shared(written: Any, shared: dict[Any, dict[str, Any]]) -> Any:
    if not isinstance(written, dict) or "specs" in written:
        return written
    made = dict(written)
    for name, options in shared.items():
        own = written.get(name, {})
        made[name] = {**options, **own} if isinstance(own, dict) else own
    return {key: made[key] for key in (*(key for key in made if key not in shared), *shared)}


def _refuse_twice(what: str, names: Sequence[str]) -> None:
    folded: set[str] = set()
    for name in names:
        if name.casefold() in folded:  # file systems may fold case
            msg = f"{what} {name!r} appears twice; {what}s must be unique"
            raise ValueError(msg)
        folded.add(name.casefold())


def unknown(what: str, name: object, known: Sequence[str]) -> str:
    """Return what to say of a name that is none of the known ones, with the nearest of them."""
    near = get_close_matches(str(name), known, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return f"{what} = {name!r} is not permitted: there are {', '.join(known)}{hint}"


def study_of(settings: Settings) -> Study:
    """Read the study that the settings name; errors as `load_study`."""
    return load_study(settings.study_file)


class _Known(NamedTuple):
    study: Study
    stamps: dict[Path, object]  # of every file that it was made from


_KNOWN: dict[Path, _Known] = {}  # a run asks for its study hundreds of times


def load_study(path: Path) -> Study:
    """Read and check a study's file; a prompt may be `{file: PATH}`, from the study's folder.

    Read again only where one of these files has changed.

    Raises:
        InputError: the file is missing, is no YAML, or a field is wrong; names field and value.
    """
    from dualollama_pipeline.core.yaml_file import load_yaml  # noqa: PLC0415 a worker reads none

    known = _KNOWN.get(path)
    if known is not None and all(_stamp(file) == stamp for file, stamp in known.stamps.items()):
        return known.study
    before = _stamp(path)
    context: dict[str, Any] = {"folder": path.parent, "read": []}
    study = load_yaml(path, Study, context, _permitted)
    _KNOWN[path] = _Known(study, {path: before, **{file: _stamp(file) for file in context["read"]}})
    return study


def _stamp(path: Path) -> object:
    """Return what tells a file from what it was, and from another of its name; None: not there."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def _permitted(loc: tuple[int | str, ...]) -> list[str]:
    """Return the keys that a study's file may have at a place."""
    if loc[0] == "configurations" and len(loc) == len(("configurations", 0, "specs", "key")):
        return [*OWN_KEYS, "and the names of the agents"]
    models: dict[object, type[Strict]] = {
        "configurations": AgentSpec,
        "agents": StudyTurn if "conversation" in loc else StudyAgent,
        "servers": StudyServer,
        "service_levels": ServiceLevels,
        "deadlines": Deadlines,
    }
    if loc[0] == "configurations" and "servers" in loc:
        return list(Surroundings.model_fields)
    model = models.get(loc[0], Study) if len(loc) > 1 else Study
    return [field.alias or name for name, field in model.model_fields.items()]
