"""Streams that are legal, but odd: each is an answer, word for word."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from dualollama_pipeline_tests.faults.cases import (
    MS,
    PATIENT,
    SHAPES,
    WORDS,
    Case,
    in_one_write,
    in_shreds,
    one_chunk_each,
)
from dualollama_pipeline_tests.faults.scripted import (
    END,
    HEAD,
    Close,
    Pause,
    Step,
    answer,
    chunk,
    final,
    token,
)

# -- legal, but odd ------------------------------------------------------------------------------
ODD_TEXT = "".join(WORDS)


@dataclass(frozen=True)
class Odd:
    """Records (as /api/generate writes them) that are legal, with what they say."""

    records: list[bytes]
    text: str = ODD_TEXT
    thinking: str = ""
    edit: Callable[[bytes], bytes] = field(default=lambda body: body)


TOKENS = [token(word) for word in WORDS]
SEPARATORS = "a\u0085b\u2028c\u2029d\u000be\u000cf\u001cg\u0000h\u007fi\ufeffj"
ODDITIES: dict[str, Odd] = {
    "plain": Odd([*TOKENS, final()]),
    "done-reason-stop": Odd([*TOKENS, final(done_reason="stop")]),
    "crlf": Odd([*TOKENS, final()], edit=lambda body: body.replace(b"\n", b"\r\n")),
    "blank-lines": Odd([*TOKENS, final()], edit=lambda b: b"\n \n" + b.replace(b"\n", b"\n\n\t\n")),
    "no-last-newline": Odd([*TOKENS, final()], edit=bytes.rstrip),
    "spaces-round-a-record": Odd(
        [*TOKENS, final()], edit=lambda b: b.replace(b'{"model', b'  {"model')
    ),
    "unknown-fields": Odd(
        [
            token(WORDS[0], logprobs=[{"a": -0.5}], x=None, y={"model": "other"}),
            *TOKENS[1:],
            final(new=1),
        ]
    ),
    "large-numbers-in-unknown-fields": Odd([token(ODD_TEXT, x=10**30, y=1e300), final()]),
    "empty-first-record": Odd([token(""), token(""), *TOKENS, final()]),
    "thinking-first": Odd(
        [token("", thinking="hm "), token("", thinking="ah"), *TOKENS, final()], thinking="hm ah"
    ),
    "separators-in-tokens": Odd([token(SEPARATORS), *TOKENS, final()], SEPARATORS + ODD_TEXT),
    "escaped-pairs": Odd(
        [json.dumps(json.loads(token(t))).encode() + b"\n" for t in WORDS] + [final()]
    ),
    "text-that-looks-like-records": Odd(
        [token('{"error":"x"}\n{"done":true}\n'), final()], '{"error":"x"}\n{"done":true}\n'
    ),
    "text-in-the-final-record": Odd([*TOKENS[:-1], final(response=WORDS[-1])]),
    "name-without-tag": Odd([token(t, model="gemma3") for t in WORDS] + [final(model="gemma3")]),
    "offset-and-digits-in-created-at": Odd(
        [token(t, created_at="2026-08-01T12:00:00.123456789+02:00") for t in WORDS] + [final()]
    ),
    "absent-zeros": Odd(
        [
            *TOKENS,
            final(
                load_duration=None,
                prompt_eval_count=None,
                prompt_eval_duration=None,
                total_duration=None,
            ),
        ]
    ),
    "zeros": Odd([*TOKENS, final(load_duration=0, prompt_eval_count=0, prompt_eval_duration=0)]),
    "cached-prompt": Odd([*TOKENS, final(prompt_eval_cached_count=19)]),
    "empty-remote-host": Odd(
        [token(t, remote_host="", remote_model="") for t in WORDS] + [final()]
    ),
    "300-tokens": Odd(
        [token(f" {i}") for i in range(300)] + [final()], "".join(f" {i}" for i in range(300))
    ),
    "one-token-of-30-kb": Odd([token("x" * 30_000), final()], "x" * 30_000),
}
HUGE_FINAL = final(context=list(range(1_000_000, 2_250_000)))  # 10 MB


def _bytewise(records: Sequence[bytes]) -> list[Step]:
    """Every byte of the wire in a write, and mostly in a read, of its own."""
    wire = b"".join(step for step in one_chunk_each(records) if isinstance(step, bytes))
    return [step for i in range(len(wire)) for step in (wire[i : i + 1], Pause(0))]


def _one_byte_chunks(records: Sequence[bytes]) -> list[Step]:
    return in_shreds(records, size=1)


def framings(body: bytes, lines: list[bytes]) -> dict[str, list[Step]]:
    """The same body by every legal way of sending it."""
    extended = b"".join(b'%x;ext=1;x="y"\r\n%s\r\n' % (len(line), line) for line in lines)
    odd_head = b"HTTP/1.1 200 ok\r\ncOnTeNt-tYpE:x\r\ntRANSFER-eNCODING:  Chunked \r\n\r\n"
    upper = b"".join(b"%04X\r\n%s\r\n" % (len(line), line) for line in lines)
    return {
        "records": [*one_chunk_each(lines), END],
        "burst": [b"".join(b for b in in_one_write(lines) if isinstance(b, bytes)) + END],
        "shreds": [*in_shreds(lines), END],
        "length": answer("200 OK", body),
        "close-delimited": [b"HTTP/1.1 200 OK\r\n\r\n" + body, Close()],
        "http-1.0": [b"HTTP/1.0 200 OK\r\n\r\n" + body, Close()],
        "connection-close": [HEAD[:-2] + b"Connection: close\r\n\r\n", extended + END, Close()],
        "chunk-extensions": [HEAD + extended + b"0;last\r\n\r\n"],
        "odd-header-case": [odd_head + upper + END],
        "trailers": [HEAD + upper + b"0\r\nX-Trailer: 1\r\n\r\n"],
    }


def legal() -> list[Case]:
    """Return every legal oddity, in both shapes and all framings."""
    cases: list[Case] = []
    for api, shape in SHAPES.items():
        for name, odd in ODDITIES.items():
            body = odd.edit(b"".join(shape(record) for record in odd.records))
            lines = [line for line in body.splitlines(keepends=True) if line]
            base = Case(name, api, (), None, odd.text, odd.thinking)
            for framing, steps in framings(body, lines).items():
                cases.append(replace(base, name=f"{name}@{framing}", steps=steps))
        records = [shape(record) for record in (*TOKENS, final())]
        plain = Case("", api, (), None, ODD_TEXT)
        cases += [
            replace(plain, name="every-byte-a-write", steps=[*_bytewise(records), END]),
            replace(plain, name="every-byte-a-chunk", steps=[*_one_byte_chunks(records), END]),
            replace(
                plain,
                name="final-of-10-mb@chunk",
                steps=[*one_chunk_each([*records[:-1], shape(HUGE_FINAL)]), END],
            ),
            replace(
                plain,
                name="final-of-10-mb@length",
                steps=answer("200 OK", b"".join([*records[:-1], shape(HUGE_FINAL)])),
            ),
            *slow(api, shape),
        ]
    return cases


def slow(api: str, shape: Callable[[bytes], bytes]) -> Iterator[Case]:
    """Time passes, but less than the deadlines allow; or the server says why."""
    first, *others = [shape(token(word)) for word in WORDS]
    # a wait under the one deadline may be longer than the other allows
    roomy = PATIENT.model_copy(update={"idle_s": 0.5})
    rest = [chunk(record) for record in (*others, shape(final()))]
    base = Case("", api, (), None, ODD_TEXT, deadlines=roomy)
    yield replace(base, name="slow-first-token", steps=[Pause(0.6), HEAD, chunk(first), *rest, END])
    yield replace(base, name="slow-after-head", steps=[HEAD, Pause(0.2), chunk(first), *rest, END])
    dripped = [step for piece in rest for step in (Pause(0.06), piece)]
    # longer in all than idle_s: each wait counts alone
    yield replace(
        base, name="slow-throughout", steps=[HEAD, chunk(first), *dripped, *dripped[:0], END]
    )
    yield replace(base, name="slow-last-chunk", steps=[HEAD, chunk(first), *rest, Pause(0.2), END])
    eager = PATIENT.model_copy(update={"first_token_s": 0.4})
    pausing: list[Step] = [HEAD, chunk(first), Pause(0.6), *rest, END]
    yield replace(
        base,
        name="pause-longer-than-first-token-s",
        steps=pausing,
        deadlines=eager,
    )
    reload = shape(final(load_duration=280 * MS, total_duration=290 * MS))
    yield replace(
        base,
        name="21-silent-reload",
        steps=[Pause(0.3), *one_chunk_each([first, *others, reload]), END],
    )
