"""What `dualollama measure` was asked for: a configuration of the study, or one of a TOML file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, NamedTuple

from dualollama_pipeline.advice.lint import lint_configuration, lint_deployment
from dualollama_pipeline.core.agents_file import read_agents_file
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.core.study import Configuration, study_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

URL_VARIABLES = ("DUALOLLAMA_URL_A", "DUALOLLAMA_URL_B")


class Request(NamedTuple):
    """What to measure, with which settings, and what the report warns of in it."""

    configuration: Configuration
    settings: Settings
    warnings: list[str]


def read_request(
    config_id: str | None,
    agents_file: Path | None,
    environment: Mapping[str, str] | None = None,
    **overrides: object,
) -> Request:
    """Return what is to be measured; `overrides` are the command line's options.

    URLs that a file names are used where the environment names none: a file written elsewhere
    does not move a measurement to other servers.

    Raises:
        InputError: there is no such configuration, or the file or a setting cannot be used.
    """
    environment = os.environ if environment is None else environment
    if agents_file is None:
        settings = Settings.from_environment(environment, **overrides)
        configuration = study_of(settings).get(config_id or "")
        return Request(configuration, settings, [])
    found = read_agents_file(agents_file)
    urls = {
        name: url for name, url in zip(URL_VARIABLES, found.urls, strict=True) if url is not None
    }
    settings = Settings.from_environment({**urls, **environment}, **overrides)
    rules = [*lint_configuration(found.configuration), *lint_deployment(found.urls)]
    warnings = [f"{rule.name}: the report warns of {rule.statement}" for rule in rules]
    return Request(found.configuration, settings, warnings)
