"""The ruler's own error: our reader against a server whose schedule is known.

Two streams at once, as in a pair. The error of TTFT is what our stamps add to the time between the
request's arrival at the server and its first write; the network and both event loops are in it.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from dualollama_pipeline.core.errors import ServerError
from dualollama_pipeline.core.protocol import OLLAMA
from dualollama_pipeline.core.records import RulerRecord
from dualollama_pipeline.core.specs import Deadlines
from dualollama_pipeline.core.units import ns_to_ms
from dualollama_pipeline.transport.exchange import Exchange
from dualollama_pipeline.worker.connections import CLIENTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from dualollama_pipeline.core.protocol import Protocol

MODEL = "paced:latest"
STREAMS, REQUESTS = 2, 20
SCHEDULE = {"ttft_ms": 20.0, "gap_ms": 2.0, "tokens": 40}


def is_sound(ruler: RulerRecord) -> bool:
    """Say whether the promise of OLLAMA.md P9 holds: 1 ms at the median, 10 at worst, 1 %."""
    return (
        ruler.ttft_error_median_ms <= 1.0
        and ruler.ttft_error_max_ms <= 10.0  # noqa: PLR2004
        and ruler.rate_error_pct <= 1.0
    )


@contextmanager
def paced_server() -> Iterator[str]:
    """Run the server with a known schedule as a process of its own; yields its URL."""
    command = [sys.executable, "-m", "dualollama_pipeline.simulator.paced"]
    with subprocess.Popen(  # noqa: S603 our own module
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield json.loads(process.stdout.readline())["url"] if process.stdout else ""
        finally:
            process.terminate()


async def examine_ruler(
    server: Callable[[], AbstractContextManager[str]] = paced_server,
    protocol: Protocol = OLLAMA,
    requests: int = REQUESTS,
) -> RulerRecord:
    """Hold the ruler against a server with a known schedule, started for it.

    Raises:
        ServerError: that server did not start, or did not answer as it should.
    """
    try:
        with server() as url:
            return await calibrate(url, protocol, requests)
    except (OSError, ValueError, ArithmeticError, LookupError, ServerError) as error:
        raise ServerError(
            f"the ruler could not be examined ({type(error).__name__}: {error})",
            "stop what else uses this machine, then `dualollama doctor`",
        ) from error


async def calibrate(url: str, protocol: Protocol = OLLAMA, requests: int = REQUESTS) -> RulerRecord:
    """Read so many answers on each of two concurrent streams and compare the stamps."""
    streams = await asyncio.gather(*(_stream(url, protocol, requests) for _ in range(STREAMS)))
    exchanges = [exchange for stream in streams for exchange in stream]
    ttft, gaps, rates = zip(*map(_errors, exchanges), strict=True)
    all_gaps = sorted(gap for some in gaps for gap in some)
    return RulerRecord(
        n=len(exchanges),
        ttft_error_median_ms=ns_to_ms(statistics.median(ttft)),
        ttft_error_max_ms=ns_to_ms(max(ttft)),
        gap_error_p95_ms=ns_to_ms(all_gaps[int(0.95 * len(all_gaps))]),
        rate_error_pct=statistics.median(rates),
    )


async def _stream(url: str, protocol: Protocol, requests: int) -> list[Exchange]:
    schedule = json.dumps(SCHEDULE)
    asked: dict[Protocol, dict[str, object]] = {
        "ollama": {"prompt": schedule},
        "openai": {"messages": [{"role": "user", "content": schedule}]},
    }
    body = {"model": MODEL, "stream": True, **asked[protocol]}
    exchanges = []
    async with CLIENTS[protocol](url, Deadlines()) as client:
        await client.greet()
        for _ in range(requests):
            exchange = Exchange(url=url, model=MODEL)
            await client.generate(body, {}, exchange)
            exchanges.append(exchange)
    return exchanges


def _errors(exchange: Exchange) -> tuple[int, list[int], float]:
    """Return (TTFT error in ns, absolute gap errors in ns, rate error in percent)."""
    lines = [line.removeprefix(b"data: ") for line in b"".join(exchange.pieces).splitlines()]
    records = [json.loads(line) for line in lines if line.startswith(b"{")]
    written = [record["written_ns"] for record in records if "written_ns" in record]
    received = exchange.stamps.received_ns[: len(written)]
    sent = exchange.stamps.sent_ns or 0
    ttft = (received[0] - sent) - (written[0] - records[0]["request_ns"])
    gaps = [
        abs((received[i] - received[i - 1]) - (written[i] - written[i - 1]))
        for i in range(1, len(received))
    ]
    true_span, seen_span = written[-1] - written[0], received[-1] - received[0]
    return ttft, gaps, 100 * abs(true_span / seen_span - 1)
