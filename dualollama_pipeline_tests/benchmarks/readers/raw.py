"""The floor: asyncio.Protocol and a stamp, nothing else; what no reader in Python can beat.

`RawReader` keeps bytes and looks into them afterwards, off the clock. `RawJsonReader` parses each
record as it arrives. Both know what the servers here send (one record a chunk) and check nothing.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httptools

from dualollama_pipeline.ollama.stream import split_lines
from dualollama_pipeline_tests.benchmarks.reading import Reading, told

if TYPE_CHECKING:
    from collections.abc import Mapping

END = b"0\r\n\r\n"
LAST_CHUNK = b"0\r"


class _Stream(asyncio.Protocol):
    """One connection, one answer at a time."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self.done: asyncio.Future[None]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # a stream transport

    def begin(self, message: bytes) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self.sent_ns = time.perf_counter_ns()
        self.transport.write(message)


class _Bytes(_Stream):
    """Stamps reads and keeps their bytes."""

    def begin(self, message: bytes) -> None:
        self.reads: list[tuple[int, bytes]] = []
        self._tail = b""
        super().begin(message)

    def data_received(self, data: bytes) -> None:
        self.reads.append((time.perf_counter_ns(), data))
        self._tail = (self._tail + data[-len(END) :])[-len(END) :]
        if self._tail == END:
            self.done.set_result(None)


class _Records(_Stream):
    """Stamps reads and parses the records in them at once."""

    def begin(self, message: bytes) -> None:
        self.tokens: list[tuple[int, str, int | None]] = []
        self.request_ns: int | None = None
        self._rest = b""
        super().begin(message)

    def data_received(self, data: bytes) -> None:
        now_ns = time.perf_counter_ns()
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if line.startswith(b"{"):
                record = json.loads(line)
                if record["done"]:
                    self.request_ns = record.get("request_ns")
                else:
                    self.tokens.append((now_ns, record["response"], record.get("written_ns")))
            elif line == LAST_CHUNK:
                self.done.set_result(None)


def _message(body: Mapping[str, Any]) -> bytes:
    content = json.dumps(body).encode()
    head = b"POST /api/generate HTTP/1.1\r\nHost: paced\r\nContent-Length: %d\r\n\r\n"
    return head % len(content) + content


class _Raw:
    """Connections opened beforehand, one for each stream."""

    protocol: type[_Stream]

    async def open(self, url: str, streams: int) -> None:
        loop, where = asyncio.get_running_loop(), urlsplit(url)
        host, port = where.hostname or "", where.port or 0
        self._streams: list[Any] = [
            (await loop.create_connection(self.protocol, host, port))[1] for _ in range(streams)
        ]
        self._answers: list[Any] = []

    async def _exchange(self, stream: int, body: Mapping[str, Any]) -> Any:
        connection = self._streams[stream]
        connection.begin(_message(body))
        await connection.done
        return connection

    def finish(self) -> None:
        """Nothing was put off."""

    async def close(self) -> None:
        for connection in self._streams:
            connection.transport.abort()


class RawReader(_Raw):
    """Stamps, no JSON."""

    protocol = _Bytes

    async def read(self, stream: int, body: Mapping[str, Any]) -> None:
        connection = await self._exchange(stream, body)
        self._answers.append((connection.sent_ns, connection.reads))

    def take(self) -> list[Reading]:
        readings = [_reading(*answer) for answer in self._answers]
        self._answers.clear()
        return readings


class RawJsonReader(_Raw):
    """Stamps and json.loads."""

    protocol = _Records

    async def read(self, stream: int, body: Mapping[str, Any]) -> None:
        connection = await self._exchange(stream, body)
        answer = Reading(connection.sent_ns, connection.tokens, connection.request_ns)
        self._answers.append(answer)

    def take(self) -> list[Reading]:
        readings = list(self._answers)
        self._answers.clear()
        return readings


class _Body:
    """Takes the chunk framing off, keeping for each piece the stamp of its read."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.pieces: list[bytes] = []
        self.stamps: list[int] = []

    def on_body(self, body: bytes) -> None:
        self.pieces.append(body)
        self.stamps.append(self.now_ns)


def _reading(sent_ns: int, reads: list[tuple[int, bytes]]) -> Reading:
    body, reading = _Body(), Reading(sent_ns)
    parser = httptools.HttpResponseParser(body)
    for body.now_ns, data in reads:
        parser.feed_data(data)
    for line, received_ns, _ in split_lines(body.pieces, body.stamps):
        if b'"done": false' in line:
            truth = told(line)
            reading.tokens.append((received_ns, "", truth and truth[0]))
            reading.request_ns = truth and truth[1]
    return reading
