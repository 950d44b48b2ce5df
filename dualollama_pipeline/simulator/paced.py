"""`python -m dualollama_pipeline.simulator.paced`: a server with a known schedule, in real time.

What the ruler is held against: it writes tokens at planned instants and says in each record when it
really wrote (`written_ns`) and when the request had arrived (`request_ns`), both of the monotonic
clock that all processes of one machine share. Speaks just enough of /api/generate, of
/v1/chat/completions (as llama-server), and of what is asked before.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

MODEL = "paced:latest"
HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
)
GREETING = json.dumps({"version": "paced", "data": [{"id": MODEL}]}).encode()
VERSION = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(GREETING), GREETING)
# Writes one answer to what the prompt asks for; the instant is when the request had arrived.
Play = Callable[[asyncio.StreamWriter, dict[str, Any], int], Awaitable[None]]
SPIN_S = 0.001  # asyncio wakes up to a millisecond late; the last one is waited out


@dataclass(frozen=True)
class Schedule:
    """First token after `ttft_ms`, then one each `gap_ms`; the prompt of a request is its JSON."""

    ttft_ms: float
    gap_ms: float
    tokens: int


async def _until(instant_ns: int) -> None:
    """Sleep until shortly before an instant of perf_counter_ns, then spin."""
    remaining_s = (instant_ns - time.perf_counter_ns()) / 1e9 - SPIN_S
    if remaining_s > 0:
        await asyncio.sleep(remaining_s)
    while time.perf_counter_ns() < instant_ns:
        pass


Say = Callable[[dict[str, Any]], bytes]


def in_chunk(payload: bytes) -> bytes:
    """Return bytes as one HTTP chunk."""
    return b"%x\r\n%s\r\n" % (len(payload), payload)


def chunk(record: dict[str, Any]) -> bytes:
    """Return a record as one line in one HTTP chunk."""
    return in_chunk(json.dumps(record).encode() + b"\n")


def event(record: dict[str, Any]) -> bytes:
    """Return a record as OpenAI's protocol has it, in one HTTP chunk; the last one with the end."""
    said = {name: record[name] for name in ("model", "request_ns", "written_ns") if name in record}
    reason = record.get("done_reason")
    choice = {"index": 0, "delta": {"content": record["response"]}, "finish_reason": reason}
    data = [json.dumps(said | {"choices": [choice]})]
    if reason is not None:
        n_tokens = record["eval_count"]
        usage = {"prompt_tokens": 1, "completion_tokens": n_tokens}
        timings = {"predicted_n": n_tokens, "predicted_ms": record["eval_duration"] / 1e6}
        data += [json.dumps({"choices": [], "usage": usage, "timings": timings}), "[DONE]"]
    return in_chunk("".join(f"data: {each}\n\n" for each in data).encode())


async def _play(
    writer: asyncio.StreamWriter, asked: dict[str, Any], request_ns: int, say: Say = chunk
) -> None:
    """Write one answer; a gap of 0 means as fast as the socket takes it."""
    schedule = Schedule(**asked)
    base = {"model": MODEL, "created_at": "2026-01-01T00:00:00Z", "request_ns": request_ns}
    first_ns = request_ns + int(schedule.ttft_ms * 1e6)
    writer.write(HEAD)
    for number in range(schedule.tokens):
        if schedule.gap_ms > 0 or number == 0:
            await _until(first_ns + int(number * schedule.gap_ms * 1e6))
        written = {"response": " token", "done": False, "written_ns": time.perf_counter_ns()}
        writer.write(say(base | written))
        if schedule.gap_ms == 0:
            await writer.drain()
    ended_ns = time.perf_counter_ns()
    final = {
        "response": "",
        "done": True,
        "done_reason": "length",
        "total_duration": ended_ns - request_ns,
        "load_duration": 1,
        "prompt_eval_count": 1,
        "prompt_eval_duration": 1,
        "eval_count": schedule.tokens,
        "eval_duration": max(ended_ns - first_ns, 1),
    }
    writer.write(say(base | final) + b"0\r\n\r\n")
    await writer.drain()


async def _connection(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, play: Play
) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            _, _, length = head.partition(b"content-length:")
            body = await reader.readexactly(int(length.split()[0])) if length else b""
            request_ns = time.perf_counter_ns()
            asked = json.loads(body) if body else {}
            if "messages" in asked:
                schedule = json.loads(asked["messages"][0]["content"])
                await _play(writer, schedule, request_ns, event)
            elif asked:
                await play(writer, json.loads(asked["prompt"]), request_ns)
            else:
                writer.write(VERSION)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # the client has gone
    finally:
        writer.close()


async def serve(play: Play) -> None:
    """Answer on a free loopback port until standard input ends; prints the URL as JSON first."""
    server = await asyncio.start_server(
        lambda reader, writer: _connection(reader, writer, play), "127.0.0.1", 0
    )
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(json.dumps({"url": f"http://127.0.0.1:{port}"}) + "\n")
    sys.stdout.flush()
    owner_gone = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), owner_gone.set)
    async with server:
        await owner_gone.wait()


if __name__ == "__main__":
    asyncio.run(serve(_play))
