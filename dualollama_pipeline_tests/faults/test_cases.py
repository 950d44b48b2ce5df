"""Every fault ends as the failure it is, every oddity as the answer it is: over real sockets.

The trap: a stream that ended early, a page of a proxy or a time that cannot be true, stored as a
measurement. Each test looks at one exchange; the exchanges run together, they mostly wait.
"""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from dualollama_pipeline.core.plan import PlannedAgent, Stage
from dualollama_pipeline.core.records import CallRecord, FailureKind, Status
from dualollama_pipeline.core.specs import AgentOptions
from dualollama_pipeline.ollama.client import OllamaClient
from dualollama_pipeline.ollama.stream import split_lines
from dualollama_pipeline.openai.client import OpenAIClient
from dualollama_pipeline.transport.client import MAX_LINE_BYTES
from dualollama_pipeline.transport.exchange import Exchange
from dualollama_pipeline.worker.call import Window, call_record
from dualollama_pipeline.worker.clock import RealClock
from dualollama_pipeline_tests.faults.broken import faults
from dualollama_pipeline_tests.faults.cases import EVENTS, PATIENT, SHAPES, Case
from dualollama_pipeline_tests.faults.odd import legal
from dualollama_pipeline_tests.faults.scripted import (
    END,
    HEAD,
    MODEL,
    Close,
    Request,
    Step,
    answer,
    chunk,
    final,
    serve,
    token,
)

CLIENTS = {"generate": OllamaClient, "chat": OllamaClient, EVENTS: OpenAIClient}
GRACE_S = 2.0
AT_ONCE = {True: 24, False: 12}  # exchanges that wait may be many, the others would wait
STAGE = Stage(name="analysis", prompt="p", nonce="n", num_predict=40, seed=1)
AGENT = PlannedAgent(
    name="collector", server="a", model=MODEL, options=AgentOptions(num_gpu=80), stages=(STAGE,)
)


@dataclass
class Outcome:
    """What became of a case: its record, or what was raised; `line` as the journal holds it."""

    url: str
    exchange: Exchange
    seconds: float = 0.0
    record: CallRecord | None = None
    line: str = ""
    raised: Exception | None = None

    @property
    def call(self) -> CallRecord:
        if self.raised is not None:
            raise self.raised
        assert self.record is not None
        return self.record


def body_of(api: str, prompt: str) -> dict[str, Any]:
    asked = {"prompt": prompt}
    said = {"messages": [{"role": "user", "content": prompt}]}
    return {"model": MODEL, "stream": True, **(asked if api == "generate" else said)}


async def send(url: str, case: Case, prompt: str) -> Outcome:
    """Play one exchange; nothing is parsed yet, so that nobody else waits for it."""
    outcome = Outcome(url, Exchange(url=url, model=MODEL))
    started = time.monotonic()
    try:
        async with CLIENTS[case.api](url, case.deadlines) as client:
            await client.generate(body_of(case.api, prompt), {}, outcome.exchange)
    except Exception as error:  # noqa: BLE001 the test of this case shows it
        outcome.raised = error
    outcome.seconds = time.monotonic() - started
    return outcome


def judge(outcome: Outcome) -> Outcome:
    """Make the record, and the journal's line of it."""
    started = time.monotonic()
    try:
        if outcome.raised is None:
            window = Window(RealClock(), outcome.exchange.stamps.sent_ns or 0, interrupted=False)
            outcome.record = call_record(AGENT, STAGE, outcome.exchange, window)
            outcome.line = outcome.record.model_dump_json()
    except Exception as error:  # noqa: BLE001 the test of this case shows it
        outcome.raised = error
    outcome.seconds += time.monotonic() - started
    outcome.exchange.pieces.clear()
    return outcome


def play(cases: Sequence[Case]) -> list[Outcome]:
    """Play all cases against one server, which knows them by their prompt."""

    def script(request: Request) -> Sequence[Step]:
        body = json.loads(request.body)
        prompt = body["messages"][0]["content"] if "messages" in body else body["prompt"]
        assert cases[int(prompt)].api == request.path.rsplit("/", 1)[-1]
        return cases[int(prompt)].steps

    async def act() -> list[Outcome]:
        slots = asyncio.Semaphore(AT_ONCE[cases[0].waits])

        async def one(url: str, number: int, case: Case) -> Outcome:
            async with slots:
                return await send(url, case, str(number))

        async with serve(script) as (url, _):
            return await asyncio.gather(*(one(url, *pair) for pair in enumerate(cases)))

    return [judge(outcome) for outcome in asyncio.run(act())]


