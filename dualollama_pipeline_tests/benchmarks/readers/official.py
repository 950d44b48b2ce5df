"""The official `ollama` client, as its README shows it: `async for part in await generate(...)`.

Its typed records drop unknown fields, so the server's own stamps are lost; accuracy.py holds this
reader against the planned schedule instead.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import ollama

from dualollama_pipeline_tests.benchmarks.reading import MODEL, Reading

if TYPE_CHECKING:
    from collections.abc import Mapping


class OfficialReader:
    """One client for all streams; it connects with its first request."""

    async def open(self, url: str, streams: int) -> None:  # noqa: ARG002 its pool grows by itself
        self._client = ollama.AsyncClient(host=url, trust_env=False)
        self._readings: list[Reading] = []

    async def read(self, stream: int, body: Mapping[str, Any]) -> None:  # noqa: ARG002 see open
        reading = Reading(time.perf_counter_ns())
        self._readings.append(reading)
        parts = await self._client.generate(model=MODEL, prompt=body["prompt"], stream=True)
        async for part in parts:
            now_ns = time.perf_counter_ns()
            if not part.done:
                reading.tokens.append((now_ns, part.response or "", None))

    def finish(self) -> None:
        """Nothing was put off."""

    def take(self) -> list[Reading]:
        readings = list(self._readings)
        self._readings.clear()
        return readings

    async def close(self) -> None:
        await self._client.close()  # type: ignore[no-untyped-call]
