"""Two real versions of Ollama, byte for byte: 43 exchanges of each, read as they once arrived.

The trap: servers of our own making say what their maker thought of. What these said is in the JSON
files beside this one (SmolLM2-135M on a CPU; a path shortened), what it means in outcomes.py.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from dualollama_pipeline.core.errors import ServerError
from dualollama_pipeline.core.plan import PlannedAgent, Stage
from dualollama_pipeline.core.records import CallRecord, FailureKind, ServerIdentity, Status
from dualollama_pipeline.core.specs import AgentOptions
from dualollama_pipeline.ollama.client import OllamaClient
from dualollama_pipeline.ollama.identity import snapshot
from dualollama_pipeline.transport.client import MAX_LINE_BYTES
from dualollama_pipeline.transport.exchange import Exchange
from dualollama_pipeline.transport.stamps import _Connection
from dualollama_pipeline.worker.call import Window, call_record
from dualollama_pipeline.worker.clock import RealClock
from dualollama_pipeline_tests.faults.cases import MS, PATIENT
from dualollama_pipeline_tests.wire.outcomes import OUTCOMES, Failed, Refused, Spoken, Told

VERSIONS = sorted(OUTCOMES)
CASES = [(version, name) for version in VERSIONS for name in sorted(OUTCOMES[version])]
URL, ORIGIN = "http://127.0.0.1:11434", ("http", "127.0.0.1", 11434)
MODEL = "smollm2:latest"
STAGE = Stage(name="analysis", prompt="p", nonce="n", num_predict=24, seed=7)
AGENT = PlannedAgent(
    name="collector", server="a", model=MODEL, options=AgentOptions(), stages=(STAGE,)
)
OF_TIME = {"sent_ns", "first_token_ns", "first_answer_ns", "end_ns", "chunk_ns"}
OF_READS = {"max_lines_per_read"}
Reads = Sequence[tuple[float | None, bytes]]  # the instant None: the connection ended there


# -- how the bytes may be cut ----------------------------------------------------------------------
def as_recorded(reads: Reads) -> Reads:
    return reads


def in_one_read(reads: Reads) -> Reads:
    """Deliver all of it when the last of it was there."""
    dated = [(ms, raw) for ms, raw in reads if ms is not None]
    return [(dated[-1][0], b"".join(raw for _, raw in dated)), *reads[len(dated) :]]


def byte_by_byte(reads: Reads) -> Reads:
    return [(ms, raw[i : i + 1]) for ms, raw in reads for i in range(len(raw) if ms else 1)]


Cut = Callable[[Reads], Reads]


# -- replaying -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Recorded:
    """One exchange of the file."""

    request: dict[str, Any]
    reads: Reads

    @property
    def body(self) -> dict[str, Any]:
        """What was asked, or something like it where that is not known or was no JSON."""
        asked = self.request.get("body")
        return asked if isinstance(asked, dict) else {"model": MODEL, "prompt": "p"}


@cache
def recorded(version: str) -> dict[str, Recorded]:
    exchanges = json.loads(Path(__file__).with_name(f"{version}.json").read_bytes())
    return {
        each["name"]: Recorded(
            each["request"] or {}, [(ms, raw.encode()) for ms, raw in each["reads"]]
        )
        for each in exchanges
    }


class Tape(asyncio.Transport):
    """A server that answers whatever it is asked with the recorded reads, dated as recorded."""

    def __init__(self, reads: Reads) -> None:
        super().__init__()
        self.connection = _Connection(MAX_LINE_BYTES)
        self.connection.connection_made(self)
        self.dates_ns: list[int] = []
        self._reads = reads

    def write(self, data: object) -> None:
        """Take a request, whatever it is."""
        assert data
        self._playing = asyncio.ensure_future(self._play())

    def abort(self) -> None:
        """The answer is whole, or is refused: play no further."""

    async def _play(self) -> None:
        stamps = self.connection._stamps
        for ms, raw in self._reads:
            if ms is None:
                self.connection.connection_lost(None)
                return
            if self.connection.closed:
                return
            self.connection.data_received(raw)
            if stamps.status is None:
                await asyncio.sleep(0)  # a head is parsed one turn of the loop later
            n_new = len(stamps.received_ns) - len(self.dates_ns)
            self.dates_ns += [round(ms * MS)] * n_new


def with_tapes(client: OllamaClient, *played: Reads) -> list[Tape]:
    """Let the client's next requests find these answers, as if on connections it had kept."""
    tapes = [Tape(reads) for reads in played]
    client._transport._idle[ORIGIN] = [tape.connection for tape in reversed(tapes)]
    return tapes