class Played:
    """The outcomes of a list of cases; played when the first test asks, those that wait apart."""

    def __init__(self, cases: list[Case]) -> None:
        self.cases = cases
        self._outcomes: list[Outcome] | None = None

    def __getitem__(self, number: int) -> Outcome:
        if self._outcomes is None:
            self._outcomes = [None] * len(self.cases)  # type: ignore[list-item]
            for waits in (True, False):
                chosen = [i for i, case in enumerate(self.cases) if case.waits is waits]
                for i, outcome in zip(chosen, play([self.cases[i] for i in chosen]), strict=True):
                    self._outcomes[i] = outcome
        return self._outcomes[number]

    @property
    def groups(self) -> dict[str, list[int]]:
        """The cases of each fault: both APIs, every position, every way of sending."""
        found: dict[str, list[int]] = {}
        for number, case in enumerate(self.cases):
            found.setdefault(case.group, []).append(number)
        return found

    def check(self, group: str, rule: Callable[[Case, Outcome], None]) -> None:
        """Hold a rule against every variant of a fault, and name those that break it."""
        broken = []
        for number in self.groups[group]:
            case = self.cases[number]
            try:
                rule(case, self[number])
            except Exception as error:  # noqa: BLE001 each variant is told, whatever it raised
                broken.append(f"{case.api} {case.name}: {type(error).__name__}: {error}")
        assert not broken, "\n".join(broken)


FAULTS = Played(faults())
LEGAL = Played(legal())


@pytest.mark.parametrize("fault", FAULTS.groups)
def test_a_fault_is_a_failure_with_its_kind_and_its_evidence(fault: str) -> None:
    """A fault that passes for an answer becomes a data point; one without evidence, a riddle."""
    FAULTS.check(fault, check_failure)


def check_failure(case: Case, outcome: Outcome) -> None:
    check_evidence(case, outcome)
    assert outcome.call.failure is not None
    assert outcome.call.failure.kind == case.kind, outcome.call.failure


def check_evidence(case: Case, outcome: Outcome) -> None:
    """A failed call says what, where and when, keeps what had arrived, and ends in time."""
    call = outcome.call
    assert call.status is Status.FAILED
    failure = call.failure
    assert failure is not None
    assert failure.text.strip()
    assert case.says in failure.text
    assert (failure.url, failure.model) == (outcome.url, MODEL)
    assert failure.http_status == case.status
    assert failure.phase in {"waiting", "streaming", "final"}
    assert case.phase in {None, failure.phase}
    if case.text is not None:
        assert call.text == case.text
    assert outcome.seconds < case.limit_s + GRACE_S
    assert CallRecord.model_validate_json(outcome.line) == call


@pytest.mark.parametrize("oddity", LEGAL.groups)
def test_what_is_legal_but_odd_is_an_answer(oddity: str) -> None:
    """A good call that is refused costs a trial, and makes the failure rate a lie."""
    LEGAL.check(oddity, check_answer)


def check_answer(case: Case, outcome: Outcome) -> None:
    call = outcome.call
    assert call.failure is None
    assert call.status is Status.OK
    assert call.text == case.text
    assert call.thinking == case.thinking
    assert call.counters.eval_count == 40
    assert call.sent_ns == 0
    assert call.first_token_ns == min(call.chunk_ns)
    assert call.end_ns is not None
    assert max(call.chunk_ns) <= call.end_ns
    assert CallRecord.model_validate_json(outcome.line) == call


def unquoted(cases: Sequence[tuple[int, Case]]) -> set[str]:
    """Faults whose failure does not show what the server had sent, though it had sent something."""
    return {
        case.group
        for number, case in cases
        if case.body
        and (record := FAULTS[number].record) is not None
        and record.failure is not None
        and not record.failure.body_excerpt
    }


def quotable() -> list[tuple[int, Case]]:
    return [(i, case) for i, case in enumerate(FAULTS.cases) if case.kind]


def test_what_the_server_said_is_quoted() -> None:
    """`HTTP 500` alone sends the reader to a log that is long gone."""
    in_words = {FailureKind.OOM, FailureKind.SERVER_ERROR}
    said = [
        pair
        for pair in quotable()
        if pair[1].status != 200 or pair[1].kind in in_words or pair[1].says == "JSON"
        if pair[1].group != "error-line-empty"  # its words are none; the line would be some
    ]
    assert len(said) > 200
    assert unquoted(said) == set()


