"""The configurations of the study in hand: what each asks for, and when it was last measured."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from dualollama_pipeline.core.study import study_of
from dualollama_pipeline.core.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dualollama_pipeline.core.settings import Settings
    from dualollama_pipeline.core.study import Configuration


def listed(settings: Settings) -> Iterator[str]:
    """Yield a line for the study and one for each configuration.

    Raises:
        InputError: the study cannot be used, or the warehouse holds another's results.
    """
    study, warehouse = study_of(settings), Warehouse(settings.warehouse)
    warehouse.refuse_another(study.name)
    who = ", ".join(f"{agent.name} on {agent.server}" for agent in study.agents)
    yield f"{study.name}: {who}"
    width = max(map(len, study.config_ids))
    for configuration in study.configurations:
        journals = warehouse.journals(configuration.config_id)
        when = "not measured"
        if journals:
            written = datetime.fromtimestamp(journals[-1].stat().st_mtime).astimezone()
            when = f"{written:%Y-%m-%d %H:%M}"
        yield f"{configuration.config_id:<{width}}  {when:<16}  {_asked(configuration)}"


def _asked(configuration: Configuration) -> str:
    """Return what the configuration says of its own, by agent and by server."""
    said = configuration.model_dump(include={"specs", "servers"}, exclude_none=True)
    parts = [
        f"{name}: {', '.join(asked)}"
        for given_by in (said["specs"], said["servers"])
        for name, given in given_by.items()
        if (asked := [*_settings_in(given)])
    ]
    return "; ".join(parts) or "as the study says"


def _settings_in(given: dict[str, Any]) -> Iterator[str]:
    for key, value in given.items():
        if isinstance(value, dict):  # a server's environment
            yield from (f"{name}={text}" for name, text in value.items())
        else:
            yield f"{key} {value}"
