"""The loop that httpx's documentation shows: one client, `aiter_lines`, json.loads, a stamp.

It cannot stamp the write of a request: its clock starts before `stream`, as every user's does.
"""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import httpx

from dualollama_pipeline_tests.benchmarks.reading import Reading

if TYPE_CHECKING:
    from collections.abc import Mapping


class HttpxReader:
    """One client for all streams; it connects with its first request."""

    async def open(self, url: str, streams: int) -> None:  # noqa: ARG002 its pool grows by itself
        self._client = httpx.AsyncClient(base_url=url, trust_env=False)
        self._readings: list[Reading] = []

    async def read(self, stream: int, body: Mapping[str, Any]) -> None:  # noqa: ARG002 see open
        reading = Reading(time.perf_counter_ns())
        self._readings.append(reading)
        async with self._client.stream("POST", "/api/generate", json=body) as response:
            async for line in response.aiter_lines():
                now_ns, record = time.perf_counter_ns(), json.loads(line)
                if record["done"]:
                    reading.request_ns = record.get("request_ns")
                else:
                    reading.tokens.append((now_ns, record["response"], record.get("written_ns")))

    def finish(self) -> None:
        """Nothing was put off."""

    def take(self) -> list[Reading]:
        readings = list(self._readings)
        self._readings.clear()
        return readings

    async def close(self) -> None:
        await self._client.aclose()