def test_every_failure_quotes_the_body_if_there_was_one() -> None:
    """A wrong model, a lost connection, a lie about time: the line that showed it is evidence."""
    assert unquoted(quotable()) == set()


def test_the_promised_number_of_faults_is_played() -> None:
    """0 of N says `below 3/N`: a generator that yields nothing would promise anything."""
    assert len(FAULTS.cases) >= 1000
    assert len(LEGAL.cases) >= 400
    assert {case.kind for case in FAULTS.cases} == set(FailureKind) - {
        FailureKind.CONNECT,  # below
        FailureKind.CANCELLED,
        FailureKind.DISK,
        FailureKind.INTERNAL,
    }
    assert len({(case.api, case.name) for case in FAULTS.cases}) == len(FAULTS.cases)


@pytest.mark.parametrize("api", SHAPES)
def test_a_server_that_is_down_is_a_connect_failure(api: str) -> None:
    """Row 16: nothing was sent, so there is no instant of sending, and no status."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    case = Case("16-down", api, (), FailureKind.CONNECT)
    outcome = judge(asyncio.run(send(url, case, "")))
    failure = outcome.call.failure
    assert outcome.call.status is Status.FAILED
    assert failure is not None
    assert (failure.kind, failure.phase) == (FailureKind.CONNECT, "connect")
    assert (failure.url, failure.model, failure.http_status) == (url, MODEL, None)
    assert "ConnectError" in failure.text
    assert outcome.call.sent_ns is None
    assert outcome.seconds < GRACE_S


@pytest.mark.parametrize("api", SHAPES)
def test_a_kept_connection_that_dies_is_no_second_request(api: str) -> None:
    """Sent again in silence, a prompt would be generated twice: once cached, and measured."""
    asked: list[str] = []

    def script(request: Request) -> Sequence[Step]:
        asked.append(request.path)
        if request.path == "/api/version":
            return answer("200 OK", b'{"version":"1"}')
        return [Close(reset=True)]

    async def act() -> Exchange:
        async with serve(script) as (url, _), OllamaClient(url, PATIENT) as client:
            await client.greet()
            exchange = Exchange(url=url, model=MODEL)
            await client.generate(body_of(api, "p"), {}, exchange)
            return exchange

    exchange = asyncio.run(act())
    assert exchange.failure is not None
    assert exchange.failure.kind is FailureKind.UNKNOWN
    assert exchange.stamps.sent_ns is not None
    assert asked == ["/api/version", f"/api/{api}"]


@pytest.mark.parametrize("end", ["newline", "clean end", "FIN"])
def test_a_line_beyond_the_limit_is_refused(end: str) -> None:
    """32 MiB without a newline is no record of Ollama's, however it goes on."""
    tail: dict[str, list[Step]] = {
        "newline": [chunk(b"\n"), chunk(final()), END],
        "clean end": [END],
        "FIN": [Close()],
    }
    blank = [chunk(b" " * 2**20)] * (MAX_LINE_BYTES // 2**20 + 1)
    case = Case(
        end, "generate", [HEAD, chunk(token("x")), *blank, *tail[end]], FailureKind.PROTOCOL
    )
    (outcome,) = play([case])
    assert outcome.call.failure is not None
    assert outcome.call.failure.kind is FailureKind.PROTOCOL
    assert outcome.call.text == "x"


def test_an_endless_line_does_not_fill_the_memory() -> None:
    """At 1 GB/s a server's endless line takes all memory long before total_s, and the trial too."""
    blank = [chunk(b" " * 2**20)] * (2 * MAX_LINE_BYTES // 2**20)
    case = Case("endless", "generate", [HEAD, *blank, END], FailureKind.PROTOCOL)

    async def act() -> Exchange:
        async with serve(lambda _: case.steps) as (url, _):
            return (await send(url, case, "")).exchange

    exchange = asyncio.run(act())
    assert sum(map(len, exchange.pieces)) <= MAX_LINE_BYTES + 2**20


def test_a_long_line_in_small_pieces_takes_time_in_proportion() -> None:
    """1 MiB in pieces of 64 bytes took 5 s to split: a trial that ended on time, and then hung."""

    def seconds(pieces: int) -> float:
        best = float("inf")
        for _ in range(7):  # a busy machine lengthens some, and the best is what it takes
            started = time.perf_counter()
            list(split_lines([b"x" * 64] * pieces, range(pieces)))
            best = min(best, time.perf_counter() - started)
        return best

    assert seconds(8000) < 8 * seconds(2000)  # in proportion: 4 times; quadratic: 16 times
