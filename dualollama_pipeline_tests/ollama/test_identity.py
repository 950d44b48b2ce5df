"""Who a server is: facts from four requests, and two URLs that reach one process."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest

from dualollama_pipeline.core.errors import ServerError
from dualollama_pipeline.core.records import ServerIdentity
from dualollama_pipeline.core.specs import Deadlines
from dualollama_pipeline.ollama.client import OllamaClient
from dualollama_pipeline.ollama.identity import moves_together, same_process, snapshot
from dualollama_pipeline_tests.faults.scripted import (
    MODEL,
    Request,
    Seen,
    Step,
    against,
    answer,
    serve,
)

ENTRY = {
    "name": MODEL,
    "size": 200,
    "digest": "d" * 64,
    "details": {"quantization_level": "Q4_K_M"},
}
LOADED = {"size_vram": 150, "context_length": 2048, "expires_at": "2318-01-01T00:00:00.123456789Z"}


def identify(model: str = MODEL, **changed: Any) -> ServerIdentity:
    """Snapshot a scripted server; `tags=...` and the like replace an answer."""
    content: dict[str, Any] = {
        "version": {"version": "0.33.0"},
        "tags": {"models": [ENTRY]},
        "show": {"model_info": {"general.architecture": "gemma3", "gemma3.block_count": 34}},
        "ps": {"models": [ENTRY | LOADED]},
    } | changed

    def script(request: Request) -> list[Step]:
        body = content[request.path.rsplit("/", 1)[-1]]
        return body if isinstance(body, list) else answer("200 OK", json.dumps(body).encode())

    async def act(url: str, _: Seen) -> ServerIdentity:
        async with OllamaClient(url, Deadlines()) as client:
            return await snapshot(client, "a", model)

    found: ServerIdentity = asyncio.run(against(script, act))
    return found


def test_facts_of_a_loaded_model() -> None:
    """What a batch is judged by later: version, weights, layers, placement, context."""
    found = identify()
    assert (found.version, found.digest, found.quantization) == ("0.33.0", "d" * 64, "Q4_K_M")
    assert found.layers == 35  # 34 blocks and the output layer
    assert found.size_vram_share == 0.75  # 150 / 200
    assert found.context_length == 2048
    assert found.simulated_by is None
    assert found.expires_at is not None
    assert found.expires_at.startswith("2318")  # beyond what pandas' timestamps can hold


def test_nothing_loaded_is_null_not_zero() -> None:
    """A share of 0 would read as `on the CPU`."""
    found = identify(ps={"models": []})
    assert not found.loaded
    assert found.size_vram_share is None
    assert found.context_length is None


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"tags": {"models": []}}, "ollama pull"),
        ({"tags": {"models": [ENTRY | {"remote_host": "https://ollama.com"}]}}, "cloud"),
        ({"version": answer("200 OK", b"<html>", "text/html")}, "not an Ollama"),
        ({"version": answer("200 OK", b"[]")}, "not an Ollama"),
        ({"tags": answer("404 Not Found", b"404 page not found", "text/plain")}, "404"),
        ({"tags": {"models": "many"}}, "ollama pull"),
    ],
)
def test_what_cannot_be_measured_is_told_before(changed: dict[str, Any], says: str) -> None:
    """Each of these would otherwise show as sixty failed calls."""
    with pytest.raises(ServerError) as caught:
        identify(**changed)
    assert says in str(caught.value)


def two(expires_a: str, expires_b: str, **changes: Any) -> list[ServerIdentity]:
    one = identify()
    return [
        one.model_copy(
            update={"server": "a", "url": "http://a:1", "expires_at": expires_a} | changes
        ),
        one.model_copy(
            update={"server": "b", "url": "http://b:1", "expires_at": expires_b} | changes
        ),
    ]


def urls_of(pair: list[ServerIdentity]) -> tuple[str, str] | None:
    found = same_process(pair)
    return None if found is None else found.urls


def test_one_process_behind_two_urls_is_found() -> None:
    """`dual` on one server is the anti-pattern, measured under the wrong name."""
    same = "2026-01-01T00:00:00.123456789Z"
    found = same_process(two(same, same))
    assert found is not None
    assert (found.urls, found.by_expiry) == (("http://a:1", "http://b:1"), True)


@pytest.mark.parametrize("expiry", ["0001-01-01T00:00:00Z", "", None])
def test_an_emulators_expiry_proves_nothing(expiry: str | None) -> None:
    """llama-swap and others answer the year 1: two of them were refused as one."""
    found = identify(ps={"models": [ENTRY | LOADED | {"expires_at": expiry}]})
    assert found.expires_at is None
    assert same_process(two(found.expires_at, found.expires_at)) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("moves_a", "moves_b", "together"),
    [(True, True, True), (True, False, False), (False, False, False)],
    ids=["one process", "two processes", "a clock that stands"],
)
def test_a_touch_tells_one_process_from_two(moves_a: bool, moves_b: bool, together: bool) -> None:
    """Equal expiries may be an emulator's constant; only what moves together is one process."""
    touched: list[str] = []

    def script(moves: bool) -> Callable[[Request], list[Step]]:
        def answers(request: Request) -> list[Step]:
            if request.path == "/api/generate":
                touched.append(request.path)
                return answer("200 OK", b"{}")
            at = "t2" if touched and moves else "t1"
            entry = ENTRY | LOADED | {"expires_at": at}
            return answer("200 OK", json.dumps({"models": [entry]}).encode())

        return answers

    async def act() -> bool:
        async with (
            serve(script(moves_a)) as (url_a, _),
            serve(script(moves_b)) as (url_b, _),
            OllamaClient(url_a, Deadlines()) as a,
            OllamaClient(url_b, Deadlines()) as b,
        ):
            return await moves_together(a, b, MODEL, {"model": MODEL, "keep_alive": "31m"})

    assert asyncio.run(act()) is together
    assert touched == ["/api/generate"]


