"""Repetition loops: found whatever precedes them, and prose left alone."""

from __future__ import annotations

import math
import random

from dualollama_pipeline.metrics.call import is_degenerate, repetition_ratio

TEXT = """
the model answers faster when context is short while two agents on one device share its memory
and wait for each other until both have written their reports about what they saw
"""


def prose(n_words: int) -> str:
    chance = random.Random(1)
    return " ".join(chance.choice(TEXT.split()) for _ in range(n_words))


def test_a_loop_is_found() -> None:
    """49,585 characters of repetition were stored as a run of 0 tokens per second."""
    assert is_degenerate(repetition_ratio("and so on, " * 200))


def test_a_loop_after_a_good_beginning_is_found() -> None:
    """The ratio of the whole text hides a loop in its second half."""
    assert is_degenerate(repetition_ratio(prose(150) + " and so on," * 100))


def test_prose_is_no_loop() -> None:
    """Even prose of a small vocabulary stays far below the limit."""
    assert repetition_ratio(prose(300)) < 5


def test_a_short_text_says_nothing() -> None:
    """Forty characters of `ha ha ha` are an answer, not a runaway."""
    assert math.isnan(repetition_ratio("ha " * 13))
    assert not is_degenerate(repetition_ratio("ha " * 13))


def test_lone_surrogates_do_not_break_the_rule() -> None:
    """JSON may carry half of a character pair."""
    assert is_degenerate(repetition_ratio("\ud800" * 1000))
