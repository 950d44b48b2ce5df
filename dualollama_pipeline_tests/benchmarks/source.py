"""`python -m ...benchmarks.source`: a server that answers as fast as the socket takes it.

simulator/paced.py writes and serialises each record when it is due; with no gaps that, and not the
reader, would be the limit. Here the bytes are made beforehand. A prompt says how many tokens, and
how many records go into one write: many (the reader is the limit) or one, as Ollama flushes.
"""

from __future__ import annotations

import asyncio
import json
import sys
from functools import lru_cache

from dualollama_pipeline_tests.benchmarks.reading import MODEL

HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n"
)
VERSION = b'HTTP/1.1 200 OK\r\nContent-Length: 21\r\n\r\n{"version":"unpaced"}'
TOKEN = {"model": MODEL, "created_at": "2026-01-01T00:00:00.000000000Z", "response": " token"}


def _chunk(record: dict[str, object]) -> bytes:
    line = json.dumps(record).encode() + b"\n"
    return b"%x\r\n%s\r\n" % (len(line), line)


@lru_cache
def _block(records: int) -> bytes:
    return _chunk({**TOKEN, "done": False}) * records


def _final(tokens: int) -> bytes:
    counts = dict.fromkeys(
        ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration"), 1
    )
    end = {"response": "", "done": True, "done_reason": "length"}
    return _chunk({**TOKEN, **end, **counts, "prompt_eval_count": 1, "eval_count": tokens})


async def _pour(writer: asyncio.StreamWriter, tokens: int, per_write: int) -> None:
    writer.write(HEAD)
    block = _block(per_write)
    for _ in range(tokens // per_write):
        writer.write(block)
        await writer.drain()
    writer.write(_block(tokens % per_write) + _final(tokens) + b"0\r\n\r\n")
    await writer.drain()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            _, _, length = head.partition(b"content-length:")
            body = await reader.readexactly(int(length.split()[0])) if length else b""
            if body:
                await _pour(writer, **json.loads(json.loads(body)["prompt"]))
            else:
                writer.write(VERSION)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass  # the client has gone
    finally:
        writer.close()


async def _main() -> None:
    server = await asyncio.start_server(_serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    sys.stdout.write(json.dumps({"url": f"http://127.0.0.1:{port}"}) + "\n")
    sys.stdout.flush()
    owner_gone = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), owner_gone.set)
    async with server:
        await owner_gone.wait()


if __name__ == "__main__":
    asyncio.run(_main())
