"""What an OpenAI-compatible server says of itself: as much as it tells, and no guess at the rest.

Asked are `/v1/models` (all have it; while llama-server loads, it answers 503 there as on any path),
`/props` (llama-server) and `/version` (vLLM). Where the weights lie is told by none of them.
"""

from __future__ import annotations

import hashlib
import json
import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from dualollama_pipeline.core.errors import ServerError
from dualollama_pipeline.core.model_name import same_model
from dualollama_pipeline.core.records import NOT_TOLD, ServerIdentity
from dualollama_pipeline.core.units import MS_PER_S
from dualollama_pipeline.machine.gpu import GpuWatch, witnessed
from dualollama_pipeline.transport.client import SIMULATOR_HEADER

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from dualollama_pipeline.transport.client import Client

# What a server is known to take besides these, by its `owned_by`: an unknown field is passed over
# without a word, and what was measured would bear the name of what was asked.
ALL_TAKE = frozenset({"temperature", "top_p"})
TAKES: Mapping[object, frozenset[str]] = {
    "llamacpp": frozenset({"top_k", "repeat_penalty", "hold_length"}),
    "vllm": frozenset({"top_k", "hold_length"}),
}
OF_WEIGHTS = ("ftype", "n_embd", "n_ctx_train", "n_params", "n_vocab", "size", "vocab_type")


def entries(models: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the models in the answer of /v1/models."""
    data = models.get("data")
    return [each for each in data if isinstance(each, dict)] if isinstance(data, list) else []


def names_of(entry: Mapping[str, Any]) -> list[str]:
    """Return a model's id and its other names."""
    aliases = entry.get("aliases")
    return [str(name) for name in (entry.get("id"), *(aliases or ())) if name is not None]


async def version_of(client: Client, props: Mapping[str, Any]) -> str:
    """Return the server's version, "not told" where it has no word for it."""
    told = props.get("build_info")
    if told is None:
        with suppress(ServerError):
            told = (await client.json("GET", "/version")).get("version")
    return told if isinstance(told, str) else NOT_TOLD


async def props_of(client: Client) -> dict[str, Any]:
    """Return what /props says; nothing where there is none."""
    with suppress(ServerError):
        return await client.json("GET", "/props")
    return {}


async def snapshot(
    client: Client, server: str, model: str, asked: Collection[str], gpus: GpuWatch, tries: int = 1
) -> ServerIdentity:
    """Ask one server for its identity; three small requests.

    Its digest is one of what it tells about the weights, not of them.

    Raises:
        ServerError: the server does not answer, does not list the model, or is not known to take an
            option that is asked for.
    """
    said = await client.greet(tries)
    listed = entries(said.json())
    found = next((e for e in listed if any(same_model(model, n) for n in names_of(e))), None)
    if found is None:  # llama-server would answer all the same, with what it has loaded
        there = ", ".join(name for entry in listed for name in names_of(entry)) or "no models"
        raise ServerError(
            f"{client.url}: model {model!r} is not there; there are {there}",
            client.way_to_have(model),
        )
    _refuse_unknown(client, asked, found.get("owned_by"))
    props = await props_of(client)
    meta = _part(found, "meta")
    context = _count(meta.get("n_ctx"))
    if context is None:
        context = _count(found.get("max_model_len"))
    simulated_by = await client.simulator(said.headers.get(SIMULATOR_HEADER))
    quantization = meta.get("ftype")
    return ServerIdentity(
        server=server,
        url=client.url,
        version=await version_of(client, props),
        simulated_by=simulated_by,
        model=model,
        digest=_digest(meta, props),
        quantization=quantization if isinstance(quantization, str) else None,
        layers=None,
        loaded=context is not None,  # only who has loaded a model tells its context
        size_vram_share=None,
        context_length=context,
        slots=_count(props.get("total_slots")),
        **({} if simulated_by else await witnessed(client.url, 0, gpus)),
        round_trip_ms=None if simulated_by else said.elapsed.total_seconds() * MS_PER_S,
    )


def _refuse_unknown(client: Client, asked: Collection[str], owned_by: object) -> None:
    unknown = sorted(set(asked) - ALL_TAKE - TAKES.get(owned_by, frozenset()))
    if unknown:
        raise ServerError(
            f"{client.url}: a server of {owned_by!r} is not known to take {', '.join(unknown)}, it "
            "may pass over it without a word",
            "leave it out of the study, or use llama-server or `protocol: ollama`",
        )


def _digest(meta: Mapping[str, Any], props: Mapping[str, Any]) -> str:
    told = {name: meta[name] for name in OF_WEIGHTS if name in meta}
    if "model_path" in props:  # the folder is the machine's, the name is the model's
        told["file"] = re.split(r"[\\/]", str(props["model_path"]))[-1]
    if "chat_template" in props:
        told["template"] = props["chat_template"]
    if not told:
        return NOT_TOLD
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


def _part(content: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = content.get(name)
    return part if isinstance(part, dict) else {}


def _count(value: object) -> int | None:
    return value if type(value) is int and value >= 0 else None
