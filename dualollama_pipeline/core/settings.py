"""What the environment decides: which servers, which model, how much, and where results go."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)

from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.core.model_name import PATTERN, refuse_cloud
from dualollama_pipeline.core.places import PROJECT_ROOT, REPORT_PORT, RESULTS
from dualollama_pipeline.core.specs import GPUS, Deadlines, Strict, Surroundings
from dualollama_pipeline.core.study import unknown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dualollama_pipeline.core.study import Study

PREFIX = "DUALOLLAMA_"
PLAIN_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>[a-z0-9._-]+|\[[0-9a-f:.]+\])(:(?P<port>\d{1,6}))?"
    r"(?P<path>(/[A-Za-z0-9._~-]+)*)/?",
    re.IGNORECASE,
)
DEFAULT_PORTS = {"http": 80, "https": 443}
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _plain_http_url(value: str) -> str:
    found = PLAIN_URL.fullmatch(value)
    if found is None or not 0 < int(found["port"] or 1) < 2**16:
        msg = (
            "write http://HOST:PORT, or https://HOST/PATH, without a user or query "
            "(credentials belong into DUALOLLAMA_TOKEN or DUALOLLAMA_BASIC)"
        )
        raise ValueError(msg)
    port = f":{int(found['port'])}" if found["port"] else ""
    return f"{found['scheme']}://{found['host']}{port}".lower() + found["path"]


def _variables(value: Any) -> Any:
    """Read `NAME=VALUE NAME=VALUE`, quoted as a shell would want it."""
    if not isinstance(value, str):
        return value
    pairs = [word.partition("=") for word in shlex.split(value)]
    for name, equals, _ in pairs:
        if not equals or not VARIABLE.fullmatch(name):
            msg = "write NAME=VALUE, several with a blank between them"
            raise ValueError(msg)
    return {name: content for name, _, content in pairs}


NIGHTLY = "02:00"
Secret = Annotated[SecretStr, Field(strict=False)]
Patience = Annotated[float, Field(gt=0, le=86_400, strict=False)]
OfOneServer = Annotated[dict[str, str], BeforeValidator(_variables)]
EachUrl = dict[str, Annotated[str, AfterValidator(_plain_http_url)]]
BY_SERVER = ("url", "gpu", "env", "token", "basic")
OF_A_SERVER = re.compile(rf"(?P<what>{'|'.join(BY_SERVER)})_(?P<server>[a-z][a-z0-9_]*)")
CONFIDENTIAL = re.compile(r"token(?!_s$)|basic|key|secret|password", re.IGNORECASE)
PER_SERVER = ("url", "gpu", "env")


class Settings(Strict):
    """The `DUALOLLAMA_*` variables, checked. Field names are theirs in lower case.

    `url`, `gpu`, `env`, `token` and `basic` are by server: DUALOLLAMA_URL_A is `url["a"]`. `gpu`
    and `env` are for servers that are started here: which GPUs one sees, and further variables of
    its environment. Tokens are read where a request is made (credentials.py). `study` is a folder
    with a study.yaml. `nightly` is when nights begin (HH:MM, UTC), `notify` the file or URL that
    hears of failed runs, `report_url` where the folder of the report is served, `ui_url`
    where Dagster's UI is.
    """

    servers: Literal["simulated", "external", "managed"] = "simulated"
    url: EachUrl = Field(default_factory=dict)
    model: Annotated[str, Field(pattern=PATTERN, max_length=200)] = "gemma3:latest"
    blocks: Annotated[int, Field(ge=1, le=1000, strict=False)] = 5
    workload: Literal["standard", "parity"] = "standard"
    hold_length: Annotated[bool, Field(strict=False)] = False
    warehouse: Annotated[Path, Field(strict=False)] = RESULTS / "data" / "warehouse"
    data: Annotated[Path, Field(strict=False)] = PROJECT_ROOT / "data"
    study: Annotated[Path, Field(strict=False)] | None = None
    token: dict[str, Secret] = Field(default_factory=dict)
    basic: dict[str, Secret] = Field(default_factory=dict)
    gpu: dict[str, Annotated[str, Field(pattern=GPUS)]] = Field(default_factory=dict)
    env: dict[str, OfOneServer] = Field(default_factory=dict)
    connect_s: Patience = Deadlines().connect_s
    load_s: Patience = Deadlines().load_s
    first_token_s: Patience = Deadlines().first_token_s
    idle_s: Patience = Deadlines().idle_s
    total_s: Patience = Deadlines().total_s
    return_s: Patience = Deadlines().return_s
    nightly: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] | None = None
    notify: str | None = None
    report_url: Annotated[str, AfterValidator(_plain_http_url)] = f"http://127.0.0.1:{REPORT_PORT}"
    ui_url: Annotated[str, AfterValidator(_plain_http_url)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _by_server(cls, values: Any) -> Any:
        """Sort `url_a` and its like by server; a token without one is for all (server "")."""
        if not isinstance(values, dict):
            return values
        made: dict[str, Any] = {}
        for name, value in values.items():
            found = OF_A_SERVER.fullmatch(name)
            if found and name not in cls.model_fields:
                if value is not None:
                    made.setdefault(found["what"], {})[found["server"]] = value
            elif name in {"token", "basic"} and not isinstance(value, dict):
                made.setdefault(name, {})[""] = value
            else:
                made[name] = value
        return made

    @field_validator("model")
    @classmethod
    def _local_model(cls, value: str) -> str:
        return refuse_cloud(value)

    def surroundings(
        self, study: Study, changed: Mapping[str, Surroundings] | None = None
    ) -> dict[str, Surroundings]:
        """Return what each server is started with: of the study, then of variables, then `changed`.

        Raises:
            InputError: a variable names a server that the study does not have.
        """
        self.refuse_others(study)
        made: dict[str, Surroundings] = {}
        for server in study.servers:
            name, other = server.name, (changed or {}).get(server.name, Surroundings())
            made[name] = Surroundings(
                gpu=other.gpu or self.gpu.get(name) or server.gpu,
                environment=server.environment | self.env.get(name, {}) | other.environment,
            )
        return made

    def urls(self, study: Study) -> dict[str, str]:
        """Return the URL of each server: of its variable, else of the study.

        Raises:
            InputError: one has none, or two are the same; names the variables.
        """
        self.refuse_others(study)
        found = {server.name: self.url.get(server.name) or server.url for server in study.servers}
        variables = {name: _variable(f"url_{name}") for name in found}
        if missing := [variables[name] for name, url in found.items() if url is None]:
            raise InputError(
                f"external servers need {' and '.join(missing)}",
                "set them, or write each server's `url` in the study",
            )
        urls = {name: _plain_http_url(str(url)) for name, url in found.items()}
        if len(set(map(by_number, urls.values()))) < len(urls):
            raise InputError(
                f"{' and '.join(variables.values())} name the same server; {len(urls)} are needed",
                "start one server for each agent, each on a port of its own",
            )
        return urls

    def within(self, study: Study) -> Settings:
        """Return the settings with what the study says where no variable and no option does."""
        told = study.model_dump(include={"blocks", "workload", "hold_length"}, exclude_none=True)
        if study.deadlines is not None:
            told |= study.deadlines.model_dump(exclude_unset=True)
        missing = {name: value for name, value in told.items() if name not in self.model_fields_set}
        return self.model_copy(update=missing)

    def refuse_others(self, study: Study) -> None:
        """Refuse a variable of a server that the study does not have."""
        names = [server.name for server in study.servers]
        for what in BY_SERVER:
            for name in getattr(self, what).keys() - {"", *names}:
                raise InputError(
                    unknown(_variable(f"{what}_{name}"), name, names),
                    "name a server of the study in the variable",
                )

    @property
    def study_file(self) -> Path:
        """The study: of DUALOLLAMA_STUDY, else matrix.yaml of the data folder, else TR114's."""
        if self.study is not None:
            return self.study if self.study.suffix == ".yaml" else self.study / "study.yaml"
        own = self.data / "matrix.yaml"
        return own if own.exists() else PROJECT_ROOT / "data" / "studies" / "tr114" / "study.yaml"

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
        return cls._checked(values)

    def told(self, given: Mapping[str, object]) -> Settings:
        """Return the settings with some told otherwise; errors as `from_environment`."""
        return self._checked({**self.model_dump(exclude_unset=True), **given})

    @classmethod
    def _checked(cls, values: Mapping[str, object]) -> Settings:
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            known = ", ".join(
                f"{PREFIX}{name.upper()}{'_<SERVER>' * (name in PER_SERVER)}"
                for name in cls.model_fields
            )
            found = InputError.from_validation("settings", error, name=_variable)
            each = error.errors()
            named = ", ".join(
                _variable(".".join(map(str, one["loc"]))) for one in each if one["loc"]
            )
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
    return PREFIX + field.removesuffix(".").replace(".", "_").upper()
