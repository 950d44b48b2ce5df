"""One request's rates: the arithmetic, and that a missing input is never zero."""

from __future__ import annotations

import pytest

from dualollama_pipeline.metrics.call import (
    decode_tok_per_s,
    queue_ms,
    time_per_output_token_ms,
)

NAN = float("nan")


def test_decode_rate_uses_the_servers_own_counters() -> None:
    """Dividing by the client's time would charge the load and the queue to the model."""
    # 300 tokens / 7.5 s = 40 tok/s
    assert decode_tok_per_s(300, 7_500_000_000) == pytest.approx(40.0)


def test_time_per_output_token_leaves_the_first_token_out() -> None:
    """N tokens have n - 1 gaps between them."""
    # (3250 ms - 250 ms) / (301 - 1) = 10 ms
    assert time_per_output_token_ms(3250, 250, 301) == pytest.approx(10.0)
    # (350 ms - 250 ms) / (2 - 1) = 100 ms
    assert time_per_output_token_ms(350, 250, 2) == pytest.approx(100.0)


@pytest.mark.parametrize("tokens", [1, 0])
def test_one_token_has_no_time_between_tokens(tokens: int) -> None:
    """0/0, and not 0: a rate from nothing."""
    assert time_per_output_token_ms(350, 250, tokens) == pytest.approx(NAN, nan_ok=True)


def test_queue_is_what_no_counter_explains() -> None:
    """Waiting for a slot is in no counter of Ollama, only in the rest."""
    # 10_000 - 200 - 60 - 7_500 = 2_240 ms
    ms = 1_000_000
    assert queue_ms(10_000 * ms, 200 * ms, 60 * ms, 7_500 * ms) == pytest.approx(2240.0)
    # counters may exceed the total by rounding: 100 - 60 - 30 - 20 = -10 ms, and stays visible
    assert queue_ms(100 * ms, 60 * ms, 30 * ms, 20 * ms) == pytest.approx(-10.0)


@pytest.mark.parametrize("position", range(4))
def test_a_missing_counter_makes_the_queue_unknown(position: int) -> None:
    """Ollama omits counters; a default of 0 would turn all of the load into queue."""
    values: list[float] = [10.0, 1.0, 2.0, 3.0]
    values[position] = NAN
    assert queue_ms(*values) == pytest.approx(NAN, nan_ok=True)


def test_missing_values_make_the_rates_unknown() -> None:
    """A stream without a final record was once stored as 0 tok/s."""
    for rate in (
        decode_tok_per_s(NAN, 1e9),
        decode_tok_per_s(300, NAN),
        time_per_output_token_ms(NAN, 250, 300),
        time_per_output_token_ms(3250, NAN, 300),
        time_per_output_token_ms(3250, 250, NAN),
    ):
        assert rate == pytest.approx(NAN, nan_ok=True)
