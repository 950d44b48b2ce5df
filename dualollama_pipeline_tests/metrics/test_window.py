"""What was done in the common window: tokens so far, prompts half read, pieces in clumps."""

from __future__ import annotations

import pytest

from dualollama_pipeline.metrics.window import (
    Spoken,
    all_active,
    is_clumped,
    prompt_share_until,
    tokens_until,
    within,
)

NAN = float("nan")
# sent at 10, prompt from 14 to 20, then 5 pieces of 100 tokens until 60
CALL = Spoken(10, 20, 60, 6, 100, (20, 30, 40, 50, 60))


@pytest.mark.parametrize(
    ("instant", "tokens"), [(19, 0), (20, 20), (39, 40), (40, 60), (59.9, 80), (60, 100), (99, 100)]
)
def test_tokens_so_far_are_the_share_of_the_pieces(instant: float, tokens: float) -> None:
    """Pieces are no tokens: the server's count, by how many pieces have come."""
    assert tokens_until(CALL, instant) == tokens


@pytest.mark.parametrize(("instant", "share"), [(5, 0), (14, 0), (17, 0.5), (20, 1), (99, 1)])
def test_a_prompt_is_read_at_its_end_and_not_while_it_waits(instant: float, share: float) -> None:
    """From 10 to 14 the call waits for a slot: counted as work, queueing would be no loss."""
    assert prompt_share_until(CALL, instant) == share


def test_without_a_prompt_time_nothing_is_known_of_its_part() -> None:
    """A server that does not say leaves the part out; the whole still counts."""
    silent = CALL._replace(prompt=NAN)
    assert (prompt_share_until(silent, 17), prompt_share_until(silent, 20)) == (0.0, 1.0)


def test_when_all_are_active() -> None:
    """Two agents of two calls; touching ends are no overlap."""
    a, b = [(0, 10), (12, 20)], [(5, 12), (15, 30)]
    assert all_active([a, b]) == [(5, 10), (15, 20)]
    assert all_active([[(0, 1)], [(1, 2)]]) == []
    assert all_active([[(0, 9)], [(1, 8)], [(2, 7)]]) == [(2, 7)]


def test_decoding_within_spans() -> None:
    """25 to 45 holds the pieces at 30 and 40: 40 tokens in 20."""
    assert within(CALL, [(25, 45)]) == (20, 40)
    assert within(CALL, [(0, 15), (70, 80)]) == (0, 0)


@pytest.mark.parametrize(
    ("pieces", "clumped"),
    [
        ([float(n) for n in range(40)], False),
        ([5.0] * 40, True),  # the whole answer in one read
        ([10.0 * (n // 8) for n in range(40)], True),  # eight at a time
        ([10.0 * (n // 3) + n % 3 * 0.01 for n in range(40)], False),  # speculative decoding
        ([5.0] * 7, False),  # too few to tell
        ([], False),
    ],
)
def test_clumps(pieces: list[float], clumped: bool) -> None:
    """A buffering proxy makes the first token late and hides the gaps."""
    assert is_clumped(pieces) is clumped
