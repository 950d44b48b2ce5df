"""A server that says exactly what a test wrote: bytes, pauses, resets. Real sockets, real time."""

from __future__ import annotations

import asyncio
import json
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

MODEL = "gemma3:latest"
LINGER_OFF = struct.pack("ii", 1, 0)  # close() then sends RST


@dataclass(frozen=True)
class Pause:
    """Wait before the next bytes."""

    seconds: float


@dataclass(frozen=True)
class Close:
    """End the connection here, politely (FIN) or not (RST)."""

    reset: bool = False


@dataclass(frozen=True)
class Hold:
    """Send nothing more, until the client leaves."""


Step = bytes | Pause | Hold | Close


def chunk(payload: bytes) -> bytes:
    """One chunk of a chunked body."""
    return b"%x\r\n%s\r\n" % (len(payload), payload)


HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
)
END = b"0\r\n\r\n"


def token(text: str, **more: Any) -> bytes:
    """One record of a stream, newline and all, as Go writes it (no escaping of U+0085)."""
    record = {"model": MODEL, "created_at": "2026-01-01T00:00:00Z", "response": text, "done": False}
    return json.dumps(record | more, ensure_ascii=False).encode() + b"\n"


def final(**more: Any) -> bytes:
    """Return the record that ends a stream; its times fit an answer that comes at once."""
    record = {
        "model": MODEL,
        "created_at": "2026-01-01T00:00:01Z",
        "response": "",
        "done": True,
        "done_reason": "length",
        "total_duration": 5_000_000,
        "load_duration": 1_000_000,
        "prompt_eval_count": 20,
        "prompt_eval_duration": 1_000_000,
        "eval_count": 40,
        "eval_duration": 2_000_000,
    }
    record |= more
    return json.dumps({k: v for k, v in record.items() if v is not None}).encode() + b"\n"


def stream(*records: bytes) -> list[Step]:
    """A whole answer, one chunk for each record."""
    return [HEAD, *(chunk(record) for record in records), END]


def answer(status: str, body: bytes, kind: str = "application/json") -> list[Step]:
    """An answer with a length."""
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    return [head.encode() + body]


@dataclass
class Seen:
    """What the server received: request lines, headers and bodies in order, and closed sockets."""

    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    connections: int = 0
    closed: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass(frozen=True)
class Request:
    """One request as the script sees it; `number` counts from 1."""

    path: str
    number: int
    body: bytes


Script = Callable[[Request], Sequence[Step]]


@asynccontextmanager
async def serve(script: Script) -> AsyncIterator[tuple[str, Seen]]:
    """Serve on a free loopback port; `script` gives the steps for each request."""
    seen = Seen()

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                length = next(
                    (
                        int(line.split(":")[1])
                        for line in head.lower().split("\r\n")
                        if line.startswith("content-length:")
                    ),
                    0,
                )
                seen.heads.append(head)
                seen.bodies.append(await reader.readexactly(length))
                request = Request(head.split(" ")[1], len(seen.heads), seen.bodies[-1])
                await _play(script(request), reader, writer)
                if writer.is_closing():
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client left, or the test is over
        finally:
            seen.closed.set()
            writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", seen


async def _play(
    steps: Sequence[Step], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    for step in steps:
        match step:
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Hold():
                await reader.read()
                writer.close()
                return
            case Close(reset):
                if reset:
                    sock = writer.get_extra_info("socket")
                    sock.setsockopt(1, 13, LINGER_OFF)  # SOL_SOCKET, SO_LINGER
                writer.close()
                return
            case bytes():
                writer.write(step)
                await writer.drain()


async def against(script: Script, act: Callable[[str, Seen], Awaitable[Any]]) -> Any:
    """Run `act(url, seen)` against a scripted server."""
    async with serve(script) as (url, seen):
        return await act(url, seen)
