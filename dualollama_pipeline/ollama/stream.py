"""From bytes to an answer: framing, strict parsing, and the end state of a stream.

A stream is an answer only after exactly one final record, from the model that was asked, with a
sane `done_reason`, and a properly ended body. Anything else raises StreamError with its kind; what
arrived until then is kept. A model may end at once: one token, no text, no first token. Nothing
here waits or looks at a clock.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dualollama_pipeline.core.records import FailureKind, ServerCounters
from dualollama_pipeline.transport.answer import (
    FINISHED,
    LONGEST_NS,
    MOST_TOKENS,
    Answer,
    StreamError,
    parse_record,
    reads_of_lines,
    refuse_half_characters,
    refuse_other_model,
)
from dualollama_pipeline.transport.failures import excerpt, innermost, kind_of_message, printable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

COUNTER_NAMES = tuple(name for name in ServerCounters.model_fields if name != "done_reason")

LIMITS = {name: MOST_TOKENS if name.endswith("count") else LONGEST_NS for name in COUNTER_NAMES}


def split_lines(pieces: Sequence[bytes], stamps: Sequence[int]) -> Iterator[tuple[bytes, int, int]]:
    """Yield (line, stamp of the read that completed it, lines in that read)."""
    for lines, stamp in reads_of_lines(pieces, stamps):
        for line in lines:
            yield line, stamp, len(lines)


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
    refuse_other_model(model, told)


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
            finished = _take(answer, parse_record(line), stamp, model)
        except StreamError as error:
            error.excerpt = error.excerpt or excerpt(line)
            raise
        answer.shared_a_read(lines_in_read)
    if not finished:
        raise StreamError(FailureKind.TRUNCATED, "the stream ended without a final record")
    answer.check_first_token()


def _take(answer: Answer, record: dict[str, Any], stamp: int, model: str) -> bool:
    """Take one record; return whether it was the final one."""
    if "error" in record:
        text = printable(innermost(record["error"]))
        raise StreamError(kind_of_message(text), f"the server reported: {text}", text or None)
    said = _said(record)
    _check_record(record, model, says_something=any(said))
    if any(said):  # parsers hold text back and send empty records; they are no tokens
        answer.take(said[0], said[1], stamp, record.get("created_at", ""))
    if record.get("done") is not True:
        return False
    answer.final_received_ns = stamp
    answer.final_created_at = record.get("created_at")
    answer.counters = read_counters(record)
    _check_final(record, answer.counters)
    return True


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
    refuse_half_characters(text + thought)
    return text, thought, others
