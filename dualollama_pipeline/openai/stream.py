"""What a stream of /v1/chat/completions (or /v1/completions) says, and whether it ended well.

An answer has one choice, one `finish_reason`, the usage that was asked for, and `[DONE]`, from the
model that was asked. Tokens are what `usage` counts, never chunks; llama-server's `timings` are the
server's times, and where there are none those times are not known (OLLAMA.md section H).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dualollama_pipeline.core.records import FailureKind, ServerCounters
from dualollama_pipeline.core.units import NS_PER_MS
from dualollama_pipeline.transport.answer import (
    FINISHED,
    LONGEST_NS,
    MOST_TOKENS,
    Answer,
    StreamError,
    parse_record,
    refuse_half_characters,
    refuse_other_model,
)
from dualollama_pipeline.transport.events import split_events
from dualollama_pipeline.transport.failures import excerpt, innermost, kind_of_message, printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dualollama_pipeline.transport.events import Event

DONE = b"[DONE]"
THINKING = ("reasoning_content", "reasoning")  # llama-server's name, vLLM's and LM Studio's
WORDS = frozenset({"role", "content", "text", *THINKING})


@dataclass
class _Ending:
    """What of an end has come so far."""

    reason: str | None = None
    usage: Mapping[str, Any] | None = None
    timings: Mapping[str, Any] | None = None
    is_done: bool = False


def read_answer(answer: Answer, pieces: Sequence[bytes], stamps: Sequence[int], model: str) -> None:
    """Fill `answer` from the body's pieces and their stamps (ns).

    Raises:
        StreamError: the stream is no answer; `answer` then holds what came before.
    """
    ending = _Ending()
    for event in split_events(pieces, stamps):
        if ending.is_done:
            raise StreamError(FailureKind.PROTOCOL, "an event after [DONE]", excerpt(event.data))
        try:
            _take(answer, ending, event, model)
        except StreamError as error:
            error.excerpt = error.excerpt or excerpt(event.data)
            raise
        answer.shared_a_read(event.in_read)
    if not ending.is_done:
        raise StreamError(FailureKind.TRUNCATED, "the stream ended without [DONE]")
    if ending.reason is None:
        raise StreamError(FailureKind.TRUNCATED, "the stream ended without a finish_reason")
    if ending.usage is None:
        raise StreamError(FailureKind.TRUNCATED, "the stream ended without the usage")
    answer.counters = _counters(ending.reason, ending.usage, ending.timings or {})
    answer.check_first_token()


def _take(answer: Answer, ending: _Ending, event: Event, model: str) -> None:
    """Take one event."""
    if event.data.strip() == DONE:
        ending.is_done = True
        answer.final_received_ns = event.stamp
        return
    chunk = parse_record(event.data)
    if event.is_error or chunk.get("error") is not None:
        text = printable(innermost(chunk))
        raise StreamError(kind_of_message(text), f"the server reported: {text}", text or None)
    created_at = chunk.get("created_at", "")  # a simulator's virtual instant; others have none
    text, thought, others = _said(chunk, ending)
    told = chunk.get("model")
    if told is not None or text or thought or others:  # a sign of life need not name one
        refuse_other_model(model, told)
    if text or thought or others:
        if ending.reason is not None and not _ends(chunk):
            raise StreamError(FailureKind.PROTOCOL, "text after the finish_reason")
        answer.take(text, thought, event.stamp, created_at)
    answer.final_created_at = created_at or answer.final_created_at
    if ending.reason is not None:  # a usage before the end is of something else, or of nothing yet
        ending.usage = _part(chunk, "usage") or ending.usage
        ending.timings = _part(chunk, "timings") or ending.timings


def _said(chunk: Mapping[str, Any], ending: _Ending) -> tuple[str, str, bool]:
    """Return text, thinking and whether there is anything else; note why the answer ended."""
    choices = chunk.get("choices")
    if not isinstance(choices, list):
        raise StreamError(FailureKind.PROTOCOL, "a chunk without a list of choices")
    if not choices:
        return "", "", False
    choice = choices[0]
    if len(choices) > 1 or not isinstance(choice, dict) or choice.get("index", 0) != 0:
        raise StreamError(FailureKind.PROTOCOL, "more than the one choice that was asked for")
    if _ends(chunk):
        _note_reason(choice["finish_reason"], ending)
    delta = _part(choice, "delta") or choice
    text = _text(delta, "content") or _text(delta, "text")
    thought = next(filter(None, (_text(delta, name) for name in THINKING)), "")
    others = delta is not choice and any(delta[name] for name in delta.keys() - WORDS)
    return text, thought, others


def _ends(chunk: Mapping[str, Any]) -> bool:
    return any(choice.get("finish_reason") is not None for choice in chunk["choices"])


def _note_reason(reason: object, ending: _Ending) -> None:
    if ending.reason is not None:
        raise StreamError(FailureKind.PROTOCOL, "a second finish_reason")
    if not isinstance(reason, str) or reason not in FINISHED:
        shown = repr(reason)[:40]
        raise StreamError(FailureKind.PROTOCOL, f"finish_reason {shown} is not stop or length")
    ending.reason = reason


def _part(content: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    """Return an object inside a chunk, None where there is none."""
    part = content.get(name)
    if part is not None and not isinstance(part, dict):
        raise StreamError(FailureKind.PROTOCOL, f"`{name}` is no object")
    return part


def _text(delta: Mapping[str, Any], name: str) -> str:
    text = delta.get(name)
    if text is None:
        return ""
    if not isinstance(text, str):
        raise StreamError(FailureKind.PROTOCOL, f"`{name}` is no text")
    refuse_half_characters(text)
    return text


def _counters(reason: str, usage: Mapping[str, Any], timings: Mapping[str, Any]) -> ServerCounters:
    """Return the counters; one that is no count or contradicts another raises StreamError."""
    n_tokens = _count(usage, "completion_tokens")
    if not n_tokens:
        raise StreamError(FailureKind.METRICS, "the usage has no completion_tokens")
    predicted_n, eval_ns = _count(timings, "predicted_n"), _duration_ns(timings, "predicted_ms")
    if predicted_n not in {None, n_tokens}:
        said = f"{n_tokens} tokens by the usage, {predicted_n} by the timings"
        raise StreamError(FailureKind.METRICS, said)
    if timings and n_tokens > 1 and not eval_ns:  # one token takes no time to decode
        raise StreamError(FailureKind.METRICS, "the timings have no predicted_ms")
    cached = _count(timings, "cache_n")
    if cached is None:
        cached = _count(_part(usage, "prompt_tokens_details") or {}, "cached_tokens")
    return ServerCounters(
        done_reason=reason,
        prompt_eval_count=_count(usage, "prompt_tokens"),
        prompt_eval_cached_count=cached,
        prompt_eval_duration=_duration_ns(timings, "prompt_ms"),
        eval_count=n_tokens,
        eval_duration=eval_ns,
    )


def _count(figures: Mapping[str, Any], name: str) -> int | None:
    value: int | None = figures.get(name)
    if value is not None and (type(value) is not int or not 0 <= value <= MOST_TOKENS):
        raise StreamError(FailureKind.METRICS, f"{name} = {repr(value)[:40]} is no count")
    return value


def _duration_ns(figures: Mapping[str, Any], name: str) -> int | None:
    value: float | None = figures.get(name)
    if value is None:
        return None
    if type(value) not in {int, float} or not 0 <= value * NS_PER_MS <= LONGEST_NS:
        raise StreamError(FailureKind.METRICS, f"{name} = {repr(value)[:40]} is no duration")
    return round(value * NS_PER_MS)
