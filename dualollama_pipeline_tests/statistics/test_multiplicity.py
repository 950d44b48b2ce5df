"""Corrections by hand arithmetic.

The trap: a missing p value that is sorted among the others.
"""

from __future__ import annotations

import math

import pytest

from dualollama_pipeline.statistics.multiplicity import benjamini_hochberg, holm


def test_holm_by_hand() -> None:
    """Sorted 0.01 0.02 0.03 0.2 times 4 3 2 1: 0.04 0.06 0.06 0.2; never falling."""
    assert holm([0.03, 0.01, 0.2, 0.02]) == pytest.approx([0.06, 0.04, 0.2, 0.06])


def test_holm_stops_at_one() -> None:
    """A probability of 1.5."""
    assert holm([0.5, 0.6, 0.9]) == pytest.approx([1.0, 1.0, 1.0])


def test_benjamini_hochberg_by_hand() -> None:
    """P m / i: 0.04, 0.04, 0.04, 0.2: 0.01 x 4 / 1, 0.02 x 4 / 2, 0.03 x 4 / 3."""
    assert benjamini_hochberg([0.03, 0.01, 0.2, 0.02]) == pytest.approx([0.04, 0.04, 0.2, 0.04])


@pytest.mark.parametrize("correct", [holm, benjamini_hochberg])
def test_what_was_not_tested_is_neither_counted_nor_corrected(correct) -> None:
    """Counted, each comparison without data would weaken all others."""
    found = correct([math.nan, 0.02, math.nan])
    assert found[1] == pytest.approx(0.02)
    assert math.isnan(found[0])
    assert math.isnan(found[2])
    assert len(correct([])) == 0
