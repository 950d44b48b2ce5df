"""Which clock a trial is stamped by: the host's, or the virtual one of the simulated pair.

The seam between measuring and simulating; nothing else in the worker knows the difference.
"""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from statistics import quantiles
from typing import TYPE_CHECKING, Protocol

from dualollama_pipeline.core.units import MS_PER_S, NS_PER_S

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dualollama_pipeline.transport.answer import Answer
    from dualollama_pipeline.transport.client import Client
    from dualollama_pipeline.transport.exchange import Exchange

RECEIVED_HEADER = "X-Simulated-Received-Ns"


class Clock(Protocol):
    """What the worker asks of a clock."""

    async def begin(self, trial_id: str, agents: Sequence[str]) -> None:
        """Announce the agents of a trial, in the order of submission."""

    async def leave(self, trial_id: str, agent: str) -> None:
        """Say that an agent sends nothing more in this trial."""

    def headers(self, trial_id: str, agent: str, stage: str) -> Mapping[str, str]:
        """Return the headers that a request of this agent carries."""

    def sent_ns(self, exchange: Exchange) -> int | None:
        """Return the instant at which the request was sent, None if it never was."""

    def chunk_ns(self, answer: Answer) -> tuple[int, ...]:
        """Return the instants of the records that carried text."""

    def end_ns(self, exchange: Exchange, answer: Answer) -> int | None:
        """Return the final record's instant, or that of a failed call's end."""

    def lines_per_read(self, answer: Answer) -> int | None:
        """Return how many records shared one instant at most; None where instants are exact."""


class RealClock:
    """Client stamps, taken where bytes are written and arrive (perf_counter_ns)."""

    async def begin(self, trial_id: str, agents: Sequence[str]) -> None:
        """Nobody needs to know."""

    async def leave(self, trial_id: str, agent: str) -> None:
        """Nobody needs to know."""

    def headers(self, trial_id: str, agent: str, stage: str) -> Mapping[str, str]:  # noqa: ARG002 the seam's signature
        """Send nothing that a real server would not expect."""
        return {}

    def sent_ns(self, exchange: Exchange) -> int | None:
        """Return the stamp taken at the write."""
        return exchange.stamps.sent_ns

    def chunk_ns(self, answer: Answer) -> tuple[int, ...]:
        """Return the stamps of the reads that completed the records."""
        return tuple(answer.received_ns)

    def end_ns(self, exchange: Exchange, answer: Answer) -> int | None:
        """Return the final record's stamp; a failed call ends when its failure was noticed."""
        return exchange.ended_ns if answer.final_received_ns is None else answer.final_received_ns

    def lines_per_read(self, answer: Answer) -> int | None:
        """Return what the reads held."""
        return answer.max_lines_per_read


class SimulatedClock:
    """Virtual instants that the simulator writes into its answers (SIMULATOR.md)."""

    def __init__(self, simulator: Client) -> None:
        self._simulator = simulator

    async def begin(self, trial_id: str, agents: Sequence[str]) -> None:
        """Join: virtual time stands still until all of these agents have a request open."""
        body = {"trial_id": trial_id, "agents": list(agents)}
        await self._simulator.request("POST", "/simulator/join", body)

    async def leave(self, trial_id: str, agent: str) -> None:
        """Leave: virtual time no longer waits for this agent."""
        body = {"trial_id": trial_id, "agent": agent}
        await self._simulator.request("POST", "/simulator/leave", body)

    def headers(self, trial_id: str, agent: str, stage: str) -> Mapping[str, str]:
        """Say whose request this is; the simulator draws its random numbers by it."""
        return {
            "X-Simulator-Trial": trial_id,
            "X-Simulator-Agent": agent,
            "X-Simulator-Stage": stage,
        }

    def sent_ns(self, exchange: Exchange) -> int | None:
        """Return the virtual instant at which the server received the request."""
        received = exchange.headers.get(RECEIVED_HEADER)
        return None if received is None else int(received)

    def chunk_ns(self, answer: Answer) -> tuple[int, ...]:
        """Return the virtual instants at which the records were made."""
        return tuple(map(instant_ns, answer.created_at))

    def end_ns(self, exchange: Exchange, answer: Answer) -> int | None:
        """Return the final record's instant; a failed call ends with what arrived last."""
        last = answer.final_created_at or (answer.created_at[-1] if answer.created_at else None)
        return self.sent_ns(exchange) if last is None else instant_ns(last)

    def lines_per_read(self, answer: Answer) -> int | None:  # noqa: ARG002 the seam's signature
        """Return None: each record says when it was made, however reads lump them."""
        return None


EPOCH_S = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())


@lru_cache(maxsize=4096)
def _second_ns(prefix: str) -> int:
    return (int(datetime.fromisoformat(prefix + "+00:00").timestamp()) - EPOCH_S) * NS_PER_S


def instant_ns(created_at: str) -> int:
    """Read `2026-01-01T00:00:01.000000002Z` as ns after the simulator's epoch (here 1000000002).

    The standard library keeps six of the nine digits.
    """
    return _second_ns(created_at[:19]) + int(created_at[20:29])


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
