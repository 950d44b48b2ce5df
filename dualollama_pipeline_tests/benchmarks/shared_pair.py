"""`python -m ...benchmarks.shared_pair FACTOR`: two servers that slow each other by a known factor.

A stream alone needs PREFILL_MS to its first token and GAP_MS for each further one; while the other
server's stream is active, all of that takes FACTOR times as long, also the rest of a token that
has begun. Instants follow from each other, never from when they were met: lateness does not add
up. Speaks what the worker asks of an Ollama server; each server has one slot.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from dataclasses import dataclass, field
from typing import Any

PREFILL_MS, GAP_MS = 20.0, 4.0
MODEL = "known:latest"
ENTRY = {"name": MODEL, "model": MODEL, "size": 100, "digest": "d" * 64, "details": {}}
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
)
SPIN_NS = 1_000_000  # asyncio wakes up to a millisecond late
SLICE_S = 0.002  # an instant comes nearer when the other stream ends: look again


@dataclass(eq=False)
class Stream:
    """One generation; `due_ns` is when its next token is due."""

    due_ns: float


@dataclass
class Machine:
    """What both servers share: the active streams and the factor by which two slow each other."""

    factor: float
    streams: list[Stream] = field(default_factory=list)

    @property
    def pace(self) -> float:
        """How many times longer everything takes now than alone."""
        return self.factor if len(self.streams) > 1 else 1.0

    def join(self, now_ns: float, work_ms: float) -> Stream:
        """Begin a stream; the others' outstanding work slows down."""
        stream = Stream(now_ns)
        self._change(now_ns, lambda: self.streams.append(stream))
        stream.due_ns = now_ns + work_ms * 1e6 * self.pace
        return stream

    def leave(self, stream: Stream) -> None:
        """End a stream at its due instant; the others' outstanding work speeds up."""
        self._change(stream.due_ns, lambda: self.streams.remove(stream))

    def _change(self, now_ns: float, change: Any) -> None:
        before = self.pace
        change()
        for other in self.streams:
            if other.due_ns > now_ns:
                other.due_ns = now_ns + (other.due_ns - now_ns) * self.pace / before


async def _reach(stream: Stream) -> None:
    while (left_ns := stream.due_ns - time.perf_counter_ns()) > SPIN_NS:  # noqa: ASYNC110 the instant itself may move
        await asyncio.sleep(min((left_ns - SPIN_NS) / 1e9, SLICE_S))
    while time.perf_counter_ns() < stream.due_ns:
        pass


def _chunk(record: dict[str, Any]) -> bytes:
    line = json.dumps({"model": MODEL, "created_at": "2026-01-01T00:00:00Z", **record}).encode()
    return b"%x\r\n%s\n\r\n" % (len(line) + 1, line)


class Server:
    """One port of the pair."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._slot = asyncio.Lock()
        self._loaded = False

    def control(self, path: str) -> dict[str, Any] | None:
        """Answer what is asked about the server; None for a generation."""
        loaded = [{**ENTRY, "size_vram": 100, "context_length": 2048}] if self._loaded else []
        answers: dict[str, dict[str, Any]] = {
            "/api/version": {"version": "0.33.0"},
            "/api/tags": {"models": [ENTRY]},
            "/api/show": {"model_info": {"general.architecture": "g", "g.block_count": 34}},
            "/api/ps": {"models": loaded},
        }
        return answers.get(path)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                _, _, length = head.lower().partition(b"content-length:")
                body = await reader.readexactly(int(length.split()[0])) if length else b"{}"
                await self._answer(writer, head.split(b" ")[1].decode(), json.loads(body))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has gone
        finally:
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, path: str, body: dict[str, Any]) -> None:
        said = self.control(path)
        if said is None and body["prompt"] == "":
            self._loaded = body["keep_alive"] != 0
            said = {"model": MODEL, "response": "", "done": True, "done_reason": "load"}
        if said is None:
            async with self._slot:
                await self._generate(writer, body["options"]["num_predict"])
        else:
            content = json.dumps(said).encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content) + content)

    async def _generate(self, writer: asyncio.StreamWriter, tokens: int) -> None:
        began_ns = time.perf_counter_ns()
        stream = self._machine.join(began_ns, PREFILL_MS)
        writer.write(HEAD)
        try:
            await _reach(stream)
            first_ns = stream.due_ns
            for _ in range(tokens - 1):
                writer.write(_chunk({"response": " token", "done": False}))
                stream.due_ns += GAP_MS * 1e6 * self._machine.pace
                await _reach(stream)
            writer.write(_chunk({"response": " token", "done": False}))
            writer.write(_chunk(_final(tokens, began_ns, first_ns, stream.due_ns)) + b"0\r\n\r\n")
        finally:
            self._machine.leave(stream)


def _final(tokens: int, began_ns: float, first_ns: float, ended_ns: float) -> dict[str, Any]:
    return {
        "response": "",
        "done": True,
        "done_reason": "length",
        "total_duration": int(ended_ns - began_ns),
        "load_duration": 0,
        "prompt_eval_count": 20,
        "prompt_eval_duration": int(first_ns - began_ns),
        "eval_count": tokens,
        "eval_duration": int(ended_ns - first_ns),
    }


async def _main() -> None:
    machine, urls = Machine(float(sys.argv[1])), {}
    for name in ("a", "b"):
        server = await asyncio.start_server(Server(machine).serve, "127.0.0.1", 0)
        urls[name] = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    sys.stdout.write(json.dumps(urls) + "\n")
    sys.stdout.flush()
    owner_gone = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), owner_gone.set)
    await owner_gone.wait()


if __name__ == "__main__":
    asyncio.run(_main())
