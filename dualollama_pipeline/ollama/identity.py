"""What a server says it is and holds: version, weights, placement. Facts only, no judgement."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

from dualollama_pipeline.core.errors import ServerError
from dualollama_pipeline.core.records import ServerIdentity
from dualollama_pipeline.ollama.gpu import GpuWatch, judge_placement, server_process, uses_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dualollama_pipeline.ollama.client import OllamaClient

SIMULATOR_HEADER = "X-Simulated"


def with_tag(model: str) -> str:
    """Complete a model name as Ollama does: without a tag it means `:latest`."""
    return model if ":" in model.rsplit("/", 1)[-1] else f"{model}:latest"


def _entry(models: object, model: str) -> dict[str, Any] | None:
    """Find a model in the `models` list of /api/tags or /api/ps."""
    for entry in models if isinstance(models, list) else []:
        if isinstance(entry, dict) and entry.get("name") == with_tag(model):
            return entry
    return None


async def snapshot(
    client: OllamaClient, server: str, model: str, gpus: GpuWatch | None = None
) -> ServerIdentity:
    """Ask one server for its identity; four small requests, no model is loaded.

    `gpus` is shared by snapshots of one moment.

    Raises:
        ServerError: the server does not answer, or does not have the model.
    """
    version = await client.version()
    tags = await client.json("GET", "/api/tags")
    available = _entry(tags.get("models"), model)
    if available is None:
        raise ServerError(
            f"{client.url}: model {model!r} is not there", f"ollama pull {model} on that server"
        )
    if available.get("remote_host") or available.get("remote_model"):
        raise ServerError(
            f"{client.url}: model {model!r} runs in the cloud", "name a model of this machine"
        )
    show = await client.json("POST", "/api/show", {"model": model})
    loaded = _entry((await client.json("GET", "/api/ps")).get("models"), model)
    simulated_by = await _simulator(client, version.headers.get(SIMULATOR_HEADER))
    return ServerIdentity(
        server=server,
        url=client.url,
        version=str(version.json().get("version")),
        simulated_by=simulated_by,
        model=model,
        digest=str(available.get("digest")),
        quantization=(available.get("details") or {}).get("quantization_level"),
        layers=_layers(show.get("model_info") or {}),
        loaded=loaded is not None,
        size_vram_share=_vram_share(loaded),
        context_length=None if loaded is None else loaded.get("context_length"),
        expires_at=None if loaded is None else loaded.get("expires_at"),
        **({} if simulated_by else await _witnessed(client.url, loaded, gpus or GpuWatch())),
    )


async def _witnessed(url: str, loaded: dict[str, Any] | None, gpus: GpuWatch) -> dict[str, Any]:
    """Ask the machine about the process behind a URL, and what it holds on which GPUs."""
    claimed_bytes = int((loaded or {}).get("size_vram") or 0)
    process = server_process(url)
    if process is None:  # elsewhere, so this machine's GPUs say nothing
        return {"placement": "claimed" if claimed_bytes else None}
    seen = await gpus.look()
    own = uses_of(process, seen.uses or ())
    return {
        "pid": process.pid,
        "process_started_s": process.create_time(),
        "gpu_uuids": None if seen.uses is None else tuple(sorted({use.gpu_uuid for use in own})),
        "placement": judge_placement(claimed_bytes, own, seen.used_mib) if claimed_bytes else None,
    }


def same_process(identities: Sequence[ServerIdentity]) -> tuple[str, str] | None:
    """Return two server names that reach one process, None if none do or nothing is loaded.

    There is no server id in the API. Where the processes are known, they decide; else two loads
    that end at the same nanosecond are one load seen twice (OLLAMA.md A6). The simulated servers
    share one clock, so for them this says nothing.
    """
    for first, second in combinations(identities, 2):
        if first.server != second.server and first.pid and first.pid == second.pid:
            return first.url, second.url
    loaded = [s for s in identities if s.loaded and s.expires_at and not s.simulated_by]
    for first, second in combinations(loaded, 2):
        same = (first.digest, first.expires_at) == (second.digest, second.expires_at)
        distinct = first.pid and second.pid and first.pid != second.pid
        if first.server != second.server and same and not distinct:
            return first.url, second.url
    return None


async def _simulator(client: OllamaClient, announced: str | None) -> str | None:
    """Name and profile of a simulator that announced itself; a real server announces nothing."""
    if announced is None:
        return None
    profile = await client.json("GET", "/simulator/profile")
    return f"{announced} profile {profile.get('name')} {profile.get('fingerprint')}"


def _layers(info: dict[str, Any]) -> int | None:
    """Layers that num_gpu counts: the blocks and the output layer (OLLAMA.md A1)."""
    blocks = info.get(f"{info.get('general.architecture')}.block_count")
    return blocks + 1 if isinstance(blocks, int) else None


def _vram_share(loaded: dict[str, Any] | None) -> float | None:
    if loaded is None or not loaded.get("size"):
        return None
    return float(loaded.get("size_vram", 0) / loaded["size"])
