"""The transport: stamps where bytes pass, honest ends, connections kept and dropped."""

from __future__ import annotations

import asyncio
import time

import httpx
import pytest

from dualollama_pipeline.transport.stamps import StampingTransport, Stamps, _Connection
from dualollama_pipeline_tests.faults.scripted import (
    END,
    HEAD,
    Close,
    Pause,
    Seen,
    Step,
    against,
    answer,
    chunk,
)


def client(url: str, **timeout: float) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        base_url=url,
        transport=StampingTransport(max_line_bytes=2**20),
        trust_env=False,
        timeout=httpx.Timeout(timeout.get("read", 2.0), connect=timeout.get("connect", 2.0)),
    )


def get(*steps: Step, path: str = "/", **timeout: float) -> tuple[httpx.Response, Stamps]:
    """Play `steps` as the answer to one GET and read it whole."""
    stamps = Stamps()

    async def act(url: str, _: Seen) -> httpx.Response:
        async with client(url, **timeout) as http:
            return await http.get(path, extensions={"stamps": stamps})

    return asyncio.run(against(lambda *_: steps, act)), stamps


def test_every_piece_has_the_stamp_of_its_read() -> None:
    """A stamp taken when the caller gets round to reading would hide a late reader."""
    before = time.perf_counter_ns()
    response, stamps = get(HEAD, chunk(b"one"), Pause(0.05), chunk(b"two"), END)
    assert response.content == b"onetwo"
    assert stamps.pieces == [b"one", b"two"]
    assert stamps.sent_ns is not None
    first, second = stamps.received_ns
    assert before < stamps.sent_ns < first < second
    assert second - first > 40_000_000


class Wire(asyncio.Transport):
    """Takes what is written; what comes back is the test's to say."""

    def write(self, data: object) -> None:
        """Lose it."""


def test_a_head_waits_to_be_parsed_but_not_to_be_stamped() -> None:
    """Parsed at once, it would hold up the stamp of the other agent's first token."""

    async def act() -> tuple[Stamps, int]:
        connection, stamps = _Connection(2**20), Stamps()
        connection.connection_made(Wire())
        connection.send(b"GET / HTTP/1.1\r\n\r\n", stamps)
        connection.data_received(HEAD + chunk(b"one"))
        arrived_ns = time.perf_counter_ns()
        assert stamps.status is None  # nothing is parsed before the loop has turned
        while time.perf_counter_ns() < arrived_ns + 5_000_000:
            pass  # the other agent's read
        await asyncio.sleep(0)
        connection.data_received(chunk(b"two"))
        return stamps, arrived_ns

    stamps, arrived_ns = asyncio.run(act())
    assert stamps.pieces == [b"one", b"two"]
    assert stamps.received_ns[0] <= arrived_ns < stamps.received_ns[1]


def test_pieces_of_one_read_share_a_stamp() -> None:
    """Coalesced records look like a burst; they must be recognisable as one read."""
    _, stamps = get(HEAD + chunk(b"one") + chunk(b"two") + chunk(b"three") + END)
    assert stamps.pieces == [b"onetwothree"]
    assert len(stamps.received_ns) == 1


def test_a_body_with_a_length() -> None:
    """Control answers come with Content-Length, not in chunks."""
    response, _ = get(*answer("200 OK", b'{"version":"1"}'))
    assert response.json() == {"version": "1"}


def test_a_body_that_ends_with_the_connection() -> None:
    """HTTP/1.0 style answers have neither length nor chunks; their end is the connection's."""
    response, _ = get(b"HTTP/1.1 200 OK\r\n\r\nhello", Close())
    assert response.content == b"hello"


@pytest.mark.parametrize(
    ("steps", "error"),
    [
        pytest.param([HEAD, chunk(b"x"), Close()], httpx.RemoteProtocolError, id="no last chunk"),
        pytest.param(
            [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort", Close()],
            httpx.RemoteProtocolError,
            id="shorter than its length",
        ),
        pytest.param([Close()], httpx.RemoteProtocolError, id="no answer"),
        pytest.param(
            [HEAD, chunk(b"x"), Pause(0.02), Close(reset=True)], httpx.ReadError, id="RST"
        ),
        pytest.param([b"SSH-2.0-OpenSSH\r\n"], httpx.ProtocolError, id="not HTTP"),
        pytest.param([HEAD + b"zz\r\n"], httpx.ProtocolError, id="not a chunk length"),
        pytest.param([HEAD, chunk(b"x"), Pause(0.4)], httpx.ReadTimeout, id="silence"),
    ],
)
def test_a_body_that_does_not_end_properly_is_an_error(
    steps: list[Step], error: type[Exception]
) -> None:
    """A cut-off body that passes for a short one would become a data point."""
    with pytest.raises(error):
        get(*steps, read=0.2)


def test_a_request_that_was_sent_keeps_its_stamp_without_an_answer() -> None:
    """A failed call still says when it was sent."""
    stamps = Stamps()

    async def act(url: str, _: Seen) -> None:
        async with client(url) as http:
            with pytest.raises(httpx.RemoteProtocolError):
                await http.get("/", extensions={"stamps": stamps})

    asyncio.run(against(lambda *_: [Close()], act))
    assert stamps.sent_ns is not None
    assert stamps.received_ns == []


def test_nobody_listens() -> None:
    """A dead server is a connect error that names host and port."""

    async def act() -> None:
        server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        server.close()
        await server.wait_closed()
        async with client(f"http://127.0.0.1:{port}") as http:
            with pytest.raises(httpx.ConnectError, match=f"127.0.0.1:{port}"):
                await http.get("/")

    asyncio.run(act())


def test_a_connection_is_used_again() -> None:
    """A new connection for each request would put its set-up into the first TTFT."""

    async def act(url: str, seen: Seen) -> int:
        async with client(url) as http:
            for _ in range(3):
                await http.get("/")
        return seen.connections

    assert asyncio.run(against(lambda *_: answer("200 OK", b"x"), act)) == 1


def test_a_connection_that_the_server_closed_is_not_used_again() -> None:
    """After a restart of the server the next request must not fail on a stale connection."""

    async def act(url: str, seen: Seen) -> int:
        async with client(url) as http:
            await http.get("/")
            await asyncio.sleep(0.05)  # the FIN arrives
            assert (await http.get("/")).content == b"x"
        return seen.connections

    assert asyncio.run(against(lambda *_: [*answer("200 OK", b"x"), Close()], act)) == 2


def test_bytes_that_nobody_asked_for_are_not_the_next_answer() -> None:
    """A stray second response must not be taken for the answer to the next request."""
    stray = answer("200 OK", b"stray")
    script = {1: [*answer("200 OK", b"first"), Pause(0.02), *stray], 2: answer("200 OK", b"second")}

    async def act(url: str, _: Seen) -> list[bytes]:
        async with client(url) as http:
            first = (await http.get("/")).content
            await asyncio.sleep(0.1)
            return [first, (await http.get("/")).content]

    assert asyncio.run(against(lambda request: script[request.number], act)) == [
        b"first",
        b"second",
    ]


def test_leaving_early_closes_the_connection() -> None:
    """Ollama goes on generating for a client that is gone unless the connection closes."""

    async def act(url: str, seen: Seen) -> None:
        async with client(url) as http:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.1):
                    await http.get("/")
        async with asyncio.timeout(0.5):
            await seen.closed.wait()

    endless: list[Step] = [HEAD, *[chunk(b"x"), Pause(0.01)] * 100]
    asyncio.run(against(lambda *_: endless, act))
