"""Bytes and stamps: an httpx transport that notes when a request was written and bytes arrived.

httpx's own stack parses in Python between the socket and the caller, which costs 2 ms of TTFT
(ARCHITECTURE section 6). Here httptools parses inside `data_received`, right after the stamp.
What the bytes mean is stream.py's business.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import httptools
import httpx

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

Origin = tuple[str, str, int]
FIRST_FINAL_STATUS = 200
DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass
class Stamps:
    """Instants of one exchange in ns of `time.perf_counter_ns`: the write, each body piece."""

    sent_ns: int | None = None
    received_ns: list[int] = field(default_factory=list)


class _Connection(asyncio.Protocol):
    """One socket, one exchange at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.closed = False
        self._begin(Stamps())

    def _begin(self, stamps: Stamps) -> None:
        self._stamps = stamps
        self._parser = httptools.HttpResponseParser(self)
        self._read_ns = 0
        self._changed = asyncio.Event()
        self._framed = False
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.head_complete = False
        self.complete = False
        self._keep_alive = False
        self.failure: Exception | None = None
        self.pieces: deque[bytes] = deque()

    # -- asyncio.Protocol ----------------------------------------------------------------------
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a stream transport

    def data_received(self, data: bytes) -> None:
        self._read_ns = time.perf_counter_ns()
        if self.complete or self._stamps.sent_ns is None:
            self.abort()  # bytes that nobody asked for: whose answer would they be?
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.complete = False
            cause = error.__context__ or error  # a callback's own error says more
            self.failure = httpx.ProtocolError(f"not a valid HTTP response: {cause}")
            self.abort()
        self._changed.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        if not self.complete and self.failure is None:
            if exc is not None:
                self.failure = httpx.ReadError(f"connection lost: {type(exc).__name__}: {exc}")
            elif self.head_complete and not self._framed:
                self.complete = True  # a body without length or chunks ends with the connection
            else:
                self.failure = httpx.RemoteProtocolError(
                    "peer closed connection without sending complete message body"
                    if self.head_complete
                    else "server disconnected without sending a response"
                )
        self._changed.set()

    # -- httptools callbacks -------------------------------------------------------------------
    def on_message_begin(self) -> None:
        if self.complete:  # becomes an HttpParserError: no answer may have a second one behind it
            msg = "more than one response to one request"
            raise ValueError(msg)

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status < FIRST_FINAL_STATUS:
            return
        self._framed = any(
            name.lower() in {b"content-length", b"transfer-encoding"} for name, _ in self.headers
        )
        self.head_complete = True

    def on_body(self, body: bytes) -> None:
        self.pieces.append(body)
        self._stamps.received_ns.append(self._read_ns)

    def on_message_complete(self) -> None:
        if self.status < FIRST_FINAL_STATUS:
            self.headers.clear()  # an interim answer: the real one follows
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

    async def changed(self, timeout_s: float | None) -> None:
        """Wait until something has arrived or the connection is gone."""
        try:
            async with asyncio.timeout(timeout_s):
                await self._changed.wait()
        except TimeoutError as error:
            raise httpx.ReadTimeout(f"nothing received for {timeout_s} s") from error
        self._changed.clear()

    async def head(self, timeout_s: float | None) -> None:
        """Wait for status and headers."""
        while not self.head_complete:
            if self.failure is not None:
                raise self.failure
            await self.changed(timeout_s)

    @property
    def reusable(self) -> bool:
        """Whether another request may follow on this connection."""
        return self.complete and not self.closed and self._keep_alive

    def abort(self) -> None:
        """Close at once; the server sees it and stops generating."""
        self.closed = True
        if self.transport is not None:
            self.transport.abort()


class _Body(httpx.AsyncByteStream):
    """The body's pieces in the order of arrival; `StampingTransport` says where stamps are."""

    def __init__(self, owner: StampingTransport, origin: Origin, timeout_s: float | None) -> None:
        self._owner = owner
        self._origin = origin
        self._timeout_s = timeout_s
        self._connection: _Connection | None = None

    def attach(self, connection: _Connection) -> None:
        self._connection = connection

    async def __aiter__(self) -> AsyncIterator[bytes]:
        connection = self._connection
        while connection is not None:
            while connection.pieces:
                yield connection.pieces.popleft()
            if connection.failure is not None:
                raise connection.failure
            if connection.complete:
                return
            await connection.changed(self._timeout_s)

    async def aclose(self) -> None:
        if self._connection is not None:
            self._owner.release(self._origin, self._connection)
            self._connection = None


class StampingTransport(httpx.AsyncBaseTransport):
    """httpx transport that stamps requests and body pieces.

    A request that carries a `Stamps` in `extensions["stamps"]` has it filled: also when no answer
    ever comes. Honours httpx's connect and read timeouts, and keeps connections for the next
    request to the same origin.
    """

    def __init__(self) -> None:
        self._idle: dict[Origin, list[_Connection]] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request and return as soon as status and headers are there."""
        timeouts: dict[str, float | None] = request.extensions.get("timeout", {})
        url = request.url
        origin = (url.scheme, url.host, url.port or DEFAULT_PORTS[url.scheme])
        message = await _serialize(request)
        body = _Body(self, origin, timeouts.get("read"))
        connection = await self._connection(origin, timeouts.get("connect"))
        body.attach(connection)
        try:
            connection.send(message, request.extensions.get("stamps") or Stamps())
            await connection.head(timeouts.get("read"))
        except BaseException:
            connection.abort()
            raise
        return httpx.Response(connection.status, headers=connection.headers, stream=body)

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
                    _Connection, host, port, ssl=True if scheme == "https" else None
                )
        except TimeoutError as error:
            raise httpx.ConnectTimeout(f"no connection within {timeout_s} s") from error
        except OSError as error:
            raise httpx.ConnectError(f"cannot connect to {host}:{port}: {error}") from error
        return connection

    def release(self, origin: Origin, connection: _Connection) -> None:
        """Take a connection back; one whose exchange did not end properly is closed."""
        if connection.reusable:
            self._idle.setdefault(origin, []).append(connection)
        else:
            connection.abort()

    async def aclose(self) -> None:
        """Close all idle connections."""
        for connections in self._idle.values():
            for connection in connections:
                connection.abort()
        self._idle.clear()


async def _serialize(request: httpx.Request) -> bytes:
    """One request as the bytes of HTTP/1.1; `request.content` is there for JSON bodies."""
    body = await request.aread()
    head = b"%s %s HTTP/1.1\r\n" % (request.method.encode("ascii"), request.url.raw_path)
    lines = b"".join(b"%s: %s\r\n" % pair for pair in request.headers.raw)
    return head + lines + b"\r\n" + body
