"""What the environment decides: which servers, which model, how much, and where results go."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator

from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.core.model_name import PATTERN, refuse_cloud
from dualollama_pipeline.core.plan import Deadlines
from dualollama_pipeline.core.study import SERVERS, Strict

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECT_ROOT = Path(__file__).resolve().parents[2]
PREFIX = "DUALOLLAMA_"
PLAIN_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(:(?P<port>\d{1,6}))?"
    r"(?P<path>(/[A-Za-z0-9._~-]+)*)/?",
    re.IGNORECASE,
)
DEFAULT_PORTS = {"http": 80, "https": 443}
Secret = Annotated[SecretStr, Field(strict=False)]
Patience = Annotated[float, Field(gt=0, le=86_400, strict=False)]
OfOneServer = Annotated[dict[str, str], Field(strict=False)]
CONFIDENTIAL = re.compile(r"token(?!_s$)|basic|key|secret|password", re.IGNORECASE)
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Settings(Strict):
    """The `DUALOLLAMA_*` variables, checked. Field names are theirs in lower case.

    `gpu_*` and `env_*` are for servers that are started here: which GPUs one sees, and further
    variables of its environment. Tokens are read where a request is made (credentials.py).
    """

    servers: Literal["simulated", "external", "managed"] = "simulated"
    url_a: str | None = None
    url_b: str | None = None
    model: Annotated[str, Field(pattern=PATTERN, max_length=200)] = "gemma3:latest"
    blocks: Annotated[int, Field(ge=1, le=1000, strict=False)] = 5
    workload: Literal["standard", "parity"] = "standard"
    hold_length: Annotated[bool, Field(strict=False)] = False
    warehouse: Annotated[Path, Field(strict=False)] = PROJECT_ROOT / "data" / "warehouse"
    data: Annotated[Path, Field(strict=False)] = PROJECT_ROOT / "data"
    token: Secret | None = None
    token_a: Secret | None = None
    token_b: Secret | None = None
    basic: Secret | None = None
    basic_a: Secret | None = None
    basic_b: Secret | None = None
    gpu_a: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9,:/_-]*$")] | None = None
    gpu_b: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9,:/_-]*$")] | None = None
    env_a: OfOneServer = Field(default_factory=dict)
    env_b: OfOneServer = Field(default_factory=dict)
    connect_s: Patience = Deadlines().connect_s
    load_s: Patience = Deadlines().load_s
    first_token_s: Patience = Deadlines().first_token_s
    idle_s: Patience = Deadlines().idle_s
    total_s: Patience = Deadlines().total_s
    return_s: Patience = Deadlines().return_s

    @field_validator("url_a", "url_b")
    @classmethod
    def _plain_http_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        found = PLAIN_URL.fullmatch(value)
        if found is None or not 0 < int(found["port"] or 1) < 2**16:
            msg = (
                "write http://HOST:PORT, or https://HOST/PATH, without a user or query "
                "(credentials belong into DUALOLLAMA_TOKEN or DUALOLLAMA_BASIC)"
            )
            raise ValueError(msg)
        port = f":{int(found['port'])}" if found["port"] else ""
        return f"{found['scheme']}://{found['host']}{port}".lower() + found["path"]

    @field_validator("env_a", "env_b", mode="before")
    @classmethod
    def _variables(cls, value: Any) -> Any:
        """Read `NAME=VALUE NAME=VALUE`, quoted as a shell would want it."""
        if not isinstance(value, str):
            return value
        pairs = [word.partition("=") for word in shlex.split(value)]
        for name, equals, _ in pairs:
            if not equals or not VARIABLE.fullmatch(name):
                msg = "write NAME=VALUE, several with a blank between them"
                raise ValueError(msg)
        return {name: content for name, _, content in pairs}

    @field_validator("model")
    @classmethod
    def _local_model(cls, value: str) -> str:
        return refuse_cloud(value)

    @model_validator(mode="after")
    def _external_servers_need_two_urls(self) -> Settings:
        if self.servers == "external":
            urls = self.by_server("url")
            names = " and ".join(_variable(f"url_{server}") for server in urls)
            if None in urls.values():
                msg = f"external servers need {names}"
                raise ValueError(msg)
            if len(set(map(by_number, urls.values()))) < len(urls):
                msg = f"{names} name the same server; two are needed"
                raise ValueError(msg)
        return self

    def by_server(self, what: str) -> dict[str, Any]:
        """Return a setting that each server has of its own (`url`, `gpu`, `env`) by server."""
        return {server: getattr(self, f"{what}_{server}") for server in SERVERS}

    @property
    def published(self) -> Path:
        """Where TR114's plan and figures lie: beside the user's data, else with the program."""
        own = self.data / "published"
        return own if (own / "plan.yaml").exists() else PROJECT_ROOT / "data" / "published"

    @property
    def deadlines(self) -> Deadlines:
        """How long a worker waits for what."""
        return Deadlines(**{name: getattr(self, name) for name in Deadlines.model_fields})

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] | None = None, **overrides: object
    ) -> Settings:
        """Read the environment; `overrides` (a command line's options) win where they are not None.

        Raises:
            InputError: a variable is unknown or its value cannot be used; names it.
        """
        environment = os.environ if environment is None else environment
        values: dict[str, object] = {
            name.removeprefix(PREFIX).lower(): value
            for name, value in environment.items()
            if name.startswith(PREFIX) and value != ""
        }
        # a message shows the value it is about, and of a whole the values in it
        hidden = [name for name in values if CONFIDENTIAL.search(name)]
        values |= {name: SecretStr(str(values[name])) for name in hidden}
        values |= {name: value for name, value in overrides.items() if value is not None}
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            known = ", ".join(PREFIX + name.upper() for name in cls.model_fields)
            found = InputError.from_validation("settings", error, name=_variable)
            each = error.errors()
            named = ", ".join(_variable(str(one["loc"][0])) for one in each if one["loc"])
            way_out = f"correct {named or 'what is named above'}"
            if any(one["type"] == "extra_forbidden" for one in each):
                way_out += f"; there are {known}"
            raise InputError(found.problem, way_out) from error


def by_number(url: str) -> str:
    """Return a URL in one spelling: this machine by its number, the port written out."""
    found = PLAIN_URL.fullmatch(url)
    if found is None:
        return url
    scheme, host = found["scheme"].lower(), found["host"].lower()
    host = "127.0.0.1" if host == "localhost" else host
    return f"{scheme}://{host}:{found['port'] or DEFAULT_PORTS[scheme]}{found['path']}"


def _variable(field: str) -> str:
    return PREFIX + field.upper()
