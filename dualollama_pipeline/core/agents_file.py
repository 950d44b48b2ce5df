"""Reading a configuration from a TOML file: `[agent_a]` and `[agent_b]`, or `[agents]` for both.

The layout of the report's section 7.1. `[expected]` is what somebody found; it is not read as a
request. The options are checked by the models of the study.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, ValidationError, model_validator

from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.core.specs import AgentSpec, Strict
from dualollama_pipeline.core.study import PAIR, Configuration, derive_scenario

if TYPE_CHECKING:
    from pathlib import Path

NOT_IN_AN_ID = re.compile(r"[^A-Za-z0-9_-]+")
PREFIX = "file-"  # no configuration of the study may be taken for one of these
MAX_ID = 64


class _Agent(AgentSpec):
    base_url: str | None = None


class _BothAgents(AgentSpec):
    base_urls: Annotated[tuple[str, str], Field(strict=False)] | None = None


class _Document(Strict):
    agent_a: _Agent | None = None
    agent_b: _Agent | None = None
    agents: _BothAgents | None = None
    expected: Annotated[dict[str, Any], Field(default_factory=dict)]

    @model_validator(mode="after")
    def _two_agents(self) -> _Document:
        if self.agents is not None and (self.agent_a or self.agent_b):
            msg = "[agents] stands for both; leave out [agent_a] and [agent_b], or write those two"
            raise ValueError(msg)
        if self.agents is None and (self.agent_a is None or self.agent_b is None):
            msg = "write [agent_a] and [agent_b] (an empty one asks for defaults), or [agents]"
            raise ValueError(msg)
        return self


@dataclass(frozen=True)
class AgentsFile:
    """A configuration with the URLs that the file names; None where it names none."""

    configuration: Configuration
    urls: tuple[str | None, str | None]


def read_agents_file(path: Path) -> AgentsFile:
    """Read a configuration; its config_id is made from the file's name.

    Raises:
        InputError: the file cannot be read, is no TOML, or a field is wrong; names field and value.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: cannot read it ({error})",
            "name a TOML file with [agent_a] and [agent_b], or [agents]",
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{path}: not valid TOML: {error}", "correct the place named") from error
    try:
        document = _Document.model_validate(content)
    except ValidationError as error:
        raise InputError.from_validation(str(path), error) from error
    a, b, urls = _agents(document)
    name = NOT_IN_AN_ID.sub("-", path.stem)[: MAX_ID - len(PREFIX)]
    return AgentsFile(
        Configuration(
            config_id=PREFIX + name,
            scenario=derive_scenario(a, b),
            specs={agent.name: spec for agent, spec in zip(PAIR, (a, b), strict=True)},
        ),
        urls,
    )


def _agents(document: _Document) -> tuple[AgentSpec, AgentSpec, tuple[str | None, str | None]]:
    if document.agents is not None:
        both = _spec(document.agents)
        return both, both, document.agents.base_urls or (None, None)
    a, b = document.agent_a or _Agent(), document.agent_b or _Agent()
    return _spec(a), _spec(b), (a.base_url, b.base_url)


def _spec(written: AgentSpec) -> AgentSpec:
    return AgentSpec(**{name: getattr(written, name) for name in AgentSpec.model_fields})
