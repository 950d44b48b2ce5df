"""`python -m ...benchmarks.reader_process READER JOB`: all figures of one reader, once.

A process of its own for each reader and round, so that the first request is a first request and
CPU time is that of one reader. The job is JSON (see effort.py), so is the answer.
"""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from dualollama_pipeline_tests.benchmarks.accuracy import gap_errors_us, p95, ttft_error_ms
from dualollama_pipeline_tests.benchmarks.reading import MODEL, Reader, Reading

if TYPE_CHECKING:
    from collections.abc import Mapping

READERS = {
    "raw": ("raw", "RawReader"),
    "raw_json": ("raw", "RawJsonReader"),
    "ours": ("ours", "OurReader"),
    "httpx": ("plain_httpx", "HttpxReader"),
    "aiohttp": ("plain_aiohttp", "AiohttpReader"),
    "ollama": ("official", "OfficialReader"),
}
PACED_STREAMS = 2
WARM_UP_TOKENS = 100


@dataclass(frozen=True)
class Spent:
    """What a session cost and yielded."""

    wall_s: float
    cpu_s: float
    readings: list[Reading]

    @property
    def tokens(self) -> int:
        """Count the records with text that the reader found."""
        return sum(len(reading.tokens) for reading in self.readings)


def make_reader(name: str) -> Reader:
    """Import only what this reader needs: imports are part of what a process costs."""
    module, cls = READERS[name]
    found = import_module(f"dualollama_pipeline_tests.benchmarks.readers.{module}")
    reader: Reader = getattr(found, cls)()
    return reader


async def session(
    reader: Reader, prompt: Mapping[str, Any], streams: int, requests: int = 1
) -> Spent:
    """Read `requests` answers on each of `streams`; what the reader put off counts as well.

    Streams start each request together, as the agents of a trial do. Left alone they would drift,
    and one's request would arrive while the paced server, one thread, spins for the other's token.
    """
    body = {"model": MODEL, "prompt": json.dumps(prompt), "stream": True}
    gc.collect()
    gc.disable()  # as in a trial; for all readers alike
    wall_s, cpu_s = time.perf_counter(), time.process_time()
    for _ in range(requests):
        async with asyncio.TaskGroup() as group:
            for number in range(streams):
                group.create_task(reader.read(number, body))
    gc.enable()
    reader.finish()
    wall_s, cpu_s = time.perf_counter() - wall_s, time.process_time() - cpu_s
    return Spent(wall_s, cpu_s, reader.take())


async def paced(reader: Reader, job: Mapping[str, Any]) -> dict[str, Any]:
    """Measure stamps and CPU time at the pace of a server."""
    schedule = job["schedule"]
    await reader.open(job["paced_url"], PACED_STREAMS)
    first = await session(reader, schedule, PACED_STREAMS)
    spent = await session(reader, schedule, PACED_STREAMS, job["requests"])
    await reader.close()
    gaps = [gap for reading in spent.readings for gap in gap_errors_us(reading, schedule)]
    errors = [ttft_error_ms(reading, schedule) for reading in spent.readings]
    return {
        "first_ttft_error_ms": [ttft_error_ms(reading, schedule) for reading in first.readings],
        "ttft_errors_ms": errors,
        "ttft_error_median_ms": statistics.median(errors),
        "gap_error_p95_us": p95(gaps),
        "paced_cpu_s_per_1k": 1000 * spent.cpu_s / spent.tokens,
    }


async def unpaced(name: str, load: Mapping[str, Any]) -> dict[str, float]:
    """Measure how many tokens a second a reader takes when the server does not wait."""
    streams, prompt = load["streams"], load["prompt"]
    reader = make_reader(name)
    await reader.open(load["url"], streams)
    await session(reader, {**prompt, "tokens": WARM_UP_TOKENS}, streams)  # connections, caches
    spent = await session(reader, prompt, streams)
    await reader.close()
    if spent.tokens != prompt["tokens"] * streams:
        raise RuntimeError(f"{name} found {spent.tokens} of {prompt['tokens'] * streams} tokens")
    return {
        "tok_per_s": spent.tokens / spent.wall_s,
        "cpu_us_per_token": 1e6 * spent.cpu_s / spent.tokens,
    }


async def measure(name: str, job: Mapping[str, Any]) -> dict[str, Any]:
    """Do what the job asks of this reader."""
    result = await paced(make_reader(name), job)
    for load_name, load in job["loads"].items():
        figures = await unpaced(name, load)
        result |= {f"{load_name}_{figure}": value for figure, value in figures.items()}
    return result


if __name__ == "__main__":
    answer = asyncio.run(measure(sys.argv[1], json.loads(sys.argv[2])))
    sys.stdout.write(json.dumps(answer) + "\n")
