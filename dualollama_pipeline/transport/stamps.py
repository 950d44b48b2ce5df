"""Bytes and stamps: an httpx transport that notes when a request was written and bytes arrived.

httpx's own stack parses in Python between the socket and the caller, which costs 2 ms of TTFT
(docs/ARCHITECTURE.md). Here httptools parses inside `data_received`, right after the stamp (a head
one turn of the loop later), and an answer is collected whole: waking a task, for the head or
for each token, would cost more than all the rest, and the other stream's stamp would wait for it.
What the bytes mean is stream.py's business.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field

import httptools
import httpx

from dualollama_pipeline.core.units import NS_PER_S

Origin = tuple[str, str, int]
FIRST_FINAL_STATUS = 200
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass
class Stamps:
    """What one exchange brought, and when, in ns of `time.perf_counter_ns`.

    `pieces` and `received_ns` run parallel: one entry for each read that held bytes of the body.
    `status` and `headers` are there once the head has arrived, whatever comes of the body.
    """

    sent_ns: int | None = None
    status: int | None = None
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    received_ns: list[int] = field(default_factory=list)
    pieces: list[bytes] = field(default_factory=list)


@dataclass(frozen=True)
class Waits:
    """Deadlines of one exchange, s: until the first byte of the body, then between reads."""

    first_s: float | None
    idle_s: float | None


class _Connection(asyncio.Protocol):
    """One socket, one exchange at a time."""

    def __init__(self, max_line_bytes: int) -> None:
        self.transport: asyncio.Transport | None = None
        self.closed = False
        self._max_line_bytes = max_line_bytes
        self._begin(Stamps())

    def _begin(self, stamps: Stamps) -> None:
        self._stamps = stamps
        self._parser = httptools.HttpResponseParser(self)
        self._read_ns = 0
        self._unparsed: list[tuple[int, bytes]] = []
        self._fresh: list[bytes] = []  # of the body, from the read in hand
        self._open_line = 0  # bytes since the last newline
        self._framed = False
        self._keep_alive = False
        self._headers: list[tuple[bytes, bytes]] = []
        self._end = asyncio.Event()
        self.complete = False
        self.failure: Exception | None = None

    # -- asyncio.Protocol ----------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a stream transport

    def data_received(self, data: bytes) -> None:
        read_ns = time.perf_counter_ns()
        if self.complete or self._stamps.sent_ns is None:
            self.abort()  # bytes that nobody asked for: whose answer would they be?
        elif self._stamps.status is None:
            # a head takes long to parse, and the other agent's first token may wait to be stamped
            if not self._unparsed:
                asyncio.get_running_loop().call_soon(self._parse)
            self._unparsed.append((read_ns, data))
        else:
            self._feed(read_ns, data)

    def _parse(self) -> None:
        """Parse what was only stamped so far."""
        unparsed, self._unparsed = self._unparsed, []
        for read_ns, data in unparsed:
            if not self.closed:
                self._feed(read_ns, data)

    def _feed(self, read_ns: int, data: bytes) -> None:
        self._read_ns = read_ns
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            cause = error.__context__ or error  # a callback's own error says more
            self._fail(httpx.ProtocolError(f"not a valid HTTP response: {cause}"))
        if self._fresh:
            self._take(b"".join(self._fresh))
        if self.complete:
            self._end.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._parse()
        self.closed = True
        if not self.complete and self.failure is None:
            if exc is not None:
                self.failure = httpx.ReadError(f"connection lost: {type(exc).__name__}: {exc}")
            elif self._stamps.status is not None and not self._framed:
                self.complete = True  # a body without length or chunks ends with the connection
            else:
                self.failure = httpx.RemoteProtocolError(
                    "peer closed connection without sending complete message body"
                    if self._stamps.status is not None
                    else "server disconnected without sending a response"
                )
        self._end.set()

    # -- httptools callbacks -------------------------------------------------------------------
    def on_message_begin(self) -> None:
        if self.complete:  # becomes an HttpParserError: no answer may have a second one behind it
            msg = "more than one response to one request"
            raise ValueError(msg)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status < FIRST_FINAL_STATUS:
            return
        self._stamps.status, self._stamps.headers = status, self._headers
        self._framed = any(
            name.lower() in {b"content-length", b"transfer-encoding"} for name, _ in self._headers
        )

    def on_body(self, body: bytes) -> None:
        self._fresh.append(body)

    def on_message_complete(self) -> None:
        if self._stamps.status is None:
            self._headers.clear()  # an interim answer: the real one follows
            return
        self.complete = True
        self._keep_alive = self._parser.should_keep_alive()  # only the callback may ask

    # -- the exchange --------------------------------------------------------------------------
    def send(self, message: bytes, stamps: Stamps) -> None:
        """Write one request; the stamp is taken at the write."""
        self._begin(stamps)
        if self.transport is None or self.closed:
            raise httpx.WriteError("connection is closed")
        stamps.sent_ns = time.perf_counter_ns()
        self.transport.write(message)

    def _take(self, piece: bytes) -> None:
        """Keep what one read brought of the body; an endless line must not fill the memory."""
        self._fresh.clear()
        self._stamps.pieces.append(piece)
        self._stamps.received_ns.append(self._read_ns)
        newline = piece.rfind(b"\n")
        self._open_line = len(piece) - newline - 1 + (self._open_line if newline < 0 else 0)
        if self._open_line > self._max_line_bytes and self.failure is None:
            self._fail(httpx.ProtocolError(f"a line exceeds {self._max_line_bytes} bytes"))

    def _fail(self, failure: Exception) -> None:
        self.failure = failure
        self.complete = False
        self.abort()

    async def end(self, waits: Waits) -> None:
        """Wait until the answer is whole; raise what went wrong.

        With one timer, not one a token: when it fires, the last read says how much is left. It
        never runs longer than the idle limit, which the first byte may start at any time.
        """
        stamps = self._stamps
        while not self._end.is_set():
            begun = bool(stamps.received_ns)
            limit_s = waits.idle_s if begun else waits.first_s
            left_s = None
            if limit_s is not None:
                since_ns = stamps.received_ns[-1] if begun else stamps.sent_ns or 0
                left_s = limit_s - (time.perf_counter_ns() - since_ns) / NS_PER_S
                if left_s <= 0:
                    what = "further byte" if begun else "byte of an answer"
                    raise httpx.ReadTimeout(f"no {what} within {limit_s} s")
            limits = [limit for limit in (left_s, waits.idle_s) if limit is not None]
            with suppress(TimeoutError):
                async with asyncio.timeout(min(limits, default=None)):
                    await self._end.wait()
        if self.failure is not None:
            raise self.failure

    @property
    def reusable(self) -> bool:
        """Whether another request may follow on this connection."""
        return self.complete and not self.closed and self._keep_alive

    def abort(self) -> None:
        """Close at once; the server sees it and stops generating."""
        self.closed = True
        if self.transport is not None:
            self.transport.abort()
        self._end.set()


class StampingTransport(httpx.AsyncBaseTransport):
    """httpx transport that stamps requests and the reads of their answers.

    A request that carries a `Stamps` in `extensions["stamps"]` has it filled, also when no answer
    ever comes. httpx's connect timeout is honoured; its read timeout is the longest silence, and
    `extensions["first_s"]` may allow another one before the first byte. Connections are kept for
    the next request to the same origin; `extensions["message"]` may hold the request's bytes, made
    beforehand. A line above `max_line_bytes` ends an exchange.
    """

    def __init__(self, max_line_bytes: int) -> None:
        self._max_line_bytes = max_line_bytes
        self._idle: dict[Origin, list[_Connection]] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request and return its answer when it is whole."""
        timeouts: dict[str, float | None] = request.extensions.get("timeout", {})
        idle_s = timeouts.get("read")
        waits = Waits(request.extensions.get("first_s", idle_s), idle_s)
        url = request.url
        origin = (url.scheme, url.host, url.port or DEFAULT_PORTS[url.scheme])
        message: bytes = request.extensions.get("message") or serialize(request)
        connection = await self._connection(origin, timeouts.get("connect"))
        stamps: Stamps = request.extensions.get("stamps") or Stamps()
        try:
            connection.send(message, stamps)
            await connection.end(waits)
        except BaseException:
            connection.abort()
            raise
        if connection.reusable:
            self._idle.setdefault(origin, []).append(connection)
        else:
            connection.abort()
        stream = httpx.ByteStream(b"".join(stamps.pieces))
        return httpx.Response(stamps.status or 0, headers=stamps.headers, stream=stream)

    async def _connection(self, origin: Origin, timeout_s: float | None) -> _Connection:
        idle = self._idle.get(origin, [])
        while idle:
            connection = idle.pop()
            if not connection.closed:
                return connection
        scheme, host, port = origin
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_s):
                _, connection = await loop.create_connection(
                    lambda: _Connection(self._max_line_bytes),
                    host,
                    port,
                    ssl=True if scheme == "https" else None,
                )
        except TimeoutError as error:
            raise httpx.ConnectTimeout(f"no connection within {timeout_s} s") from error
        except OSError as error:
            raise httpx.ConnectError(f"cannot connect to {host}:{port}: {error}") from error
        return connection

    async def aclose(self) -> None:
        """Close all idle connections."""
        for connections in self._idle.values():
            for connection in connections:
                connection.abort()
        self._idle.clear()


def serialize(request: httpx.Request) -> bytes:
    """One request with a body in memory, as the bytes of HTTP/1.1."""
    head = b"%s %s HTTP/1.1\r\n" % (request.method.encode("ascii"), request.url.raw_path)
    lines = b"".join(b"%s: %s\r\n" % pair for pair in request.headers.raw)
    return head + lines + b"\r\n" + request.content
