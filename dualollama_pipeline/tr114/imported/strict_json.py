"""JSON that may be evidence: UTF-8, no key twice in an object, finite numbers, whole characters.

Python's reader lets all of that pass: the last of two equal keys wins, and NaN is a number.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dualollama_pipeline.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

SHOWN_CHARS = 60


@dataclass(frozen=True)
class _Twice:
    """All values of a key that stands more than once in its object."""

    values: list[Any]


def parse(content: bytes, name: str) -> Any:
    """Return what a JSON file holds.

    Raises:
        InputError: it is damaged, or a field of it cannot be evidence; names field and value.
    """
    try:
        document = json.loads(content.decode("utf-8-sig"), object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{name}: cannot be read as JSON ({error})", "copy the file from its source again"
        ) from error
    for field, value, fault in _faults(document):
        raise InputError(f"{name}: {field} = {value}: {fault}", f"correct {field} in the file")
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    values: defaultdict[str, list[Any]] = defaultdict(list)
    for key, value in pairs:
        values[key].append(value)
    return {key: each[0] if len(each) == 1 else _Twice(each) for key, each in values.items()}


def _faults(document: Any) -> Iterator[tuple[str, str, str]]:
    """Yield (field, value, what is wrong), in the order of the document."""
    waiting = [("", document)]
    while waiting:
        field, value = waiting.pop()
        inner: list[tuple[str, Any]] = []
        if isinstance(value, _Twice):
            shown = " and ".join(_shown(each) for each in value.values)
            yield field, shown, "the key stands more than once, keep one"
        elif isinstance(value, (int, float)) and not abs(value) <= sys.float_info.max:
            yield field, _shown(value), "no finite number, or too large for one"
        elif isinstance(value, str) and not _is_whole(value):
            yield field, _shown(value), "half of a character (a lone surrogate)"
        elif isinstance(value, list):
            inner = [(f"{field}.{place}", each) for place, each in enumerate(value)]
        elif isinstance(value, dict):
            inner = [(f"{field}.{_printable(key)}", each) for key, each in value.items()]
            for key in value:
                if not _is_whole(key):
                    yield field, _shown(key), "half of a character (a lone surrogate) in a key"
        waiting += [(name.removeprefix("."), each) for name, each in reversed(inner)]


def _is_whole(text: str) -> bool:
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def _printable(text: str) -> str:
    return text if text.isprintable() else ascii(text)


def _shown(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return f"{'an object' if isinstance(value, dict) else 'a list'} of {len(value)}"
    text = ascii(value)
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}..."
