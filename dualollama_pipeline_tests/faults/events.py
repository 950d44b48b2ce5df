"""Streams of events: those that are no answer, and those that are one all the same.

What depends on HTTP alone comes from broken.py, refusals.py and odd.py, in this third shape.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from dualollama_pipeline.core.records import FailureKind
from dualollama_pipeline_tests.faults.broken import bad_ends, bad_lengths
from dualollama_pipeline_tests.faults.cases import (
    DONE,
    EVENTS,
    POSITIONS,
    WAYS,
    WORDS,
    Case,
    K,
    chunk_event,
    event,
    in_events,
    last_events,
)
from dualollama_pipeline_tests.faults.odd import ODD_TEXT, SEPARATORS, Odd, framings, slow
from dualollama_pipeline_tests.faults.refusals import refusals
from dualollama_pipeline_tests.faults.scripted import END, MODEL, Step, final, token

USAGE = {"prompt_tokens": 20, "completion_tokens": 40}
TIMINGS = {"cache_n": 0, "prompt_ms": 1.0, "predicted_n": 40, "predicted_ms": 2.0}
MINUTE_MS = 60_000.0


def _chunk(**more: Any) -> bytes:
    return chunk_event(MODEL, {"content": "WRONG"}, **more)


def _delta(**delta: Any) -> bytes:
    return chunk_event(MODEL, delta)


def _choices(choices: object) -> bytes:
    return event({"model": MODEL, "choices": choices})


def _error(said: object) -> bytes:
    return event({"error": said})


def _raw(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


ONE = {"index": 0, "delta": {"content": "x"}, "finish_reason": None}
WHOLE = last_events(MODEL, "stop", {}, USAGE, TIMINGS)
BROKEN = {"code": 500, "message": "broken", "type": "server_error"}

# name: (events, kind, what the failure says)
WRONG: dict[str, tuple[bytes, FailureKind, str]] = {
    "error-event": (_error(BROKEN), K.SERVER_ERROR, "broken"),
    "error-event-oom": (_error({"message": "CUDA error: out of memory"}), K.OOM, "memory"),
    "error-event-text": (_error("broken"), K.SERVER_ERROR, "broken"),
    "error-event-empty": (_error(""), K.SERVER_ERROR, "server"),
    "error-in-a-chunk": (_chunk(error=BROKEN), K.SERVER_ERROR, "broken"),
    "error-field": (b"error: " + json.dumps(BROKEN).encode() + b"\n\n", K.SERVER_ERROR, "broken"),
    "event-called-error": (b"event: error\n" + event(BROKEN), K.SERVER_ERROR, "broken"),
    "garbage": (_raw(b"{not json}"), K.PROTOCOL, "JSON"),
    "html": (b"<html>502 Bad Gateway</html>\n", K.PROTOCOL, "server-sent event"),
    "plain-json": (event(ONE).removeprefix(b"data: "), K.PROTOCOL, "server-sent event"),
    "ndjson": (token("WRONG"), K.PROTOCOL, "server-sent event"),
    "truncated-json": (_chunk()[:-9] + b"\n\n", K.PROTOCOL, "JSON"),
    "two-chunks-in-an-event": (_raw(_chunk()[6:-2] + _chunk()[6:-2]), K.PROTOCOL, "JSON"),
    "two-chunks-in-two-lines": (_chunk()[:-1] + _chunk(), K.PROTOCOL, "JSON"),
    "invalid-utf8": (_chunk().replace(b"WRONG", b"\xff\xfe"), K.PROTOCOL, "JSON"),
    "raw-control-character": (_chunk().replace(b"WRONG", b"\x00\x07"), K.PROTOCOL, "JSON"),
    "escaped-surrogate": (_chunk().replace(b"WRONG", b"\\ud83d"), K.PROTOCOL, "surrogate"),
    "nan": (_chunk(logprob=float("nan")), K.PROTOCOL, "NaN"),
    "infinity": (_chunk(logprob=float("inf")), K.PROTOCOL, "Infinity"),
    "list": (_raw(b"[1,2]"), K.PROTOCOL, "no object"),
    "null": (_raw(b"null"), K.PROTOCOL, "no object"),
    "done-in-small-letters": (_raw(b"[done]"), K.PROTOCOL, "JSON"),
    "deep-nesting": (_raw(b"[" * 100_000 + b"]" * 100_000), K.PROTOCOL, ""),
    "key-twice": (_raw(b'{"choices":[],"choices":[]}'), K.PROTOCOL, "twice"),
    "wrong-model": (chunk_event("llama3:8b", {"content": "x"}), K.PROTOCOL, "llama3:8b"),
    "wrong-model-without-text": (chunk_event("llama3:8b", {}), K.PROTOCOL, "llama3:8b"),
    "no-model": (chunk_event(None, {"content": "x"}), K.PROTOCOL, "None"),
    "content-is-a-number": (_delta(content=5), K.PROTOCOL, "no text"),
    "content-is-a-list": (_delta(content=[{"text": "x"}]), K.PROTOCOL, "no text"),
    "reasoning-is-a-number": (_delta(reasoning_content=5), K.PROTOCOL, "no text"),
    "delta-is-a-text": (chunk_event(MODEL, "x"), K.PROTOCOL, "no object"),
    "no-choices": (event({"model": MODEL}), K.PROTOCOL, "choices"),
    "choices-is-an-object": (_choices(ONE), K.PROTOCOL, "choices"),
    "choice-is-a-text": (_choices(["x"]), K.PROTOCOL, "one choice"),
    "two-choices": (_choices([ONE, ONE | {"index": 1}]), K.PROTOCOL, "one choice"),
    "another-choice": (_choices([ONE | {"index": 1}]), K.PROTOCOL, "one choice"),
    "content-filter": (_chunk(reason="content_filter"), K.PROTOCOL, "content_filter"),
    "tool-calls": (_chunk(reason="tool_calls"), K.PROTOCOL, "tool_calls"),
    "reason-is-a-number": (_chunk(reason=5), K.PROTOCOL, "finish_reason 5"),
    "reason-is-a-list": (_chunk(reason=["stop"]), K.PROTOCOL, "finish_reason"),
    "usage-is-a-list": (chunk_event(MODEL, {}, "stop", usage=[1]), K.PROTOCOL, "usage"),
    "timings-is-a-text": (chunk_event(MODEL, {}, "stop", timings="x"), K.PROTOCOL, "timings"),
    "second-reason": (chunk_event(MODEL, {}, "stop") * 2, K.PROTOCOL, "second"),
    "text-after-reason": (chunk_event(MODEL, {}, "stop") + _chunk(), K.PROTOCOL, "text after"),
    "second-done": (WHOLE + DONE, K.PROTOCOL, "after [DONE]"),
    "chunk-after-done": (WHOLE + _chunk(), K.PROTOCOL, "after [DONE]"),
    "error-after-done": (WHOLE + _error(BROKEN), K.PROTOCOL, "after [DONE]"),
    "garbage-after-done": (WHOLE + b"\x00\n", K.PROTOCOL, "server-sent event"),
}


def _endings() -> Iterator[tuple[str, bytes, FailureKind, str]]:
    """Ends that are wrong: name, events, kind, what the failure says."""

    def with_usage(**changes: Any) -> bytes:
        return last_events(MODEL, "length", {}, USAGE | changes, TIMINGS)

    def with_timings(**changes: Any) -> bytes:
        return last_events(MODEL, "length", {}, USAGE, TIMINGS | changes)

    for name in USAGE:
        for value in (-1, 1.5, "40", True, [40], 10**30):
            yield f"{name}={value}", with_usage(**{name: value}), K.METRICS, name
    yield "no-tokens", with_usage(completion_tokens=0), K.METRICS, "completion_tokens"
    yield "no-count", with_usage(completion_tokens=None), K.METRICS, "completion_tokens"
    details = {"prompt_tokens_details": {"cached_tokens": -1}}
    usage_alone = last_events(MODEL, "length", {}, USAGE | details, None)
    yield "cached_tokens=-1", usage_alone, K.METRICS, "cached_tokens"
    for name in ("cache_n", "predicted_n"):
        for value in (-1, 1.5, "40", True):
            yield f"{name}={value}", with_timings(**{name: value}), K.METRICS, name
    for name in ("prompt_ms", "predicted_ms"):
        for value in (-1, -0.5, "40", True, [1], 1e300, 10**400):
            shown = f"{value}"[:8]
            yield f"{name}={shown}", with_timings(**{name: value}), K.METRICS, name
    yield "two-counts", with_timings(predicted_n=39), K.METRICS, "39 by the timings"
    yield "no-decode-time", with_timings(predicted_ms=0), K.METRICS, "predicted_ms"
    yield "decode-time-absent", with_timings(predicted_ms=None), K.METRICS, "predicted_ms"
    yield "decode-time-nan", with_timings(predicted_ms=float("nan")), K.PROTOCOL, "NaN"
    yield "decode-beyond-us", with_timings(predicted_ms=MINUTE_MS), K.METRICS, "eval_duration"
    yield "prompt-beyond-us", with_timings(prompt_ms=MINUTE_MS), K.METRICS, "prompt"
    reason = chunk_event(MODEL, {}, "length")
    counted = event({"model": MODEL, "choices": [], "usage": USAGE, "timings": TIMINGS})
    yield "no-done", reason + counted, K.TRUNCATED, "[DONE]"
    yield "no-usage", reason + DONE, K.TRUNCATED, "usage"
    yield "usage-null", last_events(MODEL, "length", {}, None, TIMINGS), K.TRUNCATED, "usage"
    yield "usage-before-the-reason", counted + reason + DONE, K.TRUNCATED, "usage"
    yield "no-reason", counted + DONE, K.TRUNCATED, "finish_reason"
    yield "done-alone", DONE, K.TRUNCATED, "finish_reason"
    zeros = {"prompt_tokens": 0, "completion_tokens": 0}
    usage_too_soon = chunk_event(MODEL, {}, "length", usage=zeros)
    yield "usage-of-zeros", usage_too_soon + DONE, K.METRICS, "completion_tokens"


def event_faults() -> list[Case]:
    """Return every fault of a stream of events."""
    tokens = [in_events(token(word)) for word in WORDS]
    cases: list[Case] = []
    for name, (wrong, kind, said) in WRONG.items():
        for position, n in POSITIONS.items():
            for way, send in WAYS.items():
                steps: list[Step] = [*send([*tokens[:n], wrong, *tokens[n:], WHOLE]), END]
                told = f"{name}@{position}-{way}"
                case = Case(told, EVENTS, steps, kind, None, says=said, phase="final")
                cases.append(case)
    for name, end, kind, said in _endings():
        for (position, n), (way, send) in zip(POSITIONS.items(), WAYS.items(), strict=True):
            words = WORDS[: max(n, 1)]
            steps = [*send([*(in_events(token(word)) for word in words), end]), END]
            told = f"{name}@{position}-{way}"
            text = "".join(words)
            cases.append(Case(told, EVENTS, steps, kind, text, says=said, phase="final"))
    nothing = in_events(final())
    said = "first token"
    cases.append(Case("no-text-at-all", EVENTS, [*WAYS["records"]([nothing]), END], K.METRICS, "",
                      says=said))  # fmt: skip
    return [*cases, *refusals(EVENTS), *bad_ends(EVENTS), *bad_lengths(EVENTS)]


TOKENS = [in_events(token(word)) for word in WORDS]
LAST = in_events(final())
ROLE = chunk_event(MODEL, {"role": "assistant", "content": None})
BARE = last_events(MODEL, "length", {}, USAGE, None)  # as Ollama's /v1: no times
LOOKS_LIKE = 'data: [DONE]\n\ndata: {"error":"x"}\n\n'
ZEROS = {"usage": {"prompt_tokens": 0, "completion_tokens": 0}}


def _reasoning(name: str) -> list[bytes]:
    return [chunk_event(MODEL, {name: "hm "}), chunk_event(MODEL, {name: "ah", "content": ""})]


def _text_chunk(text: str, reason: str | None = None, **more: Any) -> bytes:
    choice = {"text": text, "index": 0, "finish_reason": reason}
    return event({"model": MODEL, "choices": [choice]} | more)


ODDITIES: dict[str, Odd] = {
    "plain": Odd([*TOKENS, LAST]),
    "stop": Odd([*TOKENS, in_events(final(done_reason="stop"))]),
    "no-times": Odd([*TOKENS, BARE]),
    "crlf": Odd([*TOKENS, LAST], edit=lambda body: body.replace(b"\n", b"\r\n")),
    "pings": Odd([b": ping\n\n", ROLE, *TOKENS, b":\n\n", LAST]),
    "blank-lines": Odd([*TOKENS, LAST], edit=lambda body: b"\n\n" + body + b"\n"),
    "no-blank-behind-the-colon": Odd(
        [*TOKENS, LAST], edit=lambda body: body.replace(b"data: ", b"data:")
    ),
    "no-last-newlines": Odd([*TOKENS, LAST], edit=bytes.rstrip),
    "byte-order-mark": Odd([*TOKENS, LAST], edit=lambda body: b"\xef\xbb\xbf" + body),
    "several-lines-of-data": Odd(
        [*TOKENS, LAST], edit=lambda body: body.replace(b', "choices"', b',\ndata:  "choices"')
    ),
    "other-fields": Odd([b"retry: 10\nid: 7\nevent: message\n" + each for each in TOKENS] + [LAST]),
    "a-field-nobody-knows": Odd([b"trace: 1\n" + each for each in TOKENS] + [LAST]),
    "role-first": Odd([ROLE, *TOKENS, LAST]),
    "empty-texts": Odd([_delta(content=""), *TOKENS, _delta(), LAST]),
    "signs-of-life": Odd([event({"choices": []}), *TOKENS, LAST]),
    "reasoning": Odd([*_reasoning("reasoning"), *TOKENS, LAST], thinking="hm ah"),
    "reasoning-content": Odd([*_reasoning("reasoning_content"), *TOKENS, LAST], thinking="hm ah"),
    "nulls": Odd([*TOKENS, chunk_event(MODEL, {"tool_calls": None, "content": None}), LAST]),
    "unknown-fields": Odd([*TOKENS, event({"choices": [], "x": 10**30, "y": {"z": 1}}), LAST]),
    "progress": Odd([_delta(content=None) + ROLE, *TOKENS, LAST]),
    "separators-in-tokens": Odd([chunk_event(MODEL, {"content": SEPARATORS}), *TOKENS, LAST],
                                SEPARATORS + ODD_TEXT),
    "text-that-looks-like-events": Odd([chunk_event(MODEL, {"content": LOOKS_LIKE}), LAST],
                                       LOOKS_LIKE),
    "text-with-the-reason": Odd(
        [*TOKENS[:-1], last_events(MODEL, "length", {"content": WORDS[-1]}, USAGE, TIMINGS)]
    ),
    "usage-with-the-reason": Odd([*TOKENS, chunk_event(MODEL, {}, "stop", usage=USAGE), DONE]),
    "usage-of-zeros-in-every-chunk": Odd(
        [_text_chunk(word, **ZEROS) for word in WORDS] + [_text_chunk("", "length", **ZEROS), BARE[
            BARE.index(b"\n\n") + 2 :]]
    ),
    "name-without-tag": Odd([each.replace(b":latest", b"") for each in (*TOKENS, LAST)]),
    "one-token-of-30-kb": Odd([chunk_event(MODEL, {"content": "x" * 30_000}), LAST], "x" * 30_000),
}  # fmt: skip


def event_oddities() -> list[Case]:
    """Return every legal oddity of a stream of events, in all framings."""
    cases: list[Case] = []
    for name, odd in ODDITIES.items():
        body = odd.edit(b"".join(odd.records))
        base = Case(name, EVENTS, (), None, odd.text, odd.thinking)
        lines = body.splitlines(keepends=True)
        for framing, steps in framings(body, [line for line in lines if line]).items():
            cases.append(replace(base, name=f"{name}@{framing}", steps=steps))
    return [*cases, *slow(EVENTS, in_events)]
