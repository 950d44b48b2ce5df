"""Times that cannot be true: each relation alone, at and beyond its tolerance of 20 ms."""

from __future__ import annotations

import pytest

from dualollama_pipeline.core.records import ServerCounters
from dualollama_pipeline.ollama.plausible import contradiction

MS = 1_000_000


def counters(**changes: int | None) -> ServerCounters:
    """100 ms in all: 10 load, 20 prompt, 60 eval, 10 unexplained."""
    times = {
        "total_duration": 100 * MS,
        "load_duration": 10 * MS,
        "prompt_eval_duration": 20 * MS,
        "eval_duration": 60 * MS,
    }
    return ServerCounters(**{**times, **changes})


def test_times_that_fit_are_no_contradiction() -> None:
    """A true call must never be refused."""
    assert contradiction(counters(), 35 * MS, 101 * MS) is None


@pytest.mark.parametrize(
    ("changed", "ttft_ms", "end_to_end_ms", "says"),
    [
        ({"eval_duration": 91 * MS}, 35, 121, "load + prompt + eval"),  # 121 > 100 + 20
        ({}, 35, 69, "total_duration"),  # 100 > 69 x 1.15 + 20
        ({"total_duration": None, "eval_duration": 60 * MS}, 35, 34, "eval_duration"),
        ({}, 8, 101, "load + prompt"),  # 30 > 8 x 1.15 + 20
    ],
)
def test_each_contradiction_is_named(
    changed: dict[str, int | None], ttft_ms: int, end_to_end_ms: int, says: str
) -> None:
    """A server that claims more time than passed cannot have been timed."""
    found = contradiction(counters(**changed), ttft_ms * MS, end_to_end_ms * MS)
    assert found is not None
    assert found.startswith(says)


def test_exactly_at_the_tolerance_is_no_contradiction() -> None:
    """The tolerance covers two clocks read at slightly different instants, and one that is fast."""
    assert contradiction(counters(eval_duration=90 * MS), 10 * MS, 101 * MS) is None
    assert contradiction(counters(), 9 * MS, 70 * MS) is None  # 9 x 1.15 + 20, 70 x 1.15 + 20


def test_absent_figures_say_nothing() -> None:
    """Ollama omits zeros: absent is unknown, neither true nor false."""
    assert contradiction(ServerCounters(eval_duration=1), None, None) is None