@pytest.mark.parametrize(
    "changed",
    [
        {"show": answer("404 Not Found", b"404 page not found", "text/plain")},
        {"show": {"model_info": "none", "capabilities": "all"}},
        {"ps": {"models": [ENTRY | {"size_vram": "much", "context_length": "2k"}]}},
        {"tags": {"models": [ENTRY | {"details": None}]}},
    ],
)
def test_what_an_emulator_leaves_out_is_not_known(changed: dict[str, Any]) -> None:
    """A figure of the wrong type ended a night with a TypeError."""
    found = identify(**changed)
    assert found.digest == "d" * 64
    assert None in {found.layers, found.size_vram_share, found.quantization}


@pytest.mark.parametrize(
    "name", ["Gemma3", "library/gemma3", "registry.ollama.ai/library/gemma3:latest", "gemma3"]
)
def test_a_model_has_several_names(name: str) -> None:
    """Ollama finds it by each of them; `not there` sent people to pull what they had."""
    assert identify(name).digest == "d" * 64


def test_two_processes_are_two() -> None:
    """Two loads never end at the same nanosecond."""
    first, second = "2026-01-01T00:00:00.123456789Z", "2026-01-01T00:00:00.123456788Z"
    assert same_process(two(first, second)) is None


def test_simulated_servers_share_a_clock_not_a_process() -> None:
    """Loads of one virtual instant end at one virtual instant."""
    assert same_process(two("t", "t", simulated_by="dualollama/1.0")) is None


def test_processes_decide_where_they_are_known() -> None:
    """Loads that end at the same nanosecond are chance then; unloaded servers are known too."""
    first = identify().model_copy(update={"pid": 7})
    twin = first.model_copy(update={"server": "b", "url": "http://b"})
    assert urls_of([first, twin]) == (first.url, "http://b")
    assert same_process([first, twin.model_copy(update={"pid": 8})]) is None
    unloaded = {"loaded": False, "expires_at": None}
    pair = [s.model_copy(update=unloaded) for s in (first, twin)]
    assert urls_of(pair) == (first.url, "http://b")


def test_a_server_elsewhere_has_only_claims() -> None:
    """The scripted server is no `ollama` process, like one behind a tunnel."""
    found = identify()
    assert (found.pid, found.gpu_uuids, found.placement) == (None, None, "claimed")
    assert found.round_trip_ms is not None
    assert 0 < found.round_trip_ms < 60_000
    assert identify(ps={"models": [ENTRY | LOADED | {"size_vram": 0}]}).placement is None
