"""The trap: `keep_alive` of "10" looks like seconds and is an error; -1 means for ever."""

import pytest

from dualollama_pipeline.simulator.durations import FOREVER_NS, keep_alive_ns

S = 1_000_000_000


@pytest.mark.parametrize(
    ("value", "expected_ns"),
    [
        (None, None),
        (0, 0),
        (10, 10 * S),
        (0.5, S // 2),
        (-1, FOREVER_NS),
        ("30m", 1800 * S),
        ("1h30m", 5400 * S),
        ("1.5s", 3 * S // 2),
        ("250ms", S // 4),
        ("0", 0),
        ("-1s", FOREVER_NS),
    ],
)
def test_values(value: object, expected_ns: int | None):
    assert keep_alive_ns(value) == expected_ns


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("10", 'time: missing unit in duration "10"'),
        ("-1", 'time: missing unit in duration "-1"'),
        ("5x", 'time: unknown unit "x" in duration "5x"'),
        ("", 'time: invalid duration ""'),
        ("soon", 'time: invalid duration "soon"'),
        (True, "json: cannot unmarshal keep_alive of type bool"),
    ],
)
def test_refusals(value: object, message: str):
    with pytest.raises(ValueError) as error:  # noqa: PT011 - the text is compared below
        keep_alive_ns(value)
    assert str(error.value) == message
