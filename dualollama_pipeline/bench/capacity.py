"""How many agents fit here: one model, 1 to K equal agents, apart and shared, measured.

Each number of agents is a study of its own, written beside its results; the rest is what every
study goes through.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import yaml

from dualollama_pipeline.bench.measure import Measurement
from dualollama_pipeline.bench.servers import SLOTS, Servers
from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.core.protocol import OLLAMA
from dualollama_pipeline.core.settings import BY_SERVER
from dualollama_pipeline.core.study import MOST_AGENTS, study_of
from dualollama_pipeline.worker.events import notice

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from dualollama_pipeline.core.settings import Settings
    from dualollama_pipeline.worker.journal import Journal

    Tell = Callable[[dict[str, Any]], None]

NAME = "capacity"  # of its studies and of their folder in the warehouse
MOST = 4  # agents, where nobody says how many


def folder_of(settings: Settings) -> Path:
    """Return where the studies, journals and tables of capacity lie."""
    return settings.warehouse / NAME


def write_studies(settings: Settings, most: int) -> list[Path]:
    """Write a study of 1 to `most` equal agents into a folder each; return the folders.

    The servers are those of the user's study; where they are started here there may be more of
    them, with the surroundings of those that the study has.

    Raises:
        InputError: more agents are asked for than external servers, or than a study may have.
    """
    study = study_of(settings)
    made = list(settings.surroundings(study).items())
    external = settings.servers == "external"
    limit = len(made) if external else MOST_AGENTS
    if most > limit:
        why = "external servers, an agent needs one" if external else "agents a study may have"
        raise InputError(
            f"--most {most}: there are {limit} {why}",
            "name more servers in the study, or ask for fewer agents",
        )
    urls = settings.urls(study) if external else {}
    servers = []
    for n in range(most):
        name, around = made[n % len(made)]
        name = name if n < len(made) else _further(n, [each for each, _ in made])
        servers.append({"name": name, **around.model_dump(exclude_none=True)})
        servers[-1] |= {"url": urls[name]} if external else {}
        servers[-1]["protocol"] = study.protocols.get(made[n % len(made)][0], OLLAMA)
    folders = []
    for n_agents in range(1, most + 1):
        folder = folder_of(settings) / "studies" / str(n_agents)
        folder.mkdir(parents=True, exist_ok=True)
        content = _study(servers[:n_agents], settings.model, has_slots=not external)
        (folder / "study.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
        folders.append(folder)
    return folders


def _further(n: int, taken: Sequence[str]) -> str:
    """Return a name for a server that the study does not have."""
    name = f"further{n + 1}"
    return name if name not in taken else f"{name}_"


def _study(servers: list[dict[str, Any]], model: str, *, has_slots: bool) -> dict[str, Any]:
    n = len(servers)
    configurations: list[dict[str, Any]] = [{"id": f"agents-{n}"}]
    if has_slots and n > 1:
        slots = {servers[0]["name"]: {"environment": {SLOTS: n}}}
        configurations.append({"id": f"agents-{n}-slots-{n}", "servers": slots})
    return {
        "name": NAME,
        "servers": servers,
        "agents": [
            {"name": f"agent{i}", "server": server["name"], "model": model}
            for i, server in enumerate(servers, start=1)
        ],
        "configurations": configurations,
    }


def measure_capacity(settings: Settings, most: int, tell: Tell) -> list[Journal]:
    """Measure every number of agents; what an earlier call did not finish is gone on with.

    Raises:
        InputError: as `write_studies`.
        DualOllamaError: no trial of a configuration could be attempted.
    """
    study = study_of(settings)
    settings = settings.within(study)
    journals = []
    batch_id = f"{NAME}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    plain: dict[str, Any] = {name: {} for name in BY_SERVER}
    plain["warehouse"] = folder_of(settings)  # the rest are of the study's servers
    for folder in write_studies(settings, most):
        own = settings.model_copy(update=plain | {"study": folder})
        with Servers(own) as servers:
            for configuration in study_of(own).configurations:
                tell(notice(configuration.config_id.replace("-", " ")))
                pair = servers.of(configuration.servers)
                journals.append(Measurement(own, pair, tell).run(configuration, batch_id))
    return journals


def slots_of(journal: Journal) -> int | None:
    """Return the slots that its configuration gave the shared server; None if it did not."""
    changed = journal.batch.plan.changed.values() if journal.batch is not None else ()
    return next((int(each.environment[SLOTS]) for each in changed), None)