async def ask(one: Recorded, cut: Cut) -> dict[str, Any]:
    """Send a control request, and return the JSON object that it brings."""
    async with OllamaClient(URL, PATIENT) as client:
        with_tapes(client, cut(one.reads))
        request = one.request
        return await client.json(request["method"], request["path"], request["body"])


async def exchanged(one: Recorded, cut: Cut) -> Exchange:
    """Perform a generation, and date it as it was recorded."""
    exchange = Exchange(url=URL, model=one.body["model"] or MODEL)
    async with OllamaClient(URL, PATIENT) as client:
        (tape,) = with_tapes(client, cut(one.reads))
        await client.generate(one.body, {}, exchange)
    exchange.stamps.sent_ns = 0
    exchange.stamps.received_ns[:] = tape.dates_ns
    exchange.ended_ns = round(max(ms for ms, _ in one.reads if ms is not None) * MS)
    return exchange


def call(version: str, name: str, cut: Cut) -> CallRecord:
    exchange = asyncio.run(exchanged(recorded(version)[name], cut))
    return call_record(AGENT, STAGE, exchange, Window(RealClock(), 0, interrupted=False))


def outcome(version: str, name: str, cut: Cut) -> CallRecord | dict[str, Any] | str:
    """Replay an exchange as the product would have had it: a call, an object, or an error."""
    if isinstance(OUTCOMES[version][name], Spoken | Failed):
        return call(version, name, cut)
    try:
        return asyncio.run(ask(recorded(version)[name], cut))
    except ServerError as error:
        return str(error)


# -- what must come of it --------------------------------------------------------------------------
def ns(ms: float | None) -> int | None:
    return None if ms is None else round(ms * MS)


def check_spoken(found: CallRecord, expected: Spoken) -> None:
    assert found.failure is None
    assert found.status is Status.OK
    assert found.text.startswith(expected.begins)
    assert len(found.text) == expected.n_chars
    assert len(found.chunk_ns) == expected.n_pieces
    assert found.sent_ns == 0
    assert found.first_token_ns == found.first_answer_ns == ns(expected.first_ms)
    assert found.end_ns == ns(expected.final_ms)
    counters = found.counters.model_dump()
    assert counters.pop("prompt_eval_cached_count") is None
    assert counters == {name: getattr(expected, name) for name in counters}


def check_failed(found: CallRecord, expected: Failed) -> None:
    assert found.status is Status.FAILED
    assert found.failure is not None
    assert found.failure.kind is expected.kind
    assert found.failure.http_status == expected.status
    assert expected.says in found.failure.text
    assert found.counters.eval_count is None


def holds(content: object, some: object) -> bool:
    """Whether JSON content has at least what `some` has."""
    if isinstance(some, dict):
        return isinstance(content, dict) and all(
            name in content and holds(content[name], value) for name, value in some.items()
        )
    if isinstance(some, list):
        if not isinstance(content, list) or len(content) != len(some):
            return False
        return all(map(holds, content, some))
    return content == some


