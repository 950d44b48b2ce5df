"""What the environment decides: which servers, which model, how much, and where results go."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.core.matrix import MODEL_NAME, Strict, refuse_cloud

if TYPE_CHECKING:
    from collections.abc import Mapping

PROJECT_ROOT = Path(__file__).resolve().parents[2]
PREFIX = "DUALOLLAMA_"
PLAIN_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\]):(?P<port>\d{1,6})/?",
    re.IGNORECASE,
)


class Settings(Strict):
    """The `DUALOLLAMA_*` variables, checked. Field names are theirs in lower case."""

    servers: Literal["simulated", "external", "managed"] = "simulated"
    url_a: str | None = None
    url_b: str | None = None
    model: Annotated[str, Field(pattern=MODEL_NAME, max_length=200)] = "gemma3:latest"
    blocks: Annotated[int, Field(ge=1, le=1000, strict=False)] = 5
    workload: Literal["standard", "parity"] = "standard"
    warehouse: Annotated[Path, Field(strict=False)] = PROJECT_ROOT / "data" / "warehouse"
    data: Annotated[Path, Field(strict=False)] = PROJECT_ROOT / "data"

    @field_validator("url_a", "url_b")
    @classmethod
    def _plain_http_url(cls, value: str | None) -> str | None:
        if value is None:
            return None
        found = PLAIN_URL.fullmatch(value)
        if found is None or not 0 < int(found["port"]) < 2**16:
            msg = "write http://HOST:PORT, nothing else (no user, path or query)"
            raise ValueError(msg)
        return f"{found['scheme']}://{found['host']}:{int(found['port'])}".lower()

    @field_validator("model")
    @classmethod
    def _local_model(cls, value: str) -> str:
        return refuse_cloud(value)

    @model_validator(mode="after")
    def _external_servers_need_two_urls(self) -> Settings:
        if self.servers == "external":
            if self.url_a is None or self.url_b is None:
                msg = "external servers need DUALOLLAMA_URL_A and DUALOLLAMA_URL_B"
                raise ValueError(msg)
            if by_number(self.url_a) == by_number(self.url_b):
                msg = "DUALOLLAMA_URL_A and DUALOLLAMA_URL_B name the same server; two are needed"
                raise ValueError(msg)
        return self

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
        values |= {name: value for name, value in overrides.items() if value is not None}
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            known = ", ".join(PREFIX + name.upper() for name in cls.model_fields)
            found = InputError.from_validation("settings", error, name=_variable)
            raise InputError(
                found.problem, f"correct the variable or option; there are {known}"
            ) from error


def by_number(url: str) -> str:
    """Return a URL with this machine by its number: localhost and 127.0.0.1 are one server."""
    return url.replace("//localhost:", "//127.0.0.1:")


def _variable(field: str) -> str:
    return PREFIX + field.upper()
