"""Streams that are no answer: wrong lines, wrong final records, bodies that end badly."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any

from dualollama_pipeline.core.records import FailureKind
from dualollama_pipeline_tests.faults.cases import (
    ALL_SHAPES,
    EVENTS,
    FIRST,
    IDLE,
    MS,
    POSITIONS,
    SHAPES,
    TOTAL,
    WAYS,
    WORDS,
    Case,
    K,
    S,
    in_chat,
    one_chunk_each,
    words_for,
)
from dualollama_pipeline_tests.faults.refusals import refusals
from dualollama_pipeline_tests.faults.scripted import (
    END,
    HEAD,
    Close,
    Hold,
    Pause,
    Step,
    chunk,
    final,
    token,
)


# -- a line that is wrong ------------------------------------------------------------------------
def _wrong(**changes: Any) -> bytes:
    return token("WRONG", **changes)


# name: (line, kind, what the failure says)
LINES: dict[str, tuple[bytes, FailureKind, str]] = {
    "11-error-line": (
        b'{"error":"an error was encountered while running the model: unexpected EOF"}\n',
        K.SERVER_ERROR,
        "unexpected EOF",
    ),
    "11-error-line-oom": (b'{"error":"CUDA error: out of memory"}\n', K.OOM, "memory"),
    "12-repeat-limit-error": (
        b'{"error":"generation stopped: token repeat limit reached"}\n',
        K.SERVER_ERROR,
        "repeat limit",
    ),
    "error-line-no-text": (b'{"error":{"code":500}}\n', K.SERVER_ERROR, "500"),
    "error-line-empty": (b'{"error":""}\n', K.SERVER_ERROR, "server"),
    "error-in-a-final-record": (final(error="late"), K.SERVER_ERROR, "late"),
    "garbage": (b"{not json}\n", K.PROTOCOL, "JSON"),
    "html": (b"<html>502 Bad Gateway</html>\n", K.PROTOCOL, "JSON"),
    "truncated-json": (_wrong()[:-9] + b"\n", K.PROTOCOL, "JSON"),
    "two-records-in-a-line": (_wrong().strip() + _wrong(), K.PROTOCOL, "JSON"),
    "invalid-utf8": (_wrong().replace(b"WRONG", b"\xff\xfe"), K.PROTOCOL, "JSON"),
    "overlong-utf8": (_wrong().replace(b"WRONG", b"\xc0\xaf"), K.PROTOCOL, "JSON"),
    "utf8-surrogate": (_wrong().replace(b"WRONG", b"\xed\xa0\x80"), K.PROTOCOL, "JSON"),
    "raw-control-character": (_wrong().replace(b"WRONG", b"\x00\x07"), K.PROTOCOL, "JSON"),
    "escaped-surrogate": (
        _wrong().replace(b"WRONG", b"\\ud83d"),
        K.PROTOCOL,
        "",
    ),
    "escaped-surrogate-in-error": (b'{"error":"\\udc00"}\n', K.SERVER_ERROR, ""),
    "byte-order-mark": (b"\xef\xbb\xbf" + _wrong(), K.PROTOCOL, "JSON"),
    "utf16": (_wrong().decode().encode("utf-16"), K.PROTOCOL, "JSON"),
    "nan": (_wrong(logprob=float("nan")), K.PROTOCOL, "NaN"),
    "infinity": (_wrong(logprob=float("inf")), K.PROTOCOL, "Infinity"),
    "minus-infinity": (_wrong(logprob=-float("inf")), K.PROTOCOL, "Infinity"),
    "list": (b"[1,2]\n", K.PROTOCOL, "no object"),
    "null": (b"null\n", K.PROTOCOL, "no object"),
    "text": (b'"text"\n', K.PROTOCOL, "no object"),
    "number-5000-digits": (b'{"x":' + b"9" * 5000 + b"}\n", K.PROTOCOL, "JSON"),
    "deep-nesting": (
        b'{"x":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n",
        K.PROTOCOL,
        "",
    ),
    "key-twice": (
        _wrong().replace(b'"response": "WRONG"', b'"response": "lost", "response": "WRONG"'),
        K.PROTOCOL,
        "",
    ),
    "wrong-model": (_wrong(model="llama3:8b"), K.PROTOCOL, "llama3:8b"),
    "wrong-tag": (_wrong(model="gemma3:27b"), K.PROTOCOL, "gemma3:27b"),
    "no-model": (_wrong(model=None), K.PROTOCOL, "None"),
    "model-is-no-text": (_wrong(model=["gemma3:latest"]), K.PROTOCOL, "gemma3"),
    "22-remote-host": (_wrong(remote_host="https://ollama.com:443"), K.CONFIG, "cloud"),
    "22-remote-model": (_wrong(remote_model="gpt-oss:120b"), K.CONFIG, "cloud"),
    "response-is-a-number": (_wrong(response=5), K.PROTOCOL, "no text"),
    "response-is-a-list": (_wrong(response=["x"]), K.PROTOCOL, "no text"),
    "thinking-is-a-number": (_wrong(thinking=5), K.PROTOCOL, "no text"),
    "message-is-a-text": (_wrong(message="x"), K.PROTOCOL, "message"),
    "second-final": (final() + final(), K.PROTOCOL, "after the final"),
    "record-after-final": (final() + _wrong(), K.PROTOCOL, "after the final"),
    "error-after-final": (final() + b'{"error":"late"}\n', K.PROTOCOL, "after the final"),
    "garbage-after-final": (final() + b"\x00\n", K.PROTOCOL, "after the final"),
}


def _shaped(api: str, line: bytes) -> bytes:
    """Give a wrong line the shape of the API where it is still JSON with a response."""
    if api == "generate" or line.startswith(b"\xef\xbb\xbf") or b'"message"' in line:
        return line
    line = line.replace(b'"response": "lost", "response": ', b'"response": ')
    try:
        return b"".join(in_chat(part + b"\n") for part in line.strip().split(b"\n"))
    except (ValueError, KeyError, TypeError, RecursionError, AttributeError):
        return line


def _lines(api: str) -> Iterator[Case]:
    shape = SHAPES[api]
    tokens = [shape(token(word)) for word in WORDS]
    for name, (line, kind, says) in LINES.items():
        wrong = line if name == "key-twice" else _shaped(api, line)
        for position, n in POSITIONS.items():
            records = [*tokens[:n], wrong, *tokens[n:], shape(final())]
            if name.startswith("11-"):
                records = [*tokens[:n], wrong]  # and a clean end
            for way, send in WAYS.items():
                yield Case(
                    f"{name}@{position}-{way}",
                    api,
                    [*send(records), END],
                    kind,
                    "".join(WORDS[:n]),
                    says=says,
                    phase="final",
                )


# -- a final record that is wrong ----------------------------------------------------------------
COUNTERS = (
    "total_duration",
    "load_duration",
    "prompt_eval_count",
    "prompt_eval_cached_count",
    "prompt_eval_duration",
    "eval_count",
    "eval_duration",
)


def _finals() -> Iterator[tuple[str, dict[str, Any], FailureKind, str]]:
    for name in COUNTERS:
        for value in (-1, -(10**30), 1.5, 40.0, "40", True, [40], {"n": 40}):
            shown = json.dumps(value).replace(" ", "").replace('"', "'")
            yield f"{name}={shown}", {name: value}, K.METRICS, name
        yield f"{name}=10^30", {name: 10**30}, K.METRICS, ""
        yield f"{name}=10^400", {name: 10**400}, K.METRICS, ""
    yield "no-counters", dict.fromkeys(COUNTERS), K.METRICS, "eval_count"
    yield "no-eval-count", {"eval_count": None}, K.METRICS, "eval_count"
    yield "no-eval-duration", {"eval_duration": None}, K.METRICS, "eval_duration"
    yield "zero-eval-count", {"eval_count": 0}, K.METRICS, "eval_count"
    yield "zero-eval-duration", {"eval_duration": 0}, K.METRICS, "eval_duration"
    reasons = [None, "load", "unload", "", "Stop", "error", "content_filter"]
    for reason in reasons:
        name = f"done_reason={reason!r}"
        yield name, {"done_reason": reason}, K.PROTOCOL, "done_reason"
    for reason in (5, ["stop"], {"stop": 1}, True):
        name = f"done_reason={reason!r}".replace(" ", "")
        yield name, {"done_reason": reason}, K.PROTOCOL, ""
    for done in ("true", 1, None, False):
        yield f"done={done!r}", {"done": done}, K.TRUNCATED, "final record"
    yield "final-of-another-model", {"model": "llama3:8b"}, K.PROTOCOL, "llama3"
    yield "final-from-the-cloud", {"remote_host": "https://ollama.com"}, K.CONFIG, "cloud"
    yield "final-with-nan", {"eval_rate": float("nan")}, K.PROTOCOL, "NaN"
    long = 60 * S
    yield "total-beyond-the-client", {"total_duration": long}, K.METRICS, "total_duration"
    times = {"total_duration": None, "eval_duration": long}
    yield "eval-beyond-the-client", times, K.METRICS, "eval_duration"
    times = {"total_duration": None, "load_duration": None, "prompt_eval_duration": long}
    yield "prompt-beyond-the-client", times, K.METRICS, ""
    times = {"total_duration": None, "prompt_eval_duration": None, "load_duration": long}
    yield "load-beyond-the-client", times, K.METRICS, ""


def _wrong_finals(api: str) -> Iterator[Case]:
    shape = SHAPES[api]
    for name, changes, kind, says in _finals():
        # an answer without any text is none, whatever its final record says: one token at least
        for (position, n), (way, send) in zip(POSITIONS.items(), WAYS.items(), strict=True):
            said = WORDS[: max(n, 1)]
            records = [shape(token(word)) for word in said] + [shape(final(**changes))]
            yield Case(
                f"{name}@{position}-{way}",
                api,
                [*send(records), END],
                kind,
                "".join(said),
                says=says,
                phase="final",
            )


# -- a body that does not end as it should ---------------------------------------------------------


def bad_ends(api: str) -> Iterator[Case]:
    """Bodies that are cut, by every way of cutting, after 0, 3 and all tokens."""
    shape = ALL_SHAPES[api]
    tokens = [shape(token(word)) for word in WORDS]
    half = chunk(shape(token("half")))[:-20]
    for position, n in POSITIONS.items():
        text = "".join(WORDS[:n])
        first = K.TIMEOUT_FIRST if n == 0 else K.TIMEOUT_IDLE
        for way, send in WAYS.items():

            def case(
                name: str,
                tail: list[Step],
                kind: FailureKind,
                *,
                records: list[Step] = send(tokens[:n]),  # noqa: B008 bound on purpose
                at: str = f"{position}-{way}",
                kept: str = text,
                **more: Any,
            ) -> Case:
                return Case(f"{name}@{at}", api, [*records, *tail], kind, kept, **more)

            any_byte = {"body": n > 0}
            streaming = {"phase": "streaming"}
            pause = Pause(0.05)
            yield case(
                "12-silent-stop",
                [END],
                K.TRUNCATED,
                **any_byte,
                says=words_for(api, "final record"),
            )
            yield case("15-fin-between", [Close()], K.TRUNCATED, **any_byte)
            yield case("15-rst-between", [pause, Close(reset=True)], K.TRUNCATED, **any_byte)
            yield case("15-fin-mid-chunk", [half, Close()], K.TRUNCATED, **streaming)
            yield case(
                "15-rst-mid-chunk", [half, pause, Close(reset=True)], K.TRUNCATED, **streaming
            )
            quick = {"deadlines": IDLE} | streaming
            at_once = {"deadlines": FIRST, "phase": "waiting"} if n == 0 else quick
            yield case("stall", [Hold()], first, **at_once, **any_byte, says="byte")
            yield case("stall-mid-chunk", [half, Hold()], K.TIMEOUT_IDLE, **quick)
            endless = {"deadlines": TOTAL} | streaming
            drip = [Pause(0.08), chunk(b"\n")] * 99
            yield case("drip-of-blank-lines", drip, K.TIMEOUT_TOTAL, **endless, says="0.5 s")
            drip = [Pause(0.08), chunk(b'{"x":')] * 99
            yield case("drip-of-one-endless-line", drip, K.TIMEOUT_TOTAL, **endless)
            done = chunk(shape(final()))
            yield case("no-last-chunk-fin", [done, Close()], K.TRUNCATED, **streaming)
            yield case(
                "no-last-chunk-rst", [done, pause, Close(reset=True)], K.TRUNCATED, **streaming
            )
            yield case("no-last-chunk-stall", [done, Hold()], K.TIMEOUT_IDLE, **quick)
            yield case("half-a-last-chunk", [done, b"0\r\n", Close()], K.TRUNCATED, **streaming)
            yield case("not-a-chunk-length", [pause, b"zz\r\n", Close()], K.PROTOCOL, **any_byte)
            yield case("half-a-record-then-a-clean-end", [chunk(b'{"model": '), END], K.PROTOCOL)


def _length(size: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size


def bad_lengths(api: str) -> Iterator[Case]:  # noqa: PLR0915 a list of cases
    """Bodies with a length that lies, and bodies that end with the connection."""
    shape = ALL_SHAPES[api]
    last, text = shape(final()), "".join(WORDS)
    body = b"".join(shape(token(word)) for word in WORDS)
    whole = body + last
    closed = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    cut = len(whole) - len(last) // 2
    quick = {"deadlines": IDLE, "phase": "streaming"}

    def case(name: str, steps: list[Step], kind: FailureKind, **more: Any) -> Case:
        return Case(name, api, steps, kind, **({"text": text} | more))

    yield case(
        "shorter-than-its-length-fin", [_length(len(whole) + 1) + whole, Close()], K.TRUNCATED
    )
    steps: list[Step] = [_length(len(whole) + 1) + whole, Pause(0.05), Close(reset=True)]
    yield case("shorter-than-its-length-rst", steps, K.TRUNCATED)
    steps = [_length(len(whole) + 1) + whole, Hold()]
    yield case("shorter-than-its-length-stall", steps, K.TIMEOUT_IDLE, **quick)
    yield case("length-ends-before-the-final", [_length(len(body)) + whole], K.PROTOCOL)
    yield case("length-ends-inside-the-final", [_length(cut) + whole], K.PROTOCOL)
    yield case("more-than-its-length", [_length(len(whole)) + whole + last], K.PROTOCOL)
    twice = _length(len(whole)) + whole
    yield case("the-same-answer-twice-at-once", [twice + twice], K.PROTOCOL)
    failed = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 0\r\n\r\n"
    yield case(
        "an-error-and-another-answer-at-once",
        [failed + twice],
        K.PROTOCOL,
        text=None,
        status=500,
        body=False,
    )
    yield case("close-delimited-before-the-final", [closed + body, Close()], K.TRUNCATED)
    steps = [closed + whole, Pause(0.05), Close(reset=True)]
    yield case("close-delimited-reset-after-the-final", steps, K.TRUNCATED, phase="streaming")
    yield case("close-delimited-never-closed", [closed + whole, Hold()], K.TIMEOUT_IDLE, **quick)
    lower = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
    yield case("lower-case-chunked-fin", [lower + chunk(whole), Close()], K.TRUNCATED)
    lower = b"HTTP/1.1 200 OK\r\nCONTENT-LENGTH: %d\r\n\r\n" % (len(whole) + 1)
    yield case("upper-case-length-fin", [lower + whole, Close()], K.TRUNCATED)
    zipped = gzip.compress(whole)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(zipped)
    yield case("gzip-although-not-accepted", [head + zipped], K.PROTOCOL, text="")
    both = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
    nothing = {"text": "", "status": None, "body": False}
    bad = nothing | {"says": "not a valid HTTP response"}
    yield case("length-and-chunks", [both + chunk(whole) + END], K.PROTOCOL, **bad)
    yield case("two-lengths", [_length(5)[:-2] + _length(9)[17:] + whole], K.PROTOCOL, **bad)
    yield case("not-http", [b"SSH-2.0-OpenSSH_9.2\r\n"], K.PROTOCOL, **bad)
    yield case("tls", [b"\x15\x03\x01\x00\x02\x02\x46", Close()], K.PROTOCOL, **bad)
    yield case("no-answer-fin", [Close()], K.UNKNOWN, **nothing, phase="waiting")
    yield case("no-answer-rst", [Close(reset=True)], K.UNKNOWN, **nothing, phase="waiting")
    yield case("half-a-head", [HEAD[:-9], Close()], K.UNKNOWN, **nothing, phase="waiting")
    waiting = nothing | {"deadlines": FIRST, "phase": "waiting"}
    yield case("20-no-answer-in-time", [Hold()], K.TIMEOUT_FIRST, **waiting)
    yield case("20-head-stalls", [HEAD[:-9], Hold()], K.TIMEOUT_FIRST, **waiting)
    drip = [b"HTTP/1.1 200 OK\r\n", *[Pause(0.08), b"X: y\r\n"] * 99]
    yield case("head-that-never-ends", drip, K.TIMEOUT_FIRST, **waiting)
    late = [*one_chunk_each([shape(token(WORDS[0]))]), Pause(0.8), chunk(last), END]
    one = {"text": WORDS[0]}
    yield case("final-after-the-idle-deadline", late, K.TIMEOUT_IDLE, **quick, **one)
    if api == EVENTS:
        return  # which has no total, and no load
    # each of the four relations between times alone, beyond its tolerance of 20 ms
    for name, times in {
        "parts-exceed-total": {"eval_duration": 150 * MS},
        "prompt-exceeds-total": {"load_duration": None, "prompt_eval_duration": 150 * MS},
        "parts-exceed-ttft": {"load_duration": 190 * MS, "total_duration": 210 * MS},
    }.items():
        records = [shape(token(WORDS[0])), shape(final(**times))]
        steps = [HEAD, chunk(records[0]), Pause(0.25), chunk(records[1]), END]
        slow = {"phase": "final"}
        yield case(name, steps, K.METRICS, **one, **slow)


def faults() -> list[Case]:
    """Return every fault, in both shapes."""
    return [
        case
        for api in SHAPES
        for cases in (refusals, _lines, _wrong_finals, bad_ends, bad_lengths)
        for case in cases(api)
    ]
