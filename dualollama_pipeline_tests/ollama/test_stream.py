"""From bytes to an answer: what is one, what is none, and why."""

from __future__ import annotations

import pytest

from dualollama_pipeline.core.records import FailureKind
from dualollama_pipeline.ollama.stream import read_answer
from dualollama_pipeline.transport.answer import Answer, StreamError
from dualollama_pipeline_tests.faults.scripted import MODEL, final, token


def read(*pieces: bytes, model: str = MODEL) -> Answer:
    """Read pieces that arrived at 1, 2, 3... ns."""
    answer = Answer()
    read_answer(answer, pieces, range(1, len(pieces) + 1), model)
    return answer


def refused(*pieces: bytes, model: str = MODEL) -> tuple[FailureKind, str, Answer]:
    answer = Answer()
    with pytest.raises(StreamError) as caught:
        read_answer(answer, pieces, range(1, len(pieces) + 1), model)
    return caught.value.kind, str(caught.value), answer


WHOLE = token("Hello") + token(" world") + final()


def test_a_proper_stream() -> None:
    """The plain case: texts, stamps, counters."""
    answer = read(token("Hello"), token(" world"), final())
    assert answer.texts == ["Hello", " world"]
    assert answer.received_ns == [1, 2]
    assert answer.final_received_ns == 3
    assert answer.counters.eval_count == 40
    assert answer.max_lines_per_read == 1


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_bytes_may_be_split_anywhere(size: int) -> None:
    """TCP cuts where it likes, also inside a character."""
    whole = token("Grüße, 世界 🙂") + final()
    pieces = [whole[i : i + size] for i in range(0, len(whole), size)]
    assert read(*pieces).texts == ["Grüße, 世界 🙂"]


def test_coalesced_records_are_marked() -> None:
    """Records of one read share an instant: gaps between them are no measurement."""
    answer = read(WHOLE)
    assert answer.received_ns == [1, 1]
    assert answer.max_lines_per_read == 3


def test_separators_inside_a_token_do_not_split_it() -> None:
    """str.splitlines and httpx's aiter_lines cut at U+0085, U+2028 and U+2029."""
    text = "a\u0085b\u2028c\u2029d\x0be\x1cf"
    assert read(token(text), final()).texts == [text]


def test_blank_lines_carriage_returns_and_a_missing_last_newline_are_legal() -> None:
    """Proxies add them; they change nothing."""
    whole = WHOLE.replace(b"\n", b"\r\n\r\n").rstrip()
    assert read(whole).texts == ["Hello", " world"]


def test_unknown_fields_and_empty_records_are_legal() -> None:
    """Newer servers say more, and parsers hold text back; the first token is the first text."""
    answer = read(token("", novelty={"x": 1}), token("Hello"), final())
    assert answer.texts == ["Hello"]
    assert answer.received_ns == [2]


def test_thinking_is_a_token_but_no_answer() -> None:
    """TTFT ends with the first thought, the time to the first answer does not."""
    answer = read(token("", thinking="hm"), token("Hello"), final())
    assert answer.thoughts == ["hm", ""]
    assert answer.first_answer == 1


def test_latest_is_the_tag_of_a_name_without_one() -> None:
    """Asked for `gemma3`, Ollama may answer as `gemma3` or `gemma3:latest`."""
    assert read(token("x", model="gemma3"), final(), model="gemma3:latest").texts == ["x"]


def test_absent_counters_stay_absent() -> None:
    """Ollama omits zeros: an absent load_duration is unknown, not 0."""
    assert read(token("x"), final(load_duration=None)).counters.load_duration is None


@pytest.mark.parametrize(
    ("pieces", "kind", "text"),
    [
        ([token("x")], FailureKind.TRUNCATED, "without a final record"),
        ([], FailureKind.TRUNCATED, "without a final record"),
        ([token("x"), b'{"error":"boom"}\n'], FailureKind.SERVER_ERROR, "boom"),
        ([b'{"error":"cudaMalloc failed: out of memory"}\n'], FailureKind.OOM, "out of memory"),
        ([token("x"), b"{not json}\n", final()], FailureKind.PROTOCOL, "not a JSON record"),
        ([b"[1]\n"], FailureKind.PROTOCOL, "no object"),
        ([token("x")[:-2] + b"\n", final()], FailureKind.PROTOCOL, "not a JSON record"),
        ([b'{"response":"\xff"}\n'], FailureKind.PROTOCOL, "not a JSON record"),
        ([token("x", logprob=float("nan")), final()], FailureKind.PROTOCOL, "NaN"),
        ([final(), token("x")], FailureKind.PROTOCOL, "after the final one"),
        ([token("x"), final(), final()], FailureKind.PROTOCOL, "after the final one"),
        ([token("x", model="other"), final()], FailureKind.PROTOCOL, "other"),
        ([token("x"), final(done_reason="load")], FailureKind.PROTOCOL, "load"),
        ([token("x"), final(done_reason=None)], FailureKind.PROTOCOL, "None"),
        ([token("x"), final(eval_count=None)], FailureKind.METRICS, "eval_count"),
        ([token("x"), final(eval_duration=None)], FailureKind.METRICS, "eval_duration"),
        ([token("x"), final(eval_count=-1)], FailureKind.METRICS, "eval_count"),
        ([token("x"), final(eval_count=1.5)], FailureKind.METRICS, "eval_count"),
        ([token("x"), final(total_duration="1s")], FailureKind.METRICS, "total_duration"),
        ([token("x"), final(load_duration=True)], FailureKind.METRICS, "load_duration"),
        ([token("x", response=5), final()], FailureKind.PROTOCOL, "no text"),
        ([token("x", remote_host="https://ollama.com")], FailureKind.CONFIG, "cloud"),
    ],
)
def test_what_is_no_answer(pieces: list[bytes], kind: FailureKind, text: str) -> None:
    """Each of these was, or could be, stored as a measurement by a lenient reader."""
    found, said, _ = refused(*pieces)
    assert found is kind
    assert text in said


def test_what_arrived_before_a_failure_is_kept() -> None:
    """Evidence of a failed call is more than its last line."""
    _, _, answer = refused(token("Hello"), token(" world"))
    assert answer.texts == ["Hello", " world"]
    assert answer.received_ns == [1, 2]


@pytest.mark.parametrize(
    "line",
    [
        b'{"model":"gemma3:latest","response":"lost","response":"x","done":false}\n',
        b'{"model":"gemma3:latest","response" :"lost","response":"x","done":false}\n',
        b'{"model":"gemma3:latest","message":{"content":"lost","content":"x"},"done":false}\n',
        b'{"model":"gemma3:latest","message":{"content":"lost"},"message":{"content":"x"}}\n',
        b'{"model":"gemma3:latest","response":"x","other":{"a":1,"a":2},"done":false}\n',
    ],
)
def test_a_key_given_twice_is_refused(line: bytes) -> None:
    """Parsers keep the last of two equal keys: text would be lost without a word."""
    kind, said, _ = refused(line, final())
    assert kind is FailureKind.PROTOCOL
    assert "twice" in said


@pytest.mark.parametrize("text", ['a":b', '{"x":1}', "a :b", '":":":', " : ", "\t:"])
def test_text_that_looks_like_json_is_text(text: str) -> None:
    """The quick way counts `":`; a model that writes JSON must not be refused for it."""
    assert read(token(text), final()).texts == [text]


def test_spaces_around_separators_are_legal() -> None:
    """Other encoders than Go's put them there."""
    spaced = b'  { "model" : "gemma3:latest" , "response" : "x" , "done" : false }  \n'
    assert read(spaced, final()).texts == ["x"]
