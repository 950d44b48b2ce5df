"""The trap: chunks that are almost llama-server's, or an end that the reader would not miss.

Over ASGI, without sockets, as in test_app.py.
"""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from dualollama_pipeline.simulator.profile import Profile
from dualollama_pipeline_tests.simulator.test_app import JOINED, MODEL, with_server

SAID = [{"role": "user", "content": "Say much."}]


async def complete(client: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    body = {"model": MODEL, "messages": SAID, "stream": True, "max_tokens": 5} | fields
    return await client.post("/v1/chat/completions", json=body, headers=JOINED)


def test_a_stream_ends_with_reason_usage_times_and_mark(standard: Profile) -> None:
    """In llama-server's order: the reason, then the usage with its times, then [DONE]."""

    async def talk(client: httpx.AsyncClient) -> None:
        answer = await complete(client, ignore_eos=True)
        assert answer.headers["content-type"] == "text/event-stream"
        *events, rest = answer.text.split("\n\n")
        assert (events[-1], rest) == ("data: [DONE]", "")
        chunks = [json.loads(each.removeprefix("data: ")) for each in events[:-1]]
        *tokens, end, counted = chunks
        assert len(tokens) == 5
        assert all(each["choices"][0]["delta"]["content"] for each in tokens)
        assert end["choices"] == [{"index": 0, "delta": {}, "finish_reason": "length"}]
        assert counted["choices"] == []
        assert counted["usage"]["completion_tokens"] == counted["timings"]["predicted_n"] == 5
        assert counted["timings"]["predicted_ms"] > 0
        assert {each["model"] for each in chunks} == {MODEL}

    with_server(standard, talk)


def test_the_catalog_tells_what_llama_server_tells(standard: Profile) -> None:
    """Identity rests on these fields."""

    async def talk(client: httpx.AsyncClient) -> None:
        (entry,) = (await client.get("/v1/models")).json()["data"]
        assert (entry["id"], entry["owned_by"]) == (MODEL, "llamacpp")
        assert entry["meta"]["n_ctx"] == standard.model.default_num_ctx
        props = (await client.get("/props")).json()
        assert (props["total_slots"], props["build_info"]) == (1, "0.33.0-simulated")

    with_server(standard, talk)


@pytest.mark.parametrize(
    ("changes", "status", "says"),
    [
        ({"model": "nope"}, 404, "model 'nope' not found"),
        ({"messages": []}, 400, "messages"),
        ({"stream": False}, 400, "stream"),
        ({"max_tokens": "many"}, 400, "max_tokens"),
        ({"messages": [{"role": "user", "content": "word " * 20_000}]}, 400, "context"),
    ],
)
def test_a_refusal_has_the_protocols_shape(
    standard: Profile, changes: dict[str, Any], status: int, says: str
) -> None:
    """An `error` that is a text is Ollama's."""

    async def talk(client: httpx.AsyncClient) -> None:
        answer = await complete(client, **changes)
        assert answer.status_code == status
        assert says in answer.json()["error"]["message"]

    with_server(standard, talk)
