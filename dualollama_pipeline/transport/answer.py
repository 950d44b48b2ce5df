"""From bytes to an answer, whatever the protocol: lines, strict JSON, and what a stream said.

Nothing here waits or looks at a clock.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from dualollama_pipeline.core.model_name import same_model
from dualollama_pipeline.core.records import FailureKind, ServerCounters

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FINISHED = frozenset({"stop", "length"})
MOST_TOKENS, LONGEST_NS = 2**31 - 1, 2**63 - 1  # Go's int32 and int64


class StreamError(Exception):
    """A stream that is no answer: `kind` from the closed list, text for a person."""

    def __init__(self, kind: FailureKind, text: str, excerpt: str | None = None) -> None:
        super().__init__(text)
        self.kind = kind
        self.excerpt = excerpt


@dataclass
class Answer:
    """What a stream said; the lists run parallel, one entry for each record that carried text.

    `received_ns` are client stamps, `created_at` the server's own (RFC 3339), `max_lines_per_read`
    counts the records that shared one read. `first_answer` indexes the first record whose text is
    no thinking. `counters` are the final record's.
    """

    received_ns: list[int] = field(default_factory=list)
    created_at: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    first_answer: int | None = None
    max_lines_per_read: int | None = None
    final_received_ns: int | None = None
    final_created_at: str | None = None
    counters: ServerCounters = field(default_factory=ServerCounters)

    def take(self, text: str, thought: str, stamp: int, created_at: str = "") -> None:
        """Add a record that carried text, thinking, or something else that took tokens."""
        if text and self.first_answer is None:
            self.first_answer = len(self.received_ns)
        self.received_ns.append(stamp)
        self.created_at.append(created_at)
        self.texts.append(text)
        self.thoughts.append(thought)

    def shared_a_read(self, n_records: int) -> None:
        """Note how many records came in one read."""
        self.max_lines_per_read = max(self.max_lines_per_read or 0, n_records)

    def check_first_token(self) -> None:
        """Raise StreamError for an answer of several tokens that carried no text at all."""
        if not self.received_ns and (self.counters.eval_count or 0) > 1:
            raise StreamError(
                FailureKind.METRICS, "no record carried text: there is no first token"
            )


def reads_of_lines(
    pieces: Sequence[bytes], stamps: Sequence[int]
) -> Iterator[tuple[list[bytes], int]]:
    r"""Yield, for each read, (the lines that it completed, its stamp).

    Splits on `\n` alone: str.splitlines and httpx's aiter_lines also cut at U+0085 and U+2028,
    which occur inside tokens. A last line without a newline counts as a line.
    """
    begun: list[bytes] = []  # the parts of a line that is not complete yet
    for piece, stamp in zip(pieces, stamps, strict=True):
        *lines, rest = piece.split(b"\n")
        if lines:
            lines[0] = b"".join([*begun, lines[0]])
            begun = []
        begun.append(rest)
        yield lines, stamp
    if last := b"".join(begun).strip():
        yield [last], stamps[-1]


def _refuse_constant(name: str) -> NoReturn:
    msg = f"{name} is not JSON"
    raise ValueError(msg)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that names a key twice: one of the values would vanish in silence."""
    content = dict(pairs)
    if len(content) < len(pairs):
        msg = "a key appears twice"
        raise ValueError(msg)
    return content


_STRICT = json.JSONDecoder(parse_constant=_refuse_constant, object_pairs_hook=_unique)
_QUICK = json.JSONDecoder(parse_constant=_refuse_constant)


def _decode(text: str) -> Any:
    """Parse strictly; quickly where a count proves that no key appears twice.

    A pair has `":` unless white space stands before its colon, so a record with as many of them as
    it has keys (its message's included) hides no second one. What is not plain goes the long way.
    """
    if " :" not in text and "\t:" not in text and "\r:" not in text and text[0] == "{":
        record, end = _QUICK.raw_decode(text)
        message = record.get("message")
        keys = len(record) + (len(message) if type(message) is dict else 0)
        if end == len(text) and text.count('":') == keys:
            return record
    return _STRICT.decode(text)


def parse_record(line: bytes) -> dict[str, Any]:
    """Parse one JSON object; what is none, or is doubtful, raises StreamError (protocol)."""
    try:
        record = _decode(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise StreamError(FailureKind.PROTOCOL, f"not a JSON record: {error}") from error
    if not isinstance(record, dict):
        raise StreamError(FailureKind.PROTOCOL, "a record is no object")
    return record


def refuse_half_characters(text: str) -> None:
    """Raise StreamError for a lone surrogate: no file could hold it."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise StreamError(
                FailureKind.PROTOCOL, "half a character (a lone surrogate)"
            ) from error


def refuse_other_model(model: str, told: object) -> None:
    """Raise StreamError where another model answered than was asked."""
    if told != model and not same_model(model, told):
        raise StreamError(FailureKind.PROTOCOL, f"asked {model!r}, but {told!r} answered")
