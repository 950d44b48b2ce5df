"""Loop lag: what blocks the loop is seen, and a quiet loop is not accused."""

from __future__ import annotations

import asyncio
import time

import pytest

from dualollama_pipeline.worker.clock import p99_ms, sampled_lag


def test_work_in_the_loop_is_seen() -> None:
    """30 ms of synchronous work make every stamp of that time up to 30 ms late."""

    async def busy() -> list[float]:
        with sampled_lag() as late_s:
            await asyncio.sleep(0.03)
            started = time.monotonic()
            while time.monotonic() < started + 0.06:
                pass  # blocks the loop, as parsing or a log file would
            await asyncio.sleep(0.03)
        return late_s

    assert max(asyncio.run(busy())) > 0.02


def test_nothing_goes_on_after_the_trial() -> None:
    """A timer left behind would sample the writing of the journal, and wake the loop for ever."""

    async def act() -> tuple[int, int]:
        with sampled_lag() as late_s:
            await asyncio.sleep(0.05)
        before = len(late_s)
        await asyncio.sleep(0.05)
        return before, len(late_s)

    before, after = asyncio.run(act())
    assert 0 < before == after


def test_the_percentile_by_hand() -> None:
    """101 samples 0..100 ms: the 99th percentile is 99 ms; one sample has no percentile."""
    assert p99_ms([i / 1000 for i in range(101)]) == pytest.approx(99.0)
    assert p99_ms([0.5]) is None
    assert p99_ms([]) is None
