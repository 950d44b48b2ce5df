"""Degenerate output: a model that repeats itself until it is stopped, by a rule of its own.

Two such answers lie in the original data, one counted as contention, one as a normal run.
"""

from __future__ import annotations

import zlib

MIN_CHARS = 400
LIMIT = 8.0


def repetition_ratio(text: str) -> float:
    """Return how many times zlib shortens the second half of a text; nan below 400 characters.

    Prose of that length is shortened 1.5 to 3 times, a loop of a few words more than 15 times. The
    second half, because an answer can begin well and end in a loop.
    """
    if len(text) < MIN_CHARS:
        return float("nan")
    half = text[len(text) // 2 :].encode("utf-8", errors="surrogatepass")
    return len(half) / len(zlib.compress(half, 9))


def is_degenerate(ratio: float) -> bool:
    """Return whether a repetition ratio is that of a loop (above 8); nan is none."""
    return ratio > LIMIT
