"""Real OpenAI-compatible servers, byte for byte: 123 exchanges with llama-server and Ollama's /v1.

The trap: a stream without its usage or its end, another model's answer, or a zero where the server
tells nothing, taken for a measurement. What they mean is in outcomes_openai.py.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from dualollama_pipeline.core.errors import ServerError
from dualollama_pipeline.core.records import NOT_TOLD, CallRecord, ServerIdentity, Status
from dualollama_pipeline.machine.gpu import GpuWatch
from dualollama_pipeline.openai.client import OpenAIClient
from dualollama_pipeline.transport.exchange import Exchange
from dualollama_pipeline.worker.call import Window, call_record
from dualollama_pipeline.worker.clock import RealClock
from dualollama_pipeline_tests.faults.cases import MS, PATIENT
from dualollama_pipeline_tests.wire.outcomes import Failed, Refused, Told
from dualollama_pipeline_tests.wire.outcomes_openai import OUTCOMES, Said
from dualollama_pipeline_tests.wire.test_replay import (
    AGENT,
    OF_READS,
    OF_TIME,
    STAGE,
    URL,
    Cut,
    Recorded,
    as_recorded,
    byte_by_byte,
    check_failed,
    holds,
    in_one_read,
    ns,
    with_tapes,
)

SERVERS = sorted(OUTCOMES)
CASES = [(server, name) for server in SERVERS for name in sorted(OUTCOMES[server])]
LLAMA_SERVER = "llama-server-0.5.0-dev"
OLLAMAS = [server for server in SERVERS if server != LLAMA_SERVER]


@cache
def recorded(server: str) -> dict[str, Recorded]:
    packed = Path(__file__).with_name(f"openai-{server}.json.gz").read_bytes()
    return {
        each["name"]: Recorded(
            each["request"] or {}, [(ms, raw.encode()) for ms, raw in each["reads"]]
        )
        for each in json.loads(gzip.decompress(packed))
    }


async def exchanged(server: str, name: str, cut: Cut) -> Exchange:
    """Perform a generation, and date it as it was recorded."""
    one = recorded(server)[name]
    model = one.body.get("model") or ("smollm2" if server == LLAMA_SERVER else "smollm2:latest")
    exchange = Exchange(url=URL, model=model)
    async with OpenAIClient(URL, PATIENT) as client:
        (tape,) = with_tapes(client, cut(one.reads))
        await client.generate(one.body, {}, exchange)
    exchange.stamps.sent_ns = 0
    exchange.stamps.received_ns[:] = tape.dates_ns
    exchange.ended_ns = round(max(ms for ms, _ in one.reads if ms is not None) * MS)
    return exchange


def call(server: str, name: str, cut: Cut) -> CallRecord:
    exchange = asyncio.run(exchanged(server, name, cut))
    return call_record(AGENT, STAGE, exchange, Window(RealClock(), 0, interrupted=False))


def outcome(server: str, name: str, cut: Cut) -> CallRecord | dict[str, Any] | str:
    """Replay an exchange as the product would have had it: a call, an object, or an error."""
    one = recorded(server)[name]
    if one.request.get("method") != "GET":
        return call(server, name, cut)

    async def ask() -> dict[str, Any]:
        async with OpenAIClient(URL, PATIENT) as client:
            with_tapes(client, cut(one.reads))
            return await client.json("GET", one.request["path"])

    try:
        return asyncio.run(ask())
    except ServerError as error:
        return str(error)


def check_said(found: CallRecord, expected: Said) -> None:
    assert found.failure is None
    assert found.status is Status.OK
    assert found.text.startswith(expected.begins)
    assert len(found.text) == expected.n_chars
    assert len(found.chunk_ns) == expected.n_pieces
    assert found.first_token_ns == found.first_answer_ns == ns(expected.first_ms)
    assert found.end_ns == ns(expected.final_ms)
    assert found.counters.model_dump() == {
        "done_reason": expected.done_reason,
        "total_duration": None,  # nobody tells it, nor what a load took
        "load_duration": None,
        "prompt_eval_count": expected.n_prompt,
        "prompt_eval_cached_count": expected.n_cached,
        "prompt_eval_duration": ns(expected.prompt_ms),
        "eval_count": expected.n_tokens,
        "eval_duration": ns(expected.predicted_ms),
    }


@pytest.mark.parametrize(("server", "name"), CASES)
def test_an_exchange_becomes_what_it_shows(server: str, name: str) -> None:
    """Tokens counted from chunks, or a role chunk dated as a first token, would show here."""
    found, expected = outcome(server, name, as_recorded), OUTCOMES[server][name]
    match expected:
        case Said():
            assert isinstance(found, CallRecord)
            check_said(found, expected)
        case Failed():
            assert isinstance(found, CallRecord)
            check_failed(found, expected)
        case Told(some):
            assert isinstance(found, dict)
            known = found if "data" not in some else {"data": [found["data"][0]]}
            assert holds(known, some), found
        case Refused(says):
            assert isinstance(found, str)
            assert says in found


@pytest.mark.parametrize("cut", [in_one_read, byte_by_byte])
@pytest.mark.parametrize("server", SERVERS)
def test_the_same_bytes_cut_otherwise_are_the_same_record(server: str, cut: Cut) -> None:
    """TCP cuts where it likes; a record that depends on it would differ from night to night."""
    for name in OUTCOMES[server]:
        plain, other = outcome(server, name, as_recorded), outcome(server, name, cut)
        if not isinstance(plain, CallRecord):
            assert other == plain, name
            continue
        assert isinstance(other, CallRecord)
        same = plain.model_dump(exclude=OF_TIME | OF_READS)
        assert other.model_dump(exclude=OF_TIME | OF_READS) == same, name
        assert len(other.chunk_ns) == len(plain.chunk_ns), name
        if plain.status is Status.OK and cut is byte_by_byte:
            assert other.max_lines_per_read == 1, name


@pytest.mark.parametrize("server", SERVERS)
def test_a_recording_that_ends_anywhere_else_is_no_answer(server: str) -> None:
    """Every byte that is missing at the end, with a proper end of the body behind it."""
    whole = asyncio.run(exchanged(server, "chat_stream_usage", in_one_read))
    (body,) = whole.pieces
    n_needed = body.index(b"[DONE]") + len(b"[DONE]")
    for n in range(len(body) + 1):
        whole.failure = None
        whole.stamps.pieces[:] = [body[:n]]
        found = call_record(AGENT, STAGE, whole, Window(RealClock(), 0, interrupted=False))
        if n >= n_needed:
            assert found.failure is None
            continue
        assert found.failure is not None, body[:n][-80:]
        assert found.failure.kind in {"truncated", "protocol"}


async def identify(server: str, *names: str, **asked: Any) -> ServerIdentity:
    async with OpenAIClient(URL, PATIENT) as client:
        with_tapes(client, *(recorded(server)[name].reads for name in names))
        model, options = asked.get("model", "smollm2"), asked.get("options", ())
        return await client.identity("a", model, options, GpuWatch())


def test_who_llama_server_is() -> None:
    """It has two slots of 1,024 tokens each, and where its weights lie is not known."""
    found = asyncio.run(identify(LLAMA_SERVER, "models", "props"))
    assert (found.version, found.quantization, found.context_length) == ("b1-0c1e570", "Q4_1", 1024)
    assert (found.slots, found.loaded, found.layers) == (2, True, None)
    assert (found.size_vram_share, found.placement, found.thinks) == (None, None, None)
    assert len(found.digest) == 64


@pytest.mark.parametrize("server", OLLAMAS)
def test_who_says_nothing_of_itself_is_not_guessed(server: str) -> None:
    """A version or weights made up would pass for the same software."""
    found = asyncio.run(identify(server, "models", "props", "not_found"))
    assert (found.version, found.digest, found.context_length) == (NOT_TOLD, NOT_TOLD, None)
    assert not found.loaded


@pytest.mark.parametrize(
    ("names", "asked", "says"),
    [
        (["models"], {"model": "nope"}, "model 'nope' is not there; there are smollm2"),
        (["models"], {"options": ["num_ctx"]}, "not known to take num_ctx"),
        (["health_loading"], {}, "loading a model"),
        (["models_without_key"], {}, "API key"),
        (["not_found"], {}, "what stands before `/v1`"),
        (["health"], {}, "not an OpenAI-compatible server"),
    ],
)
def test_what_cannot_be_measured_is_told_before(
    names: list[str], asked: dict[str, Any], says: str
) -> None:
    """llama-server answers for any name: sixty calls would bear that of another model."""
    with pytest.raises(ServerError) as caught:
        asyncio.run(identify(LLAMA_SERVER, *names, **asked))
    assert says in str(caught.value)


@pytest.mark.parametrize("server", OLLAMAS)
def test_an_option_that_would_be_passed_over_is_refused(server: str) -> None:
    """Ollama's /v1 ignored `ignore_eos`: 3 tokens of 40, under the name of a held length."""
    with pytest.raises(ServerError, match="not known to take hold_length, top_k"):
        asyncio.run(identify(server, "models", options=["top_k", "temperature", "hold_length"]))


def test_no_exchange_is_left_out() -> None:
    """An exchange without an outcome would be replayed by nobody."""
    counted = Counter({server: len(recorded(server)) for server in SERVERS})
    assert {server: set(recorded(server)) for server in SERVERS} == {
        server: set(OUTCOMES[server]) for server in SERVERS
    }
    assert counted.total() == 123
