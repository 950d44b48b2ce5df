"""What Python's JSON reader lets pass, and what would then be averaged or break the first table."""

from __future__ import annotations

import json

import pytest

from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.tr114.imported.strict_json import parse


def test_what_json_holds_comes_back() -> None:
    document = {"a": [1, 2.5, None, True, {"b": "ü\U0001f600"}], "c": {}}
    assert parse(json.dumps(document).encode(), "f") == document
    assert parse(b'\xef\xbb\xbf{"a": "\\ud83d\\ude00"}', "f") == {"a": "\U0001f600"}


FAULTS = [
    (b'{"a": {"x": 1, "b": 2, "x": 3}}', r"f: a.x = 1 and 3: the key stands more than once"),
    (b'{"a": 1, "a": {}, "a": [1]}', "f: a = 1 and an object of 0 and a list of 1"),
    (b'{"a": [0, 1e999]}', r"f: a.1 = inf: no finite number"),
    (b'{"a": 1' + b"0" * 400 + b"}", "f: a = 1000000000000"),
    (b'{"a": -Infinity}', r"f: a = -inf: no finite number"),
    (b'{"a": {"b c": NaN}}', r"f: a.b c = nan: no finite number"),
    (b'{"a": "x\\ud800"}', r"f: a = 'x\ud800': half of a character"),
    (b'{"a": {"\\udc00": 1}}', r"f: a = '\udc00': half of a character"),
    (b'{"a": "\xff"}', "f: cannot be read as JSON ('utf-8' codec"),
    ('{"a": 1}'.encode("utf-16"), "f: cannot be read as JSON ('utf-8' codec"),
    (b'{"a": "\xed\xa0\x80"}', "f: cannot be read as JSON ('utf-8' codec"),
    (b'{"a": 1', "f: cannot be read as JSON"),
    (b"", "f: cannot be read as JSON"),
    (b"[" * 100_000, "f: cannot be read as JSON"),
    (b'{"a": ' + b"9" * 5000 + b"}", "f: cannot be read as JSON"),
]


@pytest.mark.parametrize(("content", "said"), FAULTS, ids=[str(n) for n in range(len(FAULTS))])
def test_a_fault_is_named_with_field_value_and_way_out(content: bytes, said: str) -> None:
    with pytest.raises(InputError) as raised:
        parse(content, "f")
    assert raised.value.problem.startswith(said)
    assert raised.value.way_out
    str(raised.value).encode()  # can be printed
