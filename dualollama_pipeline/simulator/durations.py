"""How long a model stays loaded, as Ollama reads it: a number of seconds or a Go duration.

Here: `keep_alive` and Go's duration syntax with Go's error texts; nothing else.
"""

import math
import re

FOREVER_NS = 2**63 - 1
"""Go's largest duration, which is what Ollama makes of a negative keep_alive."""

_UNITS_NS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": 1_000_000_000,
    "m": 60_000_000_000,
    "h": 3_600_000_000_000,
}
_PART = re.compile(r"(?P<number>\d+\.?\d*|\.\d+)(?P<unit>[^\d.]*)")


def keep_alive_ns(value: object) -> int | None:
    """Nanoseconds of a request's keep_alive; None when it is absent.

    Raises:
        ValueError: with the text that Ollama answers.
    """
    if value is None:
        return None
    if isinstance(value, str):
        duration_ns = go_duration_ns(value)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        duration_ns = round(value * _UNITS_NS["s"]) if math.isfinite(value) else -1
    else:
        # ValueError, because to the client it is a bad value of a field, whatever its type.
        raise ValueError(  # noqa: TRY004
            f"json: cannot unmarshal keep_alive of type {type(value).__name__}"
        )
    return FOREVER_NS if duration_ns < 0 else min(duration_ns, FOREVER_NS)


def go_duration_ns(text: str) -> int:
    """Parse `1h30m`, `-1s`, `0`; the error texts are those of Go's time.ParseDuration."""
    unsigned = text[1:] if text[:1] in ("-", "+") else text
    if unsigned == "0":
        return 0
    total_ns, position = 0.0, 0
    while position < len(unsigned):
        part = _PART.match(unsigned, position)
        if part is None:
            break
        if not part["unit"]:
            raise ValueError(f'time: missing unit in duration "{text}"')
        if part["unit"] not in _UNITS_NS:
            raise ValueError(f'time: unknown unit "{part["unit"]}" in duration "{text}"')
        total_ns += float(part["number"]) * _UNITS_NS[part["unit"]]
        position = part.end()
    if not unsigned or position < len(unsigned):
        raise ValueError(f'time: invalid duration "{text}"')
    return round(-total_ns if text.startswith("-") else total_ns)
