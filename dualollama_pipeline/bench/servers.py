"""The pair of servers that a campaign runs on: given by URL, started for it, or simulated."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, Self

from dualollama_pipeline.core.credentials import credentials_of
from dualollama_pipeline.core.errors import InputError, ServerError
from dualollama_pipeline.core.protocol import OLLAMA
from dualollama_pipeline.core.specs import Deadlines
from dualollama_pipeline.core.study import study_of
from dualollama_pipeline.ollama.managed import environments_of, managed_servers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dualollama_pipeline.core.settings import Settings
    from dualollama_pipeline.core.specs import Surroundings

START_DEADLINE_S = 20.0
SLOTS = "OLLAMA_NUM_PARALLEL"
Clock = Literal["real", "simulated"]


@dataclass(frozen=True)
class ServerPair:
    """Base URLs by server name, and the clock that fits these servers.

    `environments` holds what decides how a server works that was started here (managed.told).
    """

    urls: dict[str, str]
    clock: Clock
    environments: dict[str, dict[str, str]] = field(default_factory=dict)


class Servers:
    """The study's servers, kept open; started anew where a configuration changes something."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stack = ExitStack()
        self._open: tuple[dict[str, Surroundings], ServerPair] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def begin(self, changed: dict[str, Surroundings]) -> None:
        """Open them before anything is measured: what is wrong for all shows here."""
        self.of({} if self._settings.servers == "external" else changed)

    def of(self, changed: dict[str, Surroundings]) -> ServerPair:
        """Return the servers with some surroundings changed; errors as `open_pair`."""
        if self._open is None or self._open[0] != changed:
            self._stack.close()
            self._open = changed, self._stack.enter_context(open_pair(self._settings, changed))
        return self._open[1]

    def planned(self, changed: dict[str, Surroundings]) -> ServerPair:
        """Return what `of` would, without a server started: its URLs lead nowhere."""
        study = study_of(self._settings)
        names = [server.name for server in study.servers]
        made = self._settings.surroundings(study, changed)
        kind = self._settings.servers
        clock: Clock = "simulated" if kind == "simulated" else "real"
        environments = environments_of(made) if kind == "managed" else {}
        if kind == "simulated":
            environments = _known_to_the_simulator(made, changed)
        return ServerPair(dict.fromkeys(names, "http://127.0.0.1:0"), clock, environments)

    def unreachable(self) -> list[str]:
        """Return the URLs that do not answer now, of the servers that are open."""
        return unreachable(self._settings, self._open[1].urls) if self._open else []


def unreachable(settings: Settings, urls: Mapping[str, str]) -> list[str]:
    """Return those of the study's servers, by name, that do not answer now."""
    from dualollama_pipeline.worker.connections import CLIENTS  # noqa: PLC0415 imports httpx

    async def ask() -> list[str]:
        gone = []
        protocols = study_of(settings).protocols
        for server, url in urls.items():
            speaks = CLIENTS[protocols.get(server, OLLAMA)]
            try:
                async with speaks(url, Deadlines(), credentials_of(server)) as client:
                    await client.greet()
            except ServerError:
                gone.append(url)
        return gone

    return asyncio.run(ask())


@contextmanager
def open_pair(
    settings: Settings, changed: Mapping[str, Surroundings] | None = None
) -> Iterator[ServerPair]:
    """Yield the servers that the settings name; what is started here is stopped here.

    `changed` is what a configuration changes of their surroundings.

    Raises:
        InputError: the study cannot be used, a server has no URL, or servers that are not started
            here would have to be changed.
        ServerError: servers that are to be started do not start.
    """
    study = study_of(settings)
    settings = settings.within(study)
    made = settings.surroundings(study, changed)
    if settings.servers == "external":
        if asked := [name for name, each in made.items() if each.gpu or each.environment]:
            raise InputError(
                f"servers: gpu or environment of {', '.join(asked)} is set, and external servers "
                "are not started here",
                "set it where they are started and leave it out here, or measure this "
                "configuration with DUALOLLAMA_SERVERS=managed",
            )
        yield ServerPair(settings.urls(study), "real")
    elif settings.servers == "managed":
        with managed_servers(made, settings.warehouse / "logs") as servers:
            yield ServerPair(
                {name: server.url for name, server in servers.items()},
                "real",
                {name: server.environment for name, server in servers.items()},
            )
    else:
        environments = _known_to_the_simulator(made, changed or {})
        slots = {name: environments.get(name, {}).get(SLOTS, "1") for name in made}
        with _simulated_pair(settings.workload, slots, [settings.model, *study.models]) as pair:
            yield replace(pair, environments=environments)


def _known_to_the_simulator(
    made: Mapping[str, Surroundings], changed: Mapping[str, Surroundings]
) -> dict[str, dict[str, str]]:
    """Return by server its slots, where there is more than one: the simulator knows no more.

    Raises:
        InputError: a configuration changes something else, or the slots are no number.
    """
    for name, each in changed.items():
        if others := [*sorted(each.environment.keys() - {SLOTS}), *(["gpu"] if each.gpu else [])]:
            raise InputError(
                f"servers.{name}: the simulator knows {SLOTS} and not {', '.join(others)}",
                "measure this configuration with DUALOLLAMA_SERVERS=managed, or leave it out",
            )
    slots = {name: each.environment.get(SLOTS, "1") for name, each in made.items()}
    for name, text in slots.items():
        if not text.isdecimal() or int(text) < 1:
            raise InputError(
                f"servers.{name}.environment.{SLOTS} = {text!r}: no whole number from 1",
                "write how many calls a model answers at a time",
            )
    return {name: {SLOTS: text} for name, text in slots.items() if int(text) > 1}


@contextmanager
def _simulated_pair(
    profile: str, slots: Mapping[str, str], models: Sequence[str]
) -> Iterator[ServerPair]:
    """Run the simulator as a process that also ends when this one dies (its stdin closes).

    Each workload has its profile: accidents happen in `parity`, as in the original runs. Of a
    server's environment it knows the number of slots.
    """
    program = [sys.executable, "-m", "dualollama_pipeline.simulator", "--stdin-guard"]
    command = [*program, "--profile", profile, "--servers", ",".join(slots)]
    command += ["--slots", ",".join(slots.values()), "--models", ",".join(models)]
    with subprocess.Popen(  # noqa: S603 our own module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                code = process.wait(START_DEADLINE_S)
                raise ServerError(
                    f"the simulated pair did not start (exit code {code})",
                    "run `dualollama simulate` to see why",
                )
            ready = json.loads(line)
            yield ServerPair({name: ready[name] for name in slots}, "simulated")
        finally:
            process.terminate()
