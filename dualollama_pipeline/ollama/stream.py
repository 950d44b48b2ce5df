"""From bytes to an answer: framing, strict parsing, and the end state of a stream.

A stream is an answer only after exactly one final record, from the model that was asked, with a
sane `done_reason`, and a properly ended body. Anything else raises StreamError with its kind; what
arrived until then is kept. A model may end at once: one token, no text, no first token. Nothing
here waits or looks at a clock.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from dualollama_pipeline.core.model_name import same_model
from dualollama_pipeline.core.records import FailureKind, ServerCounters
from dualollama_pipeline.ollama.failures import excerpt, innermost, kind_of_message, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FINISHED = frozenset({"stop", "length"})
MOST_TOKENS, LONGEST_NS = 2**31 - 1, 2**63 - 1  # Go's int32 and int64
COUNTER_NAMES = tuple(name for name in ServerCounters.model_fields if name != "done_reason")

LIMITS = {name: MOST_TOKENS if name.endswith("count") else LONGEST_NS for name in COUNTER_NAMES}


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


def split_lines(pieces: Sequence[bytes], stamps: Sequence[int]) -> Iterator[tuple[bytes, int, int]]:
    r"""Yield (line, stamp of the read that completed it, lines in that read).

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
        for line in lines:
            yield line, stamp, len(lines)
    if last := b"".join(begun).strip():
        yield last, stamps[-1], 1


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


def _parse(line: bytes) -> dict[str, Any]:
    try:
        record = _decode(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise StreamError(FailureKind.PROTOCOL, f"not a JSON record: {error}") from error
    if not isinstance(record, dict):
        raise StreamError(FailureKind.PROTOCOL, "a record is no object")
    return record


def read_counters(record: dict[str, Any]) -> ServerCounters:
    """Read the final record's figures; one that is no count raises StreamError (metrics)."""
    values: dict[str, int | None] = {}
    for name in COUNTER_NAMES:
        value = record.get(name)
        if value is not None and (type(value) is not int or not 0 <= value <= LIMITS[name]):
            raise StreamError(FailureKind.METRICS, f"{name} = {repr(value)[:40]} is no count")
        values[name] = value
    reason = record.get("done_reason")
    if reason is not None and not isinstance(reason, str):
        raise StreamError(FailureKind.PROTOCOL, f"done_reason {repr(reason)[:40]} is no text")
    return ServerCounters(done_reason=reason, **values)


def _check_final(record: dict[str, Any], counters: ServerCounters) -> None:
    reason = record.get("done_reason")
    if reason not in FINISHED:
        raise StreamError(FailureKind.PROTOCOL, f"done_reason {reason!r} is not stop or length")
    if not counters.eval_count:
        raise StreamError(FailureKind.METRICS, "the final record has no eval_count")
    if counters.eval_count > 1 and not counters.eval_duration:  # one token takes no time to decode
        raise StreamError(FailureKind.METRICS, "the final record has no eval_duration")


def _check_record(record: dict[str, Any], model: str, *, says_something: bool) -> None:
    if record.get("remote_host") or record.get("remote_model"):
        raise StreamError(FailureKind.CONFIG, "the answer comes from a cloud model")
    told = record.get("model")
    if told is None and not says_something and isinstance(record.get("done"), bool):
        return  # a sign of life or a bare final record: nothing that another model could have said
    if told != model and not same_model(model, told):
        raise StreamError(FailureKind.PROTOCOL, f"asked {model!r}, but {told!r} answered")


def read_answer(answer: Answer, pieces: Sequence[bytes], stamps: Sequence[int], model: str) -> None:
    """Fill `answer` from the body's pieces and their stamps (ns).

    Raises:
        StreamError: the stream is no answer; `answer` then holds what came before.
    """
    finished = False
    for line, stamp, lines_in_read in split_lines(pieces, stamps):
        if not line or line.isspace():
            continue
        if finished:
            raise StreamError(FailureKind.PROTOCOL, "a record after the final one")
        try:
            finished = _take(answer, _parse(line), stamp, model)
        except StreamError as error:
            error.excerpt = error.excerpt or excerpt(line)
            raise
        if lines_in_read > (answer.max_lines_per_read or 0):
            answer.max_lines_per_read = lines_in_read
    if not finished:
        raise StreamError(FailureKind.TRUNCATED, "the stream ended without a final record")
    if not answer.received_ns and (answer.counters.eval_count or 0) > 1:
        raise StreamError(FailureKind.METRICS, "no record carried text: there is no first token")


def _take(answer: Answer, record: dict[str, Any], stamp: int, model: str) -> bool:
    """Take one record; return whether it was the final one."""
    if "error" in record:
        text = printable(innermost(record["error"]))
        raise StreamError(kind_of_message(text), f"the server reported: {text}", text or None)
    said = _said(record)
    _check_record(record, model, says_something=any(said))
    _take_text(answer, record, said, stamp)
    if record.get("done") is not True:
        return False
    answer.final_received_ns = stamp
    answer.final_created_at = record.get("created_at")
    answer.counters = read_counters(record)
    _check_final(record, answer.counters)
    return True


def _take_text(
    answer: Answer, record: dict[str, Any], said: tuple[str, str, bool], stamp: int
) -> None:
    text, thought, others = said
    if not text and not thought and not others:
        return  # parsers hold text back and send empty records; they are no tokens
    if text and answer.first_answer is None:
        answer.first_answer = len(answer.received_ns)
    answer.received_ns.append(stamp)
    answer.created_at.append(record.get("created_at", ""))
    answer.texts.append(text)
    answer.thoughts.append(thought)


def _said(record: dict[str, Any]) -> tuple[str, str, bool]:
    """Return text, thinking, and whether a message carries anything else (tool calls, images)."""
    message = record.get("message")
    if message is None:
        text, thought, others = record.get("response", ""), record.get("thinking", ""), False
    elif isinstance(message, dict):
        text, thought = message.get("content", ""), message.get("thinking", "")
        others = any(message[name] for name in message.keys() - {"role", "content", "thinking"})
    else:
        raise StreamError(FailureKind.PROTOCOL, "`message` is no object")
    if not isinstance(text, str) or not isinstance(thought, str):
        raise StreamError(FailureKind.PROTOCOL, "the text or the thinking of a record is no text")
    if not (text.isascii() and thought.isascii()):
        try:
            (text + thought).encode()
        except UnicodeEncodeError as error:
            raise StreamError(
                FailureKind.PROTOCOL, "half a character (a lone surrogate)"
            ) from error
    return text, thought, others
