"""How late the event loop is: a stamp taken by a busy loop is a stamp taken late."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from statistics import quantiles
from typing import TYPE_CHECKING

from dualollama_pipeline.core.units import MS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

EVERY_S = 0.02  # often enough for a P99 within seconds, and some 0.1 % of one core


@contextmanager
def sampled_lag() -> Iterator[list[float]]:
    """Set a timer every 20 ms and note how many seconds late the loop comes to each."""
    loop = asyncio.get_running_loop()
    late_s: list[float] = []

    async def sample() -> None:
        while True:
            due = loop.time() + EVERY_S
            await asyncio.sleep(EVERY_S)
            late_s.append(loop.time() - due)

    task = loop.create_task(sample())
    try:
        yield late_s
    finally:
        task.cancel()


def p99_ms(late_s: Sequence[float]) -> float | None:
    """Return the 99th percentile in ms (linear between order statistics); None below 2 samples."""
    if len(late_s) < 2:  # noqa: PLR2004 a quantile lies between two values
        return None
    return MS_PER_S * quantiles(late_s, n=100, method="inclusive")[98]
