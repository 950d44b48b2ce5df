"""Any text, cut anywhere, is read exactly; a damaged stream never becomes another answer.

NDJSON carries no checksum and no numbers of records. Some damage therefore makes another valid
stream, which no reader can tell from a true one, and is left out here, exactly this:

* bytes of a text (or of the name of the field that holds it: an unknown field is legal, so the
  record then reads as one without text) that are changed or deleted; TCP's checksum is for these;
* the same where a deletion joins other bytes to the name, so that it becomes another one;
* a record with text that is repeated, or changes places with another one with text, or is deleted
  whole: each is again a stream that a server could have sent;
* a deletion from one record into the next that leaves one object with the same key twice: JSON
  leaves its meaning open (test_cases.py has it as a fault of its own, `key-twice`).

Whatever else is damaged must be noticed, or be harmless: the text is then the original one.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dualollama_pipeline.ollama.stream import read_answer
from dualollama_pipeline.transport.answer import Answer, StreamError
from dualollama_pipeline_tests.faults.cases import SHAPES
from dualollama_pipeline_tests.faults.scripted import MODEL, final, token

QUICKLY = settings(
    max_examples=250,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
ODD = st.sampled_from(
    ["\u0085", "\u2028", "\u2029", "\r\n", "\0", '"', "\\", "{", "}\n{", "世", "🙂"]
)
TEXT = st.lists(st.text(max_size=6) | ODD, max_size=4).map("".join)
NAME = re.compile(rb'(?:response|content|message)": ')
# the text of a record as JSON writes it, and the name of its field
PROTECTED = re.compile(
    rb'(?<=")(?:response|content|message)(?=": )|(?<=: ")(?:[^"\\]|\\.)*(?=")', re.DOTALL
)
HARMLESS_VALUES = re.compile(rb'"(?:model|created_at|role|novelty|done_reason)": $')


@dataclass(frozen=True)
class Stream:
    """A valid stream, record by record, and what it says."""

    records: tuple[bytes, ...]
    texts: tuple[str, ...]

    @property
    def whole(self) -> bytes:
        return b"".join(self.records)

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def open_stretches(self) -> list[tuple[int, int]]:
        """Return the stretches (start, end) of bytes that are neither text nor its field's name."""
        whole, stretches, start = self.whole, [], 0
        for found in PROTECTED.finditer(whole):
            if HARMLESS_VALUES.search(whole, 0, found.start() - 1):
                continue  # some other field's text
            stretches.append((start, found.start()))
            start = found.end()
        return [stretch for stretch in [*stretches, (start, len(whole))] if stretch[0] < stretch[1]]


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """Draw a stream as Ollama could have sent it, in one of the two shapes."""
    shape = draw(st.sampled_from(sorted(SHAPES)))
    texts = draw(st.lists(TEXT, min_size=1, max_size=5))
    assume(any(texts))
    ascii_only, extra = draw(st.booleans()), draw(st.booleans())
    records = []
    for text in texts:
        record = SHAPES[shape](token(text, **({"novelty": "unknown"} if extra else {})))
        if ascii_only:
            record = json.dumps(json.loads(record)).encode() + b"\n"
        records.append(record)
    last = final(done_reason=draw(st.sampled_from(["stop", "length"])))
    return Stream((*records, SHAPES[shape](last)), (*texts, ""))


def read(pieces: Sequence[bytes]) -> tuple[bool, str]:
    """Return whether the pieces are an answer, and the text that was understood."""
    answer = Answer()
    try:
        read_answer(answer, pieces, range(1, len(pieces) + 1), MODEL)
    except StreamError:
        return False, "".join(answer.texts)
    return True, "".join(answer.texts)


def noticed_or_harmless(stream: Stream, damaged: bytes) -> None:
    ok, text = read([damaged])
    assert not ok or text == stream.text, damaged


def cut(whole: bytes, cuts: Sequence[int]) -> list[bytes]:
    bounds = [0, *sorted({c % (len(whole) + 1) for c in cuts} - {0, len(whole)}), len(whole)]
    return [whole[a:b] for a, b in pairwise(bounds)]


CUTS = st.lists(st.integers(0, 10_000), max_size=30)


@QUICKLY
@given(streams(), CUTS, st.sampled_from([b"\n", b"\r\n", b"\n\n", b"\n \t\n"]), st.booleans())
def test_any_text_cut_anywhere_is_read_exactly(
    stream: Stream, cuts: list[int], newline: bytes, last: bool
) -> None:
    """A cut inside a character, a separator inside a token: each has cost a reader its text."""
    whole = newline.join(record[:-1] for record in stream.records) + (newline if last else b"")
    assert read(cut(whole, cuts)) == (True, stream.text)


@QUICKLY
@given(streams(), CUTS)
def test_the_cuts_change_no_stamp_but_their_own(stream: Stream, cuts: list[int]) -> None:
    """A record is there when its last byte is: dated by any other read, TTFT is a guess."""
    pieces = cut(stream.whole, cuts)
    stamps = [100 * (i + 1) for i in range(len(pieces))]
    answer = Answer()
    read_answer(answer, pieces, stamps, MODEL)
    ends, end = [], 0
    for piece in pieces:
        end += len(piece)
        ends.append(end)
    expected, position = [], 0
    for record, text in zip(stream.records, stream.texts, strict=True):
        position += len(record)
        if text:
            expected.append(stamps[bisect_right(ends, position - 1)])
    assert answer.received_ns == expected
    assert answer.final_received_ns == stamps[-1]


