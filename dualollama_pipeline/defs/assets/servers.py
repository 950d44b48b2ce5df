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
from dualollama_pipeline.defs.partitions import MATRIX
from dualollama_pipeline.defs.resources import Bench


def _simulated_version() -> dg.DataVersion:
    """Return the profile's fingerprint; no process needs to run to observe a simulated server."""
    from dualollama_pipeline.simulator.profile import Profile  # noqa: PLC0415 imports numpy

    return dg.DataVersion(f"simulated-{Profile.load('standard').fingerprint}")


async def _identity(url: str, server: str, model: str) -> ServerIdentity:
    from dualollama_pipeline.machine.gpu import GpuWatch  # noqa: PLC0415
    from dualollama_pipeline.worker.connections import CLIENTS  # noqa: PLC0415 imports httpx

    speaks = CLIENTS[MATRIX.protocols.get(server, OLLAMA)]
    async with speaks(url, Deadlines(), credentials_of(server)) as client:
        return await client.identity(server, model, (), GpuWatch())


def _observe(settings: Settings, server: str, model: str) -> dg.ObserveResult:
    if settings.servers == "managed":
        return dg.ObserveResult(
            data_version=dg.DataVersion(f"managed {model}"),
            metadata={"servers": "started while trials run; calls say which version"},
        )
    if settings.servers == "simulated":
        return dg.ObserveResult(
            data_version=_simulated_version(), metadata={"servers": "simulated, no real Ollama"}
        )
    try:
        url = settings.urls(MATRIX)[server]
        identity = asyncio.run(_identity(url, server, model))
    except DualOllamaError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from error
    return dg.ObserveResult(
        data_version=dg.DataVersion(f"{identity.version} {identity.digest}"),
        metadata=identity.model_dump(exclude_none=True),
    )


def _source(agent: Agent) -> dg.SourceAsset:
    @observed(
        group="servers",
        kind="ollama",
        description=f"The server of {agent.name}: version and model digest are its data version.",
        name=f"ollama_server_{agent.server}",
    )
    def look(bench: dg.ResourceParam[Bench]) -> dg.ObserveResult:
        """Ask the server who it is."""
        model = MATRIX.specs_of[agent.name].model or bench.settings.model
        return _observe(bench.settings, agent.server, model)

    return look


servers = [_source(agent) for agent in MATRIX.places]
