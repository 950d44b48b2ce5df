"""`python -m ...benchmarks.source`: a server that answers as fast as the socket takes it.

simulator/paced.py writes and serialises each record when it is due; with no gaps that, and not the
reader, would be the limit. Here the bytes are made beforehand. A prompt says how many tokens, and
how many records go into one write: many (the reader is the limit) or one, as Ollama flushes.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache

from dualollama_pipeline.simulator.paced import HEAD, chunk, serve
from dualollama_pipeline_tests.benchmarks.reading import MODEL

TOKEN = {"model": MODEL, "created_at": "2026-01-01T00:00:00.000000000Z", "response": " token"}


@lru_cache
def _block(records: int) -> bytes:
    return chunk({**TOKEN, "done": False}) * records


def _final(tokens: int) -> bytes:
    counts = dict.fromkeys(
        ("total_duration", "load_duration", "prompt_eval_duration", "eval_duration"), 1
    )
    end = {"response": "", "done": True, "done_reason": "length"}
    return chunk({**TOKEN, **end, **counts, "prompt_eval_count": 1, "eval_count": tokens})


async def _pour(writer: asyncio.StreamWriter, asked: dict[str, int], _arrived_ns: int) -> None:
    tokens, per_write = asked["tokens"], asked["per_write"]
    writer.write(HEAD)
    block = _block(per_write)
    for _ in range(tokens // per_write):
        writer.write(block)
        await writer.drain()
    writer.write(_block(tokens % per_write) + _final(tokens) + b"0\r\n\r\n")
    await writer.drain()


if __name__ == "__main__":
    asyncio.run(serve(_pour))