@QUICKLY
@given(streams(), st.integers(0, 10_000), CUTS)
def test_a_stream_that_ends_early_is_no_answer(stream: Stream, at: int, cuts: list[int]) -> None:
    """Only the newline after the final record may be missing; not one byte more."""
    whole = stream.whole
    kept = whole[: at % len(whole)]
    ok, text = read(cut(kept, cuts))
    assert ok == (kept == whole[:-1])
    assert stream.text.startswith(text)


@QUICKLY
@given(streams(), st.data())
def test_a_changed_byte_is_noticed_or_harmless(stream: Stream, data: st.DataObject) -> None:
    """One flipped bit in `"done"`, a brace or a newline must not make another answer."""
    start, end = data.draw(st.sampled_from(stream.open_stretches()))
    at, value = data.draw(st.integers(start, end - 1)), data.draw(st.integers(0, 255))
    damaged = bytearray(stream.whole)
    damaged[at] = value
    noticed_or_harmless(stream, bytes(damaged))


def has_a_key_twice(line: bytes) -> bool:
    found: list[bool] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found.append(len({key for key, _ in items}) < len(items))
        return dict(items)

    try:
        json.loads(line, object_pairs_hook=pairs)
    except ValueError:
        return False
    return any(found)


@QUICKLY
@given(streams(), st.data())
def test_deleted_bytes_are_noticed_or_harmless(stream: Stream, data: st.DataObject) -> None:
    """A lost segment of a proxy joins two halves; what is left is seldom JSON, and never ours."""
    start, end = data.draw(st.sampled_from(stream.open_stretches()))
    first = data.draw(st.integers(start, end - 1))
    last = data.draw(st.integers(first + 1, end))
    assume(not NAME.match(stream.whole, last))  # its quote is gone: the name grows
    damaged = stream.whole[:first] + stream.whole[last:]
    assume(not any(has_a_key_twice(line) for line in damaged.split(b"\n")))
    noticed_or_harmless(stream, damaged)


@QUICKLY
@given(streams(), st.data())
def test_a_repeated_record_is_noticed_or_harmless(stream: Stream, data: st.DataObject) -> None:
    """A second final record is the sign of two answers in one body."""
    silent = [i for i, text in enumerate(stream.texts) if not text]
    which = data.draw(st.sampled_from(silent))
    where = data.draw(st.integers(0, len(stream.records)))
    records = [*stream.records[:where], stream.records[which], *stream.records[where:]]
    noticed_or_harmless(stream, b"".join(records))
    if which == len(stream.records) - 1:
        assert not read(records)[0]


@QUICKLY
@given(streams(), st.data())
def test_swapped_records_are_noticed_or_harmless(stream: Stream, data: st.DataObject) -> None:
    """A final record before its tokens: the answer would be the first half of itself."""
    last = len(stream.records) - 1
    a, b = (data.draw(st.integers(0, last)) for _ in range(2))
    assume(last in (a, b) or not (stream.texts[a] and stream.texts[b]))
    records = list(stream.records)
    records[a], records[b] = records[b], records[a]
    texts = list(stream.texts)
    texts[a], texts[b] = texts[b], texts[a]
    assume(last in (a, b) or "".join(texts) == stream.text)  # moved past one with text: see above
    noticed_or_harmless(stream, b"".join(records))
    if a != b and last in (a, b):
        assert not read(records)[0]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
FOREIGN = st.sampled_from(
    [
        token("x", model="llama3:8b"),
        token("x", remote_host="https://ollama.com"),
        token("x")[:-5] + b"\n",
        final(),
        b'{"error":"late"}\n',
        b"data: {}\n",
        b": keep-alive\n",
        b"\x00\n",
    ]
)


def is_a_sign_of_life(line: bytes) -> bool:
    """A record that names no model and says nothing is none of another model's."""
    try:
        record = json.loads(line)
    except ValueError:
        return False
    return isinstance(record, dict) and record.get("done") is False and len(record) == 1


BYTES = st.binary(min_size=1, max_size=20).map(lambda line: line.replace(b"\n", b"") + b"\n")
LINES = FOREIGN | BYTES | JSON.map(lambda value: json.dumps(value).encode() + b"\n")


@QUICKLY
@given(streams(), LINES, st.integers(0, 10_000))
def test_an_inserted_line_is_noticed_unless_it_is_blank(
    stream: Stream, line: bytes, at: int
) -> None:
    """A proxy's comment, another model's token, anything: only white space is nothing."""
    where = at % (len(stream.records) + 1)
    records = [*stream.records[:where], line, *stream.records[where:]]
    ok, text = read(records)
    assert ok == (not line.strip() or is_a_sign_of_life(line))
    assert not ok or text == stream.text


def test_what_is_left_out_is_only_what_cannot_be_told() -> None:
    """The stretches that may be damaged must be most of a stream, else nothing is shown."""
    for shape in SHAPES.values():
        said = ('He said: "hi"\\', "\n世界")
        records = (*(shape(token(text, novelty="x")) for text in said), shape(final()))
        stream = Stream(records, (*said, ""))
        stretches = stream.open_stretches()
        left_out, position = [], 0
        for start, end in stretches:
            left_out.append(stream.whole[position:start])
            position = end
        written = [json.dumps(text, ensure_ascii=False)[1:-1].encode() for text in said]
        names = {b"response", b"content", b"message", b""}
        assert [part for part in left_out if part not in names] == written
        assert sum(end - start for start, end in stretches) > 0.7 * len(stream.whole)
