"""Server-sent events: from the body's pieces to what each event carries.

As the standard has it (WHATWG HTML, section 9.2), but a line that is no field of any kind (a page,
plain JSON) is refused instead of passed over: such a body is no stream of events.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from dualollama_pipeline.core.records import FailureKind
from dualollama_pipeline.transport.answer import StreamError, reads_of_lines
from dualollama_pipeline.transport.failures import excerpt

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
FIELD = re.compile(rb"[a-z_-]*")  # nothing before the colon: a comment, a sign of life
SHOWN = 40


class Event(NamedTuple):
    """One event; `stamp` is that of the read that completed it, `in_read` counts its events."""

    data: bytes
    is_error: bool
    stamp: int
    in_read: int


def split_events(pieces: Sequence[bytes], stamps: Sequence[int]) -> Iterator[Event]:
    """Yield the events of a body that carry data.

    An event ends with a blank line; the last one may end with the body. llama-server of before
    wrote `error: {...}` in place of `data:`.

    Raises:
        StreamError: a line is no field; the events before it have been yielded.
    """
    data: list[bytes] = []
    name = b""
    wrong: bytes | None = None
    found: list[tuple[bytes, bool]] = []
    is_first = True

    def finish() -> None:
        nonlocal name
        if b"".join(data).strip():
            found.append((b"\n".join(data), name == b"error"))
        data.clear()
        name = b""

    stamp = 0
    for lines, stamp in reads_of_lines(pieces, stamps):
        for line in lines:
            whole = line.removeprefix(BYTE_ORDER_MARK) if is_first else line
            is_first = False
            field, _, value = whole.removesuffix(b"\r").partition(b":")
            value = value.removeprefix(b" ")
            if not whole.removesuffix(b"\r"):
                finish()
            elif not FIELD.fullmatch(field):
                wrong = line
                break
            elif field in {b"data", b"error"}:
                data.append(value)
                name = field if field == b"error" else name
            elif field == b"event":
                name = value
        yield from (Event(*each, stamp, len(found)) for each in found)
        found.clear()
        if wrong is not None:
            said = wrong[:SHOWN].decode(errors="replace")
            raise StreamError(
                FailureKind.PROTOCOL, f"not a server-sent event: {said!r}", excerpt(wrong)
            )
    finish()
    yield from (Event(*each, stamp, 1) for each in found)
