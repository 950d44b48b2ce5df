"""The trap: field names and statuses that are almost Ollama's.

Over ASGI, without sockets. Calls belong to a joined trial, so they take virtual time only.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from dualollama_pipeline.simulator.app import build_app
from dualollama_pipeline.simulator.conductor import Conductor
from dualollama_pipeline.simulator.profile import SIMULATOR_VERSION, Profile

MODEL = "gemma3:latest"
JOINED = {"X-Simulator-Trial": "t1", "X-Simulator-Agent": "a", "X-Simulator-Stage": "analysis"}


def with_server(profile: Profile, talk: Callable[[httpx.AsyncClient], Awaitable[Any]]) -> Any:
    """Run a conversation with server a, whose only agent `a` has joined trial t1."""

    async def conversation() -> Any:
        app = build_app(0, Conductor(profile), profile)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://a") as client:
            joined = await client.post("/simulator/join", json={"trial_id": "t1", "agents": ["a"]})
            assert joined.json() == {"now_ns": 0}
            return await talk(client)

    return asyncio.run(conversation())


async def generate(client: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    return await client.post("/api/generate", json={"model": MODEL, **fields}, headers=JOINED)


def test_catalog(standard: Profile):
    async def talk(client: httpx.AsyncClient) -> None:
        version = await client.get("/api/version")
        assert version.json() == {"version": "0.33.0-simulated"}
        assert version.headers["X-Simulated"] == f"dualollama/{SIMULATOR_VERSION}"
        (tag,) = (await client.get("/api/tags")).json()["models"]
        assert (tag["name"], tag["model"], tag["size"]) == (MODEL, MODEL, 3_300_000_000)
        assert len(tag["digest"]) == 64
        show = (await client.post("/api/show", json={"model": "gemma3"})).json()
        assert show["model_info"]["gemma3.block_count"] == 34
        assert show["model_info"]["gemma3.context_length"] == 131_072
        assert (await client.post("/api/show", json={"model": "x"})).status_code == 404
        profile = (await client.get("/simulator/profile")).json()
        assert profile["fingerprint"] == standard.fingerprint

    with_server(standard, talk)


def test_ps_shows_what_is_loaded_and_where(standard: Profile):
    async def talk(client: httpx.AsyncClient) -> None:
        async def ps() -> list[dict[str, Any]]:
            return list((await client.get("/api/ps")).json()["models"])

        assert await ps() == []
        for num_gpu, size_vram in (
            (0, 0),
            (7, 660_000_000),
            (35, 3_300_000_000),
            (99, 3_300_000_000),
        ):
            options = {"num_gpu": num_gpu, "num_ctx": 512}
            loaded = await generate(client, options=options, keep_alive="30m")
            assert loaded.json()["done_reason"] == "load"
            (model,) = await ps()
            assert (model["size_vram"], model["context_length"]) == (size_vram, 2048)
        # Four reloads of 4363 ms without noise, then 30 minutes.
        assert model["expires_at"] == "2026-01-01T00:30:17.452000000Z"
        unloaded = await generate(client, keep_alive=0)
        assert unloaded.json()["done_reason"] == "unload"
        assert unloaded.headers["X-Simulated-Received-Ns"] == "17452000000"
        assert await ps() == []
        await generate(client, keep_alive=-1)
        assert (await ps())[0]["expires_at"].startswith("2318-")

    with_server(standard.noise_free(), talk)


def test_stream_carries_virtual_time(round_profile: Profile):
    async def talk(client: httpx.AsyncClient) -> None:
        await generate(client)  # loads: 4000 ms
        answer = await generate(client, prompt="x" * 1000, options={"num_predict": 3})
        assert answer.headers["X-Simulated-Received-Ns"] == "4000000000"
        assert answer.headers["Content-Type"] == "application/x-ndjson"
        assert answer.headers["X-Simulated"]
        records = [json.loads(line) for line in answer.content.split(b"\n") if line]
        assert [r["created_at"][17:] for r in records] == [
            "04.263000000Z",
            "04.273500000Z",
            "04.284000000Z",
            "04.294500000Z",
        ]
        assert [r["done"] for r in records] == [False, False, False, True]
        assert all(r["response"].strip() for r in records[:3])
        final = records[-1]
        assert {k: v for k, v in final.items() if k not in ("model", "created_at", "response")} == {
            "done": True,
            "done_reason": "length",
            "total_duration": 294_500_000,
            "load_duration": 200_000_000,
            "prompt_eval_count": 200,
            "prompt_eval_duration": 60_000_000,
            "eval_count": 3,
            "eval_duration": 30_000_000,
        }

    with_server(round_profile, talk)


def test_without_stream_one_object_holds_the_whole_text(round_profile: Profile):
    """Both forms of one call are drawn from the same key and must agree."""

    async def talk(client: httpx.AsyncClient) -> list[str]:
        options = {"num_predict": 5}
        streamed = await generate(client, prompt="hello", options=options)
        lines = [json.loads(line) for line in streamed.content.splitlines()]
        whole = await generate(client, prompt="hello", options=options, stream=False)
        assert whole.json()["eval_count"] == 5
        assert whole.json()["done"] is True
        return ["".join(line["response"] for line in lines), whole.json()["response"]]

    streamed_text, whole_text = with_server(round_profile, talk)
    assert streamed_text == whole_text != ""


@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({"model": "x", "prompt": "p"}, 404, "model 'x' not found"),
        ({"prompt": "p", "options": {"num_ctx": "1"}}, 500, "must be of type integer"),
        ({"prompt": "p", "keep_alive": "10"}, 400, 'time: missing unit in duration "10"'),
        ({"prompt": "p" * 30_000, "truncate": False}, 400, '"type":"exceed_context_size_error"'),
    ],
)
def test_error_bodies(standard: Profile, fields: dict[str, Any], status: int, error: str):
    async def talk(client: httpx.AsyncClient) -> httpx.Response:
        return await generate(client, **fields)

    answer = with_server(standard, talk)
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert error in answer.json()["error"]
    assert answer.headers["X-Simulated-Received-Ns"] == "0"
    assert answer.headers["X-Simulated"]


def test_silent_end_of_a_repetition(standard: Profile):
    """The study's only contention event was a stream without a final record."""
    accidents = standard.accidents.model_copy(
        update={"repetition_per_following_call": 1.0, "repetition_tokens": 50}
    )
    profile = standard.model_copy(update={"accidents": accidents})

    async def talk(client: httpx.AsyncClient) -> None:
        first = await generate(client, prompt="hello", options={"num_predict": 2})
        assert b'"done":true' in first.content
        bad = await generate(client, prompt="hello")
        assert bad.status_code == 200
        assert bad.content.count(b"\n") == 50
        assert b'"done":true' not in bad.content
        whole = await generate(client, prompt="hello", stream=False)
        assert whole.json()["done"] is False
        assert "eval_count" not in whole.json()

    with_server(profile, talk)


def test_paths_and_methods_that_do_not_exist(standard: Profile):
    async def talk(client: httpx.AsyncClient) -> None:
        missing = await client.get("/api/nothing")
        assert (missing.status_code, missing.text) == (404, "404 page not found")
        assert missing.headers["X-Simulated"]
        assert (await client.get("/api/generate")).status_code == 405

    with_server(standard, talk)


@pytest.mark.parametrize(
    "body",
    [{}, {"trial_id": "t"}, {"trial_id": "t", "agents": []}, {"trial_id": "t", "agents": "ab"}],
)
def test_join_refuses_half_a_trial(standard: Profile, body: dict[str, Any]):
    async def talk(client: httpx.AsyncClient) -> httpx.Response:
        return await client.post("/simulator/join", json=body)

    assert with_server(standard, talk).status_code == 400
