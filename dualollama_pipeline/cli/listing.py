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


MOST_BATCHES = 10


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
            when = _moment(journals[-1].stat().st_mtime)
        yield f"{configuration.config_id:<{width}}  {when:<16}  {_asked(configuration)}"


def batches(settings: Settings) -> Iterator[str]:
    """Yield a line for each of the last batches, the newest first: its id, when, of how many."""
    found: dict[str, list[float]] = {}
    warehouse = Warehouse(settings.warehouse)
    for config_id in warehouse.measured:
        for path in warehouse.journals(config_id):
            found.setdefault(path.stem, []).append(path.stat().st_mtime)
    for name, written in sorted(found.items(), key=lambda each: -max(each[1]))[:MOST_BATCHES]:
        of = f"{len(written)} configuration{'' if len(written) == 1 else 's'}"
        yield f"{name}  {_moment(max(written))}  {of}"


def _moment(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds).astimezone():%Y-%m-%d %H:%M}"


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
