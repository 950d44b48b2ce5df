"""The trap: a stand-in that forgives what Ollama refuses, or refuses what Ollama forgives."""

import json

import pytest

from dualollama_pipeline.simulator.asked import ProtocolError, parse_chat, parse_generate
from dualollama_pipeline.simulator.profile import Profile

SOUND = {"model": "gemma3:latest", "prompt": "hello"}


def body(**fields: object) -> bytes:
    return json.dumps({**SOUND, **fields}).encode()


@pytest.mark.parametrize(
    ("raw", "status", "message"),
    [
        (b"", 400, "missing request body"),
        (b"{", 400, "invalid character"),
        (b"[]", 400, "cannot unmarshal array into Go value"),
        (b'{"model": NaN}', 400, "'N' looking for beginning of value"),
        (body(model="x"), 404, "model 'x' not found"),
        (body(model=""), 400, "invalid model name"),
        (body(prompt=5), 400, "cannot unmarshal number"),
        (body(keep_alive="10"), 400, 'time: missing unit in duration "10"'),
        (body(options={"num_ctx": "512"}), 500, 'option "num_ctx" must be of type integer'),
        (body(options={"num_ctx": True}), 500, 'option "num_ctx" must be of type integer'),
        (body(options={"temperature": "hot"}), 500, 'option "temperature" must be of type float32'),
        (body(options={"stop": "x"}), 500, 'option "stop" must be of type array'),
        (body(options={"use_mmap": 1}), 500, 'option "use_mmap" must be of type boolean'),
    ],
)
def test_refusals(standard: Profile, raw: bytes, status: int, message: str):
    with pytest.raises(ProtocolError) as error:
        parse_generate(raw, standard)
    assert error.value.status == status
    assert message in str(error.value)


def test_floats_are_cut_and_unknown_options_and_nulls_pass(standard: Profile):
    options = {"num_ctx": 2048.9, "num_gpus": "many", "num_gpu": None, "num_predict": 0}
    asked = parse_generate(body(options=options, think=False), standard)
    assert (asked.num_ctx, asked.num_gpu, asked.num_predict) == (2048, None, 0)


def test_defaults(standard: Profile):
    asked = parse_generate(b'{"model": "gemma3"}', standard)
    assert (asked.prompt, asked.is_stream, asked.is_truncate) == ("", True, True)
    assert asked.keep_alive_ns is None
    assert not asked.is_unload
    assert parse_generate(b'{"model": "gemma3", "keep_alive": 0}', standard).is_unload


def test_a_chat_is_its_messages(standard: Profile):
    """The prompt that is counted is what all messages say."""
    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hello"}]
    raw = json.dumps({"model": "gemma3", "messages": messages}).encode()
    asked = parse_chat(raw, standard)
    assert (asked.prompt, asked.is_chat) == ("be brief\nhello", True)


@pytest.mark.parametrize(
    ("fields", "status", "message"),
    [
        ({}, 400, "model is required"),
        ({"model": "x"}, 404, "model 'x' not found"),
        ({"model": "gemma3", "messages": "hello"}, 400, "cannot unmarshal string"),
        ({"model": "gemma3", "messages": ["hello"]}, 400, "cannot unmarshal string"),
        ({"model": "gemma3", "messages": [{"content": 5}]}, 400, "cannot unmarshal number"),
    ],
)
def test_bad_chats(fields: dict[str, object], status: int, message: str, standard: Profile):
    """Chat and generate refuse the same mistake in different words."""
    with pytest.raises(ProtocolError, match=message) as caught:
        parse_chat(json.dumps(fields).encode(), standard)
    assert caught.value.status == status
