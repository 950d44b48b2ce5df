"""The study: its agents and their servers, the arms that follow, and its configurations.

The one place where an agent, a server or an arm has a name; everybody else gets them from here or
reads them in a column. How often and in which order a configuration is measured is the plan's
business (plan.py). Configurations stand in `data/matrix.yaml`; an empty option means "server
default".
"""

from __future__ import annotations

from collections import defaultdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.core.model_name import PATTERN, refuse_cloud

if TYPE_CHECKING:
    from pathlib import Path

    from dualollama_pipeline.core.settings import Settings

# '|' joins Dagster's multi-partition keys, '/' and '..' would leave the warehouse: letters,
# digits, '-' and '_' only.
SAFE_ID = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"


class Scenario(StrEnum):
    """The report's three scenarios (section 2.3)."""

    BASELINE_VS_CHIMERA = "baseline_vs_chimera"
    CHIMERA_HETERO = "chimera_hetero"
    CHIMERA_HOMO = "chimera_homo"


class Agent(NamedTuple):
    """An agent, and the server that it has to itself where each has one."""

    name: str
    server: str


COLLECTOR, INSIGHT = Agent("collector", "a"), Agent("insight", "b")
AGENTS = (COLLECTOR, INSIGHT)
SERVERS = tuple(dict.fromkeys(agent.server for agent in AGENTS))
APART, SHARED = "apart", "shared"
TOGETHER = (APART, SHARED)


def solo(agent: str) -> str:
    """Return the arm in which an agent runs alone."""
    return f"solo_{agent}"


ARMS: dict[str, tuple[Agent, ...]] = {
    **{solo(agent.name): (agent,) for agent in AGENTS},
    APART: AGENTS,
    SHARED: tuple(Agent(agent.name, AGENTS[0].server) for agent in AGENTS),
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


class Strict(BaseModel):
    """A frozen model that refuses unknown keys and never turns one type into another."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class AgentOptions(Strict):
    """Ollama options that the matrix varies; None is "not sent", the server's default.

    Ranges are Ollama's: num_gpu counts layers (-1 = automatic fit, 0 = CPU), num_ctx is in tokens.
    """

    num_gpu: Annotated[int, Field(ge=-1, le=10_000)] | None = None
    num_ctx: Annotated[int, Field(ge=4, le=10_000_000)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    repeat_penalty: Annotated[float, Field(ge=0, le=10)] | None = None

    @field_validator("temperature", "top_p", "repeat_penalty", mode="before")
    @classmethod
    def _whole_numbers_are_numbers(cls, value: Any) -> Any:
        """YAML reads `1` as an integer; `true` is an int to Python and stays refused."""
        try:
            return float(value) if isinstance(value, int) and not isinstance(value, bool) else value
        except OverflowError:
            return value  # refused as no float, by its name and value

    def given(self) -> dict[str, int | float]:
        """Return the options that were set: what is sent to the server."""
        return self.model_dump(include=set(AgentOptions.model_fields), exclude_none=True)


class AgentSpec(AgentOptions):
    """One agent of a configuration: its options, and a model of its own if it has one."""

    model: Annotated[str, Field(pattern=PATTERN, max_length=200)] | None = None

    @field_validator("model")
    @classmethod
    def _not_in_the_cloud(cls, value: str | None) -> str | None:
        return None if value is None else refuse_cloud(value)


class Configuration(Strict):
    """One configuration of the study: what each agent asks for."""

    config_id: Annotated[str, Field(pattern=SAFE_ID)]
    scenario: Annotated[Scenario, Field(strict=False)]
    collector: AgentSpec
    insight: AgentSpec

    @property
    def agents(self) -> tuple[tuple[str, AgentSpec], ...]:
        """Name and options of each agent, in the study's order."""
        return tuple((agent.name, getattr(self, agent.name)) for agent in AGENTS)

    @model_validator(mode="after")
    def _scenario_follows_from_options(self) -> Configuration:
        derived = derive_scenario(self.collector, self.insight)
        if derived is not self.scenario:
            msg = (
                f"scenario of {self.config_id} is written {self.scenario.value!r}, but the two "
                f"option sets make it {derived.value!r}; correct the scenario or the options"
            )
            raise ValueError(msg)
        return self


def derive_scenario(collector: AgentSpec, insight: AgentSpec) -> Scenario:
    """Classify a configuration from its two option sets (report section 2.3).

    A without any option against B with some is baseline_vs_chimera; equal sets are homo.
    """
    if collector == insight:
        return Scenario.CHIMERA_HOMO
    if not collector.given() and insight.given():
        return Scenario.BASELINE_VS_CHIMERA
    return Scenario.CHIMERA_HETERO


class Study(Strict):
    """All configurations, in the order of the file; ids are unique, whatever their case."""

    configurations: Annotated[tuple[Configuration, ...], Field(strict=False)]

    @model_validator(mode="after")
    def _ids_are_unique(self) -> Study:
        if not self.configurations:
            msg = "there is no configuration; write at least one"
            raise ValueError(msg)
        seen: dict[str, str] = {}
        for configuration in self.configurations:
            folded = configuration.config_id.casefold()  # file systems may fold case
            if folded in seen:
                msg = f"config_id {configuration.config_id!r} appears twice; ids must be unique"
                raise ValueError(msg)
            seen[folded] = configuration.config_id
        return self

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
            f"use one of {', '.join(self.config_ids)}, or add it to the matrix",
        )

    def equal_groups(self) -> list[tuple[str, ...]]:
        """Groups of config_ids that ask for the same thing under different names."""
        groups: defaultdict[tuple[AgentSpec, ...], list[str]] = defaultdict(list)
        for configuration in self.configurations:
            specs = tuple(spec for _, spec in configuration.agents)
            groups[specs].append(configuration.config_id)
        return [tuple(ids) for ids in groups.values() if len(ids) > 1]


def study_of(settings: Settings) -> Study:
    """Read the matrix that the settings name; errors as `load_study`."""
    return load_study(settings.data / "matrix.yaml")


def load_study(path: Path) -> Study:
    """Read and check the matrix.

    Raises:
        InputError: the file is missing, is no YAML, or a field is wrong; names field and value.
    """
    from dualollama_pipeline.core.yaml_file import load_yaml  # noqa: PLC0415 a worker reads none

    return load_yaml(path, Study)
