"""One OpenAI-compatible server (llama-server, vLLM, LM Studio, Ollama's /v1): its requests.

Such a server has the model that it was started with, or loads and drops models as it likes: nothing
is loaded or unloaded here, and a load shows only in the time of a first token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from dualollama_pipeline.core.errors import ServerError
from dualollama_pipeline.openai.identity import entries, names_of, props_of, snapshot, version_of
from dualollama_pipeline.openai.stream import read_answer
from dualollama_pipeline.openai.ways import WAYS
from dualollama_pipeline.transport.client import SIMULATOR_HEADER, Body, Client, Introduction

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import httpx

    from dualollama_pipeline.core.plan import Plan, PlannedAgent, Stage
    from dualollama_pipeline.core.records import ServerIdentity
    from dualollama_pipeline.machine.gpu import GpuWatch
    from dualollama_pipeline.transport.exchange import Exchange
    from dualollama_pipeline.transport.failures import Ways

MODELS, CHAT = "/v1/models", "/v1/chat/completions"


class OpenAIClient(Client):
    """Speaks to one server; its URL is what stands before `/v1`."""

    kind = "OpenAI-compatible"
    ways: ClassVar[Ways] = WAYS
    holds_models = False

    async def greet(self, tries: int = 1) -> httpx.Response:
        """Ask for the models."""
        response = await self.request("GET", MODELS, tries=tries)
        if not isinstance(self.object_of(response, MODELS).get("data"), list):
            raise ServerError(
                f"{self.url}{MODELS}: no list of models: {response.text[:80]!r}",
                f"this is not an {self.kind} server; correct its URL",
            )
        return response

    async def introduce(self) -> Introduction:
        """Ask for models, version and slots."""
        said = await self.greet()
        names = [name for entry in entries(said.json()) for name in names_of(entry)]
        props = await props_of(self)
        is_simulated = SIMULATOR_HEADER in said.headers
        slots = props.get("total_slots")
        software = (
            f"{'simulated, ' if is_simulated else ''}{self.kind}, version "
            f"{await version_of(self, props)}{f', {slots} slots' if slots else ''}"
        )
        return Introduction(software, list(dict.fromkeys(names)), is_simulated)

    async def identity(
        self, server: str, model: str, asked: Collection[str], gpus: GpuWatch, tries: int = 1
    ) -> ServerIdentity:
        """Ask for what it tells of itself, and refuse options that it would pass over."""
        return await snapshot(self, server, model, asked, gpus, tries)

    def way_to_have(self, model: str) -> str:
        """Start it with that one."""
        return f"start the server with {model} (llama-server: -m, and --alias for the name)"

    def body(self, plan: Plan, agent: PlannedAgent, stage: Stage, *, thinks: bool) -> Body:
        """Return the body of a chat completion; whether to think is the server's choice.

        The length is bounded by `max_tokens`: Ollama passes over `max_completion_tokens`. To hold
        it, llama-server and vLLM take `ignore_eos`.
        """
        del thinks
        is_parity = plan.workload == "parity"
        messages = [{"role": "user", "content": stage.prompt}] if is_parity else stage.messages
        limits = {"max_tokens": stage.num_predict, "seed": None if is_parity else stage.seed}
        return {
            "model": agent.model,
            "messages": messages,
            "stream": True,
            "stream_options": {"include_usage": True},
            **agent.options.given(),
            **{name: value for name, value in limits.items() if value is not None},
            **({"ignore_eos": True} if plan.hold_length else {}),
        }

    def loading(self, body: Body, keep_alive: str | None = None) -> None:
        """Return None: what is loaded is the server's business."""
        del body, keep_alive

    async def unload_all(self) -> None:
        """Do nothing: what is loaded is the server's business."""

    async def loaded(self) -> None:
        """Return None: nobody says."""

    def prepare(self, body: Body, headers: Mapping[str, str], exchange: Exchange) -> httpx.Request:
        """Build a request to /v1/chat/completions."""
        return self._prepare(CHAT, body, headers, exchange, read_answer)
