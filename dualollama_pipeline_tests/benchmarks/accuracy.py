"""How far a reader's stamps are from what the server says, as calibration.py compares them.

TTFT error: the client's time to first token less the time between request and first write at the
server. Gap error: absolute difference between a gap as received and as written.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from dualollama_pipeline.core.units import NS_PER_MS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from dualollama_pipeline_tests.benchmarks.reading import Reading


def ttft_error_ms(reading: Reading, schedule: Mapping[str, Any]) -> float:
    """Compare with the server's stamps; with the planned TTFT where the reader drops those."""
    received_ns, _, written_ns = reading.tokens[0]
    seen_ns = received_ns - reading.sent_ns
    if written_ns is None or reading.request_ns is None:
        return seen_ns / NS_PER_MS - float(schedule["ttft_ms"])
    return (seen_ns - (written_ns - reading.request_ns)) / NS_PER_MS


def gap_errors_us(reading: Reading, schedule: Mapping[str, Any]) -> Iterator[float]:
    """Yield one figure for each pair of neighbours."""
    for (received, _, written), (next_received, _, next_written) in pairwise(reading.tokens):
        if written is None or next_written is None:
            true_ns = schedule["gap_ms"] * NS_PER_MS
        else:
            true_ns = next_written - written
        yield abs(next_received - received - true_ns) / 1000


def p95(values: Sequence[float]) -> float:
    """Return the value that 5 % exceed, taken from the sample itself."""
    return sorted(values)[int(0.95 * len(values))]
