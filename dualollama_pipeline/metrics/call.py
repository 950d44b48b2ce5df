"""What one request's stamps and counters say. Missing input gives nan, never zero."""

from __future__ import annotations

import zlib

from dualollama_pipeline.core.units import NS_PER_MS, NS_PER_S


def decode_tok_per_s(eval_count: float, eval_duration_ns: float) -> float:
    """Tokens per second by the server's own counters.

    Formula: eval_count / eval_duration (TR114 section 2.4, as its program computed tok_s). The
    server counts the first token too, so the rate is high by n / (n - 1).
    """
    return eval_count / (eval_duration_ns / NS_PER_S)


def time_per_output_token_ms(total_ms: float, ttft_ms: float, eval_count: float) -> float:
    """Mean time between tokens as the client saw it.

    Formula: (end to end - TTFT) / (eval_count - 1); nan for a single token.
    """
    return (total_ms - ttft_ms) / (eval_count - 1) if eval_count > 1 else float("nan")


def queue_ms(total_ns: float, load_ns: float, prompt_eval_ns: float, eval_ns: float) -> float:
    """Server time that no counter explains: waiting for a slot, tokenizing, writing.

    Formula: total_duration - load_duration - prompt_eval_duration - eval_duration (METHOD 2).
    """
    return (total_ns - load_ns - prompt_eval_ns - eval_ns) / NS_PER_MS


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
