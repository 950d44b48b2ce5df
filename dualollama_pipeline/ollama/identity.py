"""What a server says it is and holds: version, weights, placement. Facts only, no judgement."""

from __future__ import annotations

from contextlib import suppress
from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

from dualollama_pipeline.core.errors import ServerError
from dualollama_pipeline.core.model_name import same_model
from dualollama_pipeline.core.records import ServerIdentity
from dualollama_pipeline.core.units import MS_PER_S
from dualollama_pipeline.machine.gpu import GpuWatch, witnessed
from dualollama_pipeline.transport.client import SIMULATOR_HEADER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dualollama_pipeline.transport.client import Client


def _entry(models: object, model: str) -> dict[str, Any] | None:
    """Find a model in the `models` list of /api/tags or /api/ps."""
    for entry in models if isinstance(models, list) else []:
        if isinstance(entry, dict) and same_model(model, entry.get("name")):
            return entry
    return None


async def snapshot(
    client: Client, server: str, model: str, gpus: GpuWatch | None = None, tries: int = 1
) -> ServerIdentity:
    """Ask one server for its identity; four small requests, no model is loaded.

    `gpus` is shared by snapshots of one moment. A server that knows no /api/show is asked all the
    same: layers and whether the model thinks are then not known.

    Raises:
        ServerError: the server does not answer, or does not have the model.
    """
    version = await client.greet(tries)
    tags = await client.json("GET", "/api/tags", tries=tries)
    available = _entry(tags.get("models"), model)
    if available is None:
        raise ServerError(
            f"{client.url}: model {model!r} is not there", f"ollama pull {model} on that server"
        )
    if available.get("remote_host") or available.get("remote_model"):
        raise ServerError(
            f"{client.url}: model {model!r} runs in the cloud", "name a model of this machine"
        )
    show: dict[str, Any] = {}
    with suppress(ServerError):
        show = await client.json("POST", "/api/show", {"model": model}, tries)
    loaded = await _loaded(client, model, tries)
    simulated_by = await client.simulator(version.headers.get(SIMULATOR_HEADER))
    return ServerIdentity(
        server=server,
        url=client.url,
        version=str(version.json().get("version")),
        simulated_by=simulated_by,
        model=model,
        digest=str(available.get("digest")),
        quantization=_text(_part(available, "details").get("quantization_level")),
        layers=_layers(_part(show, "model_info")),
        loaded=loaded is not None,
        size_vram_share=_vram_share(loaded),
        context_length=None if loaded is None else _count(loaded.get("context_length")),
        expires_at=None if loaded is None else _expiry(loaded),
        thinks=_thinks(show.get("capabilities")),
        **(
            {}
            if simulated_by
            else await witnessed(client.url, _claimed(loaded), gpus or GpuWatch())
        ),
        round_trip_ms=None if simulated_by else version.elapsed.total_seconds() * MS_PER_S,
    )


async def _loaded(client: Client, model: str, tries: int = 1) -> dict[str, Any] | None:
    return _entry((await client.json("GET", "/api/ps", tries=tries)).get("models"), model)


def _expiry(loaded: dict[str, Any]) -> str | None:
    """Return when a model will be unloaded; emulators that do not know write the year 1."""
    text = loaded.get("expires_at")
    return None if not isinstance(text, str) or text.startswith(("0000", "0001")) else text or None


async def moves_together(
    first: Client, second: Client, model: str, touch: Mapping[str, Any]
) -> bool:
    """Say whether a request to one server moves the expiry that the other shows.

    Where two expiries are equal, this tells one process from two whose expiry is no clock at all:
    an emulator's may never move. `touch` is a request without text, of what is loaded already.

    Raises:
        ServerError: a server does not answer.
    """
    before = await _loaded(first, model)
    await first.request("POST", "/api/generate", touch)
    after, others = await _loaded(first, model), await _loaded(second, model)
    shown = [None if entry is None else _expiry(entry) for entry in (before, after, others)]
    return shown[1] is not None and shown[0] != shown[1] and shown[1] == shown[2]


def _claimed(loaded: dict[str, Any] | None) -> int:
    return _count((loaded or {}).get("size_vram")) or 0


class Twins(NamedTuple):
    """Two servers that reach one process; `by_expiry`: because loads of `model` end at once."""

    names: tuple[str, str]
    urls: tuple[str, str]
    model: str
    by_expiry: bool


def same_process(identities: Sequence[ServerIdentity]) -> Twins | None:
    """Return two servers that reach one process, None if none do or nothing is loaded.

    There is no server id in the API. Where the processes are known, they decide; else two loads
    that end at the same nanosecond are one load seen twice (OLLAMA.md A6), unless their expiry does
    not move (`moves_together`). The simulated servers share one clock: for them it says nothing.
    """
    for first, second in combinations(identities, 2):
        if first.server == second.server or first.simulated_by or second.simulated_by:
            continue
        names, urls = (first.server, second.server), (first.url, second.url)
        if first.pid and second.pid:
            if first.pid == second.pid:
                return Twins(names, urls, first.model, by_expiry=False)
            continue
        loaded = first.loaded and second.loaded and first.expires_at
        if loaded and (first.digest, first.expires_at) == (second.digest, second.expires_at):
            return Twins(names, urls, first.model, by_expiry=True)
    return None


def _part(entry: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return an object inside an answer; emulators leave it out or write something else."""
    found = entry.get(name)
    return found if isinstance(found, dict) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _count(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None


def _thinks(capabilities: object) -> bool | None:
    return "thinking" in capabilities if isinstance(capabilities, list) else None


def _layers(info: dict[str, Any]) -> int | None:
    """Layers that num_gpu counts: the blocks and the output layer (OLLAMA.md A1)."""
    blocks = info.get(f"{info.get('general.architecture')}.block_count")
    return blocks + 1 if isinstance(blocks, int) else None


def _vram_share(loaded: dict[str, Any] | None) -> float | None:
    """Return size_vram / size; Ollama leaves out a zero."""
    size = _count((loaded or {}).get("size"))
    held = _count((loaded or {}).get("size_vram", 0))
    return None if not size or held is None else held / size
