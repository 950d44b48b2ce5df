"""The pair of servers that a campaign runs on: given by URL, started for it, or simulated."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from dualollama_pipeline.core.credentials import credentials_of
from dualollama_pipeline.core.errors import ServerError
from dualollama_pipeline.core.plan import Deadlines
from dualollama_pipeline.core.protocol import OLLAMA
from dualollama_pipeline.core.study import study_of
from dualollama_pipeline.ollama.managed import managed_servers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dualollama_pipeline.core.protocol import Protocol
    from dualollama_pipeline.core.settings import Settings

START_DEADLINE_S = 20.0


@dataclass(frozen=True)
class ServerPair:
    """Base URLs by server name, and the clock that fits these servers.

    `environments` holds what decides how a server works that was started here (managed.told).
    """

    urls: dict[str, str]
    clock: Literal["real", "simulated"]
    environments: dict[str, dict[str, str]] = field(default_factory=dict)
    protocols: dict[str, Protocol] = field(default_factory=dict)


@contextmanager
def open_pair(settings: Settings) -> Iterator[ServerPair]:
    """Yield the pair that the settings name; what is started here is stopped here.

    Raises:
        InputError: the study cannot be used, or a server has no URL.
        ServerError: servers that are to be started do not start.
    """
    study = study_of(settings)
    settings.refuse_others(study)
    if settings.servers == "external":
        yield ServerPair(settings.urls(study), "real", protocols=study.protocols)
    elif settings.servers == "managed":
        with managed_servers(settings) as servers:
            yield ServerPair(
                {name: server.url for name, server in servers.items()},
                "real",
                {name: server.environment for name, server in servers.items()},
                study.protocols,
            )
    else:
        names = [server.name for server in study.servers]
        with _simulated_pair(settings.workload, names) as pair:
            yield replace(pair, protocols=study.protocols)


@contextmanager
def _simulated_pair(profile: str, names: Sequence[str]) -> Iterator[ServerPair]:
    """Run the simulator as a process that also ends when this one dies (its stdin closes).

    Each workload has its profile: accidents happen in `parity`, as in the original runs.
    """
    program = [sys.executable, "-m", "dualollama_pipeline.simulator", "--stdin-guard"]
    command = [*program, "--profile", profile, "--servers", ",".join(names)]
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
            yield ServerPair({name: ready[name] for name in names}, "simulated")
        finally:
            process.terminate()


def unreachable(pair: ServerPair) -> list[str]:
    """Return the URLs of the pair that do not answer now."""
    from dualollama_pipeline.worker.connections import CLIENTS  # noqa: PLC0415 imports httpx

    async def ask() -> list[str]:
        gone = []
        servers = {url: server for server, url in pair.urls.items()}
        for url, server in servers.items():
            try:
                speaks = CLIENTS[pair.protocols.get(server, OLLAMA)]
                async with speaks(url, Deadlines(), credentials_of(server)) as client:
                    await client.greet()
            except ServerError:
                gone.append(url)
        return gone

    return asyncio.run(ask())
