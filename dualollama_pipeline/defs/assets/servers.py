"""Group `servers`: the Ollama servers as observed; lineage begins where work is done."""

import asyncio

import dagster as dg

from dualollama_pipeline.core.credentials import credentials_of
from dualollama_pipeline.core.errors import DualOllamaError
from dualollama_pipeline.core.protocol import OLLAMA
from dualollama_pipeline.core.records import ServerIdentity
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.core.specs import Deadlines
from dualollama_pipeline.core.study import Agent
from dualollama_pipeline.defs.observed import observed
from dualollama_pipeline.defs.partitions import STUDY
from dualollama_pipeline.defs.resources import Bench
from dualollama_pipeline.worker.journal import Journal


def _simulated_version() -> dg.DataVersion:
    """Return the profile's fingerprint; no process needs to run to observe a simulated server."""
    from dualollama_pipeline.simulator.profile import Profile  # noqa: PLC0415 imports numpy

    return dg.DataVersion(f"simulated-{Profile.load('standard').fingerprint}")


async def _identity(url: str, server: str, model: str) -> ServerIdentity:
    from dualollama_pipeline.machine.gpu import GpuWatch  # noqa: PLC0415
    from dualollama_pipeline.worker.connections import CLIENTS  # noqa: PLC0415 imports httpx

    speaks = CLIENTS[STUDY.protocols.get(server, OLLAMA)]
    async with speaks(url, Deadlines(), credentials_of(server)) as client:
        return await client.identity(server, model, (), GpuWatch())


def seen(settings: Settings, model: str, identity: ServerIdentity | None) -> dg.ObserveResult:
    """Return what is known of a server: its version and weights, as it said of itself."""
    if settings.servers == "managed":
        return dg.ObserveResult(
            data_version=dg.DataVersion(f"managed {model}"),
            metadata={"servers": "started while trials run; calls say which version"},
        )
    if settings.servers == "simulated" or identity is None:
        return dg.ObserveResult(
            data_version=_simulated_version(), metadata={"servers": "simulated, no real Ollama"}
        )
    return dg.ObserveResult(
        data_version=dg.DataVersion(f"{identity.version} {identity.digest}"),
        metadata=identity.model_dump(mode="json", exclude_none=True),
    )


def seen_by(journal: Journal, settings: Settings) -> dict[str, dg.ObserveResult]:
    """Return by asset what a journal tells of the servers that it was measured on."""
    found = {each.server: each for record in journal.identities for each in record.servers}
    return {
        _name(agent): seen(settings, _model(settings, agent), found[agent.server])
        for agent in STUDY.places
        if agent.server in found
    }


def _model(settings: Settings, agent: Agent) -> str:
    return STUDY.specs_of[agent.name].model or settings.model


def _name(agent: Agent) -> str:
    return f"ollama_server_{agent.server}"


def _source(agent: Agent) -> dg.SourceAsset:
    @observed(
        group="servers",
        kind="ollama",
        description=f"The server of {agent.name}: version and model digest are its data version.",
        name=_name(agent),
    )
    def look(bench: dg.ResourceParam[Bench]) -> dg.ObserveResult:
        """Ask the server who it is."""
        settings, model = bench.settings, _model(bench.settings, agent)
        if settings.servers != "external":
            return seen(settings, model, None)
        try:
            url = settings.urls(STUDY)[agent.server]
            return seen(settings, model, asyncio.run(_identity(url, agent.server, model)))
        except DualOllamaError as error:
            raise dg.Failure(description=str(error), allow_retries=False) from error

    return look


servers = [_source(agent) for agent in STUDY.places]
