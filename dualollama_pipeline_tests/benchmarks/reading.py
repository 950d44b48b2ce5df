"""What every reader hands back, whatever it is made of: stamps of the client beside the server's.

The clock is `time.perf_counter_ns`, which all processes of one machine share.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

MODEL = "paced:latest"


class Token(NamedTuple):
    """One record with text: when the client had it, and when the server says it wrote it."""

    received_ns: int
    text: str
    written_ns: int | None


@dataclass
class Reading:
    """One answer; `request_ns` is the server's stamp of the request, None if the reader drops it.

    While the clock runs, readers append plain tuples: making objects would be part of the figure.
    """

    sent_ns: int
    tokens: list[tuple[int, str, int | None]] = field(default_factory=list)
    request_ns: int | None = None


class Reader(Protocol):
    """One way to read streams. `read` and `finish` are timed, everything else is not."""

    async def open(self, url: str, streams: int) -> None:
        """Make the clients; a reader connects now only if its user would have to."""

    def read(self, stream: int, body: Mapping[str, Any]) -> Coroutine[Any, Any, None]:
        """Send one request and read its answer to the end."""

    def finish(self) -> None:
        """Do what was put off until nothing is being received any more."""

    def take(self) -> list[Reading]:
        """Return what was read since the last call."""

    async def close(self) -> None:
        """Close all connections."""


def told(line: bytes) -> tuple[int, int] | None:
    """Return (written_ns, request_ns) of a paced server's record; None for any other line."""
    if b'"written_ns"' not in line:
        return None
    record = json.loads(line)
    return record["written_ns"], record["request_ns"]