@pytest.mark.parametrize(("version", "name"), CASES)
def test_an_exchange_becomes_what_it_shows(version: str, name: str) -> None:
    """A reader that only met our own servers: real ones omit counters, wrap errors, end at once."""
    found, expected = outcome(version, name, as_recorded), OUTCOMES[version][name]
    match expected:
        case Spoken():
            assert isinstance(found, CallRecord)
            check_spoken(found, expected)
        case Failed():
            assert isinstance(found, CallRecord)
            check_failed(found, expected)
        case Told(some):
            assert holds(found, some), found
        case Refused(says):
            assert isinstance(found, str)
            assert says in found


@pytest.mark.parametrize("cut", [in_one_read, byte_by_byte])
@pytest.mark.parametrize("version", VERSIONS)
def test_the_same_bytes_cut_otherwise_are_the_same_record(version: str, cut: Cut) -> None:
    """TCP cuts where it likes; a record that depends on it would differ from night to night."""
    for name in OUTCOMES[version]:
        plain, other = outcome(version, name, as_recorded), outcome(version, name, cut)
        if not isinstance(plain, CallRecord):
            assert other == plain, name
            continue
        assert isinstance(other, CallRecord)
        same = plain.model_dump(exclude=OF_TIME | OF_READS)
        assert other.model_dump(exclude=OF_TIME | OF_READS) == same, name
        assert len(other.chunk_ns) == len(plain.chunk_ns), name
        if plain.status is Status.OK:
            n_texts = len(plain.chunk_ns)  # and a final record, if that is another one
            n_records = n_texts + (name != "generate_not_streamed")
            most = 1 if cut is byte_by_byte else n_records
            assert other.max_lines_per_read == most, name


@pytest.mark.parametrize("cut", [as_recorded, byte_by_byte])
@pytest.mark.parametrize("version", VERSIONS)
def test_every_piece_keeps_the_instant_of_its_own_read(version: str, cut: Cut) -> None:
    """Only a read that brings the end of a record may date it, however early its first byte was."""
    found = call(version, "generate_past_context_no_shift", cut)
    dates = [ns(ms) for ms, raw in recorded(version)["generate_past_context_no_shift"].reads
             for _ in range(raw.count(b'"done":false'))]  # fmt: skip
    assert list(found.chunk_ns) == dates


@pytest.mark.parametrize("name", ["load", "chat_empty_loads"])
@pytest.mark.parametrize("version", VERSIONS)
def test_a_load_goes_well_and_is_no_answer(version: str, name: str) -> None:
    """`done: true` with no text and no counters: taken for an answer, it would be the fastest."""
    exchange = asyncio.run(exchanged(recorded(version)[name], as_recorded))
    assert exchange.failure is None
    found = call(version, name, as_recorded)
    assert found.failure is not None
    assert found.failure.kind is FailureKind.PROTOCOL
    assert "done_reason 'load'" in found.failure.text


@pytest.mark.parametrize("version", VERSIONS)
def test_who_a_real_server_is(version: str) -> None:
    """Both say version 0.0.0, hold nothing in GPU memory, and do not think."""
    exchanges = recorded(version)

    async def act() -> ServerIdentity:
        async with OllamaClient(URL, PATIENT) as client:
            names = ("version", "tags", "show", "ps_after_num_ctx_99999")
            with_tapes(client, *(exchanges[name].reads for name in names))
            return await snapshot(client, "a", "smollm2")

    found = asyncio.run(act())
    assert (found.version, found.quantization, found.layers) == ("0.0.0", "Q4_1", 31)
    assert found.digest.startswith("a0c15f3eccc0")
    assert (found.loaded, found.size_vram_share, found.context_length) == (True, 0.0, 8192)
    assert (found.thinks, found.simulated_by) == (False, None)
    assert (found.expires_at or "").startswith("2026-11-25T20:25:")


@pytest.mark.parametrize("version", VERSIONS)
def test_no_exchange_is_left_out(version: str) -> None:
    """An exchange without an outcome would be replayed by nobody."""
    assert set(recorded(version)) == set(OUTCOMES[version])
    assert len(recorded(version)) == 43
