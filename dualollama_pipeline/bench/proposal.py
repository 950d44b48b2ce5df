"""A study proposed from the servers that are there: agents, and configurations that really differ.

Two configurations that a server loads alike would be one measured twice, so each value is proposed
from what the server shows once it has loaded the model.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from dualollama_pipeline.core.credentials import credentials_of
from dualollama_pipeline.core.errors import InputError, ServerError
from dualollama_pipeline.core.model_name import same_model
from dualollama_pipeline.core.settings import by_number
from dualollama_pipeline.core.specs import Deadlines
from dualollama_pipeline.ollama.client import OllamaClient
from dualollama_pipeline.ollama.identity import snapshot
from dualollama_pipeline.transport.exchange import Exchange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from dualollama_pipeline.core.records import ServerIdentity

USUAL_URLS = ("http://127.0.0.1:11434", "http://127.0.0.1:11435")
NAMES = ("one", "two", "three", "four", "five", "six", "seven", "eight")
LEAST_CONTEXT = 2048  # many models raise less to this
PLAIN_CONTEXTS = (2048, 8192)  # where a server does not show what it loads by default
GIB = 2**30

HEAD = """\
# Proposed by `dualollama init` from what these servers showed:
{found}
# Change what you like: the prompts should be your agents' own. `dualollama --study {folder} doctor`
# says whether all of it can be done and how long a night takes; `... run` measures it.
"""
AGENTS = """
# Each agent has a server to itself. What stands here holds in every configuration; without a limit
# (num_predict) answers end when the model likes, and the arms do unequal work.
agents:
"""
CONFIGURATIONS = """
# In each, every agent is measured alone, all apart (each on its own server), all on {first}.
# Configurations that differ in one thing are compared with each other.
configurations:
"""
SLOTS = """\
# One server has its fair chance with as many slots as agents. Servers that are started here
# (DUALOLLAMA_SERVERS=managed) are started anew for such a configuration:
#  - id: slots
#    servers: {{{first}: {{environment: {{OLLAMA_NUM_PARALLEL: {n}}}}}}}
"""
PROMPTS = (
    "List what is known about heat pumps in old houses, point by point, with figures.",
    "Write a page on heat pumps in old houses for people who own one, in short sentences.",
    "Name the three weakest points of an article on heat pumps in old houses, and why.",
)
ROLES = ("researcher", "writer", "critic")


@dataclass(frozen=True)
class Model:
    """A model of a server that can write: `size_bytes` of its file, what it was trained for."""

    name: str
    size_bytes: int
    trained_num_ctx: int | None


@dataclass(frozen=True)
class Found:
    """A server that answers, its version, and its models, the one in use first."""

    name: str
    url: str
    version: str
    models: tuple[Model, ...]


async def look(urls: Mapping[str, str], tell: Callable[[str], None]) -> list[Found]:
    """Ask which of some servers, by name, answer and what they hold; no model is loaded.

    Raises:
        InputError: none answers, or one of them has no model that can write.
    """
    if len({by_number(url) for url in urls.values()}) < len(urls):
        raise InputError(
            f"--url {' '.join(urls.values())}: two of them are one server",
            "name each server once; start a second one on a port of its own",
        )
    found = []
    for name, url in urls.items():
        async with OllamaClient(url, Deadlines(), credentials_of(name)) as client:
            try:
                found.append(await _ask(client, name))
            except ServerError as error:
                tell(f"{url} is left out: {error.problem}")
    if not found:
        raise InputError(
            f"no server answers ({', '.join(urls.values())})",
            "start one with `OLLAMA_HOST=127.0.0.1:11434 ollama serve`, or name others with --url",
        )
    if empty := [each.url for each in found if not each.models]:
        raise InputError(
            f"{', '.join(empty)}: no model that can write",
            "`ollama pull llama3.2:1b` on that server, or another model",
        )
    return found


async def _ask(client: OllamaClient, name: str) -> Found:
    version = str((await client.greet()).json().get("version"))
    entries = (await client.json("GET", "/api/tags")).get("models")
    running = (await client.json("GET", "/api/ps")).get("models")
    in_use = [str(each.get("name")) for each in _dicts(running)]
    models = []
    for entry in _dicts(entries):
        shown = await client.json("POST", "/api/show", {"model": entry.get("name")})
        if model := model_of(entry, shown):
            models.append(model)
    models.sort(key=lambda model: (model.name not in in_use, -model.size_bytes))
    return Found(name, client.url, version, tuple(models))


def _dicts(entries: object) -> list[dict[str, Any]]:
    listed = entries if isinstance(entries, list) else []
    return [each for each in listed if isinstance(each, dict)]


def model_of(entry: dict[str, Any], shown: dict[str, Any]) -> Model | None:
    """Return a model that writes and runs here; None for one of embeddings, or of the cloud."""
    capabilities = shown.get("capabilities")
    writes = not isinstance(capabilities, list) or "completion" in capabilities
    if not writes or entry.get("remote_host") or entry.get("remote_model"):
        return None
    info = shown.get("model_info")
    info = info if isinstance(info, dict) else {}
    trained = info.get(f"{info.get('general.architecture')}.context_length")
    size = entry.get("size")
    return Model(
        str(entry.get("name")),
        size if isinstance(size, int) else 0,
        trained if isinstance(trained, int) else None,
    )


async def load(server: Found, model: Model) -> ServerIdentity:
    """Load a model as the server's defaults want it; return what it shows then.

    Raises:
        ServerError: it cannot be loaded, or the server does not answer.
    """
    async with OllamaClient(server.url, Deadlines(), credentials_of(server.name)) as client:
        body = {"model": model.name, "prompt": "", "stream": False}
        # loaded with other options it would keep them, and show them as its defaults
        await client.json("POST", "/api/generate", {**body, "keep_alive": 0})
        exchange = Exchange(url=client.url, model=model.name)
        await client.generate(body, {}, exchange)
        if exchange.failure is not None:
            raise ServerError(
                f"{client.url}: {model.name} cannot be loaded: {exchange.failure.text}",
                client.way_out(exchange.failure),
            )
        return await snapshot(client, server.name, model.name)


def choose(servers: Sequence[Found]) -> Model:
    """Return the model for all agents: the one in use on the first server, if all have it."""
    for model in servers[0].models:
        if all(any(same_model(model.name, m.name) for m in each.models) for each in servers):
            return model
    raise InputError(
        f"no model is on all of {', '.join(each.url for each in servers)}",
        f"`ollama pull {servers[0].models[0].name}` on each of them",
    )


def configurations(
    servers: Sequence[Found], model: Model, shown: ServerIdentity, agents: Sequence[str]
) -> list[dict[str, Any]]:
    """Return up to 5 configurations, no two of which are equal once loaded."""

    def all_with(name: str, num_ctx: int) -> dict[str, Any]:
        return {"id": name, **{agent: {"num_ctx": num_ctx} for agent in agents}}

    context, trained = shown.context_length, model.trained_num_ctx
    if context is None:
        made = [all_with(f"context-{num_ctx}", num_ctx) for num_ctx in PLAIN_CONTEXTS]
    else:
        others = {"half-context": context // 2, "double-context": context * 2}
        made = [{"id": "as-it-is"}]
        made += [
            all_with(name, num_ctx)
            for name, num_ctx in others.items()
            if LEAST_CONTEXT <= num_ctx <= (trained or context)
        ]
    if shown.layers is not None and shown.size_vram_share:  # without a GPU it changes nothing
        half = {"num_gpu": shown.layers // 2}
        made.append({"id": "half-on-cpu", agents[-1]: half})
    smaller = [
        each
        for each in servers[0].models
        if each.size_bytes < model.size_bytes
        and all(any(same_model(each.name, m.name) for m in s.models) for s in servers)
    ]
    if smaller:
        other = max(smaller, key=lambda each: each.size_bytes)
        made.append({"id": "smaller-model", agents[-1]: {"model": other.name}})
    return made


def write(servers: Sequence[Found], model: Model, shown: ServerIdentity, folder: str) -> str:
    """Return the text of a commented study.yaml for these servers."""
    agents = [ROLES[n] if n < len(ROLES) else f"agent{n + 1}" for n in range(len(servers))]
    lines = [
        f"#   {each.name}: {each.url}, Ollama {each.version}, "
        + ", ".join(f"{m.name} ({m.size_bytes / GIB:.1f} GiB)" for m in each.models[:6])
        for each in servers
    ]
    share = shown.size_vram_share
    where = "" if share is None else f", {100 * share:.0f} % of it in GPU memory"
    lines.append(
        f"#   {model.name} has {shown.layers or 'an unknown number of'} layers, and a context of "
        f"{shown.context_length or 'unknown length'} by default{where}."
    )
    text = (
        HEAD.format(found="\n".join(lines), folder=folder) + f"name: {_name_of(folder)}\nservers:\n"
    )
    text += _items({"name": each.name, "url": each.url} for each in servers)
    text += AGENTS
    text += _items(
        {
            "name": agent,
            "server": server.name,
            "model": model.name,
            "num_predict": 300,
            "prompts": [PROMPTS[n % len(PROMPTS)]],
        }
        for n, (agent, server) in enumerate(zip(agents, servers, strict=True))
    )
    text += CONFIGURATIONS.format(first=servers[0].name)
    text += _items(configurations(servers, model, shown, agents))
    return text + SLOTS.format(first=servers[0].name, n=len(servers))


def _name_of(folder: str) -> str:
    """Return a study's name, made of its folder's."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", Path(folder).resolve().name).strip("-")[:64] or "mine"


def _items(entries: Iterable[dict[str, Any]]) -> str:
    """Write a list two blanks further in, as people do."""
    text = yaml.safe_dump(list(entries), sort_keys=False, allow_unicode=True, width=100)
    return "".join(f"  {line}\n" for line in text.splitlines())


def propose(urls: Mapping[str, str], folder: str, tell: Callable[[str], None]) -> str:
    """Look at servers, load one model, and return a study for them.

    Raises:
        InputError: as `look` and `choose`.
        ServerError: the model cannot be loaded.
    """

    async def act() -> str:
        servers = await look(urls, tell)
        if len(servers) == 1:
            tell(
                f"{servers[0].url} alone answers: a study of one agent, whose delays are measured; "
                "start a second server and name it with --url to compare"
            )
        model = choose(servers)
        tell(f"loading {model.name} on {servers[0].url}")
        shown = await load(servers[0], model)
        return write(servers, model, shown, folder)

    return asyncio.run(act())
