"""One Ollama server: its requests, what it holds, and its loads, which are ours to order."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from dualollama_pipeline.core.errors import ServerError
from dualollama_pipeline.ollama.identity import snapshot
from dualollama_pipeline.ollama.stream import read_answer
from dualollama_pipeline.ollama.ways import WAYS
from dualollama_pipeline.transport.client import SIMULATOR_HEADER, Body, Client, Introduction

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import httpx

    from dualollama_pipeline.core.plan import Plan, PlannedAgent, Stage
    from dualollama_pipeline.core.records import ServerIdentity
    from dualollama_pipeline.machine.gpu import GpuWatch
    from dualollama_pipeline.transport.exchange import Exchange
    from dualollama_pipeline.transport.failures import Ways

CONTROL_TRIES = 3
UNLOAD_DEADLINE_S = 30.0
POLL_S = 0.1

# An answer of this form cannot end within 300 tokens: 80 strings of 10 characters are more.
ENDLESS = {
    "type": "array",
    "items": {"type": "string", "minLength": 10},
    "minItems": 80,
}


class OllamaClient(Client):
    """Speaks to one Ollama server."""

    kind = "Ollama"
    ways: ClassVar[Ways] = WAYS
    holds_models = True

    async def greet(self, tries: int = 1) -> httpx.Response:
        """Ask for the version."""
        response = await self.request("GET", "/api/version", tries=tries)
        self.object_of(response, "/api/version")
        return response

    async def introduce(self) -> Introduction:
        """Ask for version and models."""
        said = await self.greet()
        tags = (await self.json("GET", "/api/tags")).get("models")
        entries = tags if isinstance(tags, list) else []  # emulators write what they like
        names = [str(each["name"]) for each in entries if isinstance(each, dict) and "name" in each]
        is_simulated = SIMULATOR_HEADER in said.headers
        software = f"{'simulated' if is_simulated else self.kind} {said.json().get('version')}"
        return Introduction(software, names, is_simulated)

    async def identity(
        self, server: str, model: str, asked: Collection[str], gpus: GpuWatch, tries: int = 1
    ) -> ServerIdentity:
        """Ask for version, digest and placement; Ollama takes every option that a study has."""
        del asked
        return await snapshot(self, server, model, gpus, tries)

    def way_to_have(self, model: str) -> str:
        """Pull it."""
        return f"`ollama pull {model}` on that server"

    async def trained_context(self, model: str) -> int | None:
        """Return the longest context of a model, tokens, if /api/show says so."""
        info: Any = None
        with suppress(ServerError):
            info = (await self.json("POST", "/api/show", {"model": model})).get("model_info")
        if not isinstance(info, dict):
            return None
        trained = info.get(f"{info.get('general.architecture')}.context_length")
        return trained if isinstance(trained, int) else None

    def body(self, plan: Plan, agent: PlannedAgent, stage: Stage, *, thinks: bool) -> Body:
        """Return the body of a generation.

        `parity` sends what TR114's program sent: no nonce, seed, keep_alive, truncate or shift.
        """
        options: dict[str, int | float] = agent.options.given()
        if stage.num_predict is not None:
            options["num_predict"] = stage.num_predict
        if plan.workload == "parity":
            plain = {"model": agent.model, "prompt": stage.prompt}
            return {**plain, "stream": True, "options": options}
        if stage.seed is not None:
            options["seed"] = stage.seed
        said: Body = {"prompt": stage.nonce + stage.prompt}
        return {
            "model": agent.model,
            **({"messages": stage.messages} if plan.api == "chat" else said),
            "stream": True,
            "options": options,
            "keep_alive": plan.keep_alive,
            **({"think": bool(agent.think)} if thinks else {}),
            **({"format": ENDLESS} if plan.hold_length else {}),
            "truncate": False,  # refuse a prompt that does not fit: Ollama would cut it in silence
            "shift": False,
        }

    def loading(self, body: Body, keep_alive: str | None = None) -> Body:
        """Return the same request without text: Ollama loads the model, or moves its expiry."""
        nothing: Body = {"messages": []} if "messages" in body else {"prompt": ""}
        kept = {} if keep_alive is None else {"keep_alive": keep_alive}
        return {**body, **nothing, "stream": False, **kept}

    async def unload_all(self) -> None:
        """Unload whatever is there and wait until it is gone: num_gpu and num_ctx are sticky."""
        try:
            async with asyncio.timeout(UNLOAD_DEADLINE_S):
                while loaded := await self.loaded():
                    for name in loaded:
                        body = {"model": name, "prompt": "", "keep_alive": 0, "stream": False}
                        await self.json("POST", "/api/generate", body, CONTROL_TRIES)
                    await asyncio.sleep(POLL_S if await self.loaded() else 0)
        except TimeoutError as error:
            raise ServerError(
                f"{self.url}: a model is still loaded {UNLOAD_DEADLINE_S:.0f} s after unloading",
                "is somebody else using this server? stop them, or restart the server",
            ) from error

    async def loaded(self) -> list[str]:
        """Return what /api/ps lists."""
        models = (await self.json("GET", "/api/ps", tries=CONTROL_TRIES)).get("models")
        entries = models if isinstance(models, list) else []
        return [str(entry["name"]) for entry in entries if isinstance(entry, dict)]

    def prepare(self, body: Body, headers: Mapping[str, str], exchange: Exchange) -> httpx.Request:
        """Build a request to /api/chat (a body with `messages`) or /api/generate."""
        path = "/api/chat" if "messages" in body else "/api/generate"
        is_load = not (body.get("prompt") or body.get("messages"))
        return self._prepare(path, body, headers, exchange, read_answer, is_load=is_load)
