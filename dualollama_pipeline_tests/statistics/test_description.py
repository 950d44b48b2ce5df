"""Descriptions by hand, and what small n must not show.

The trap: a P95 of five values is their maximum under another name.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from dualollama_pipeline.statistics import description as d

VALUES = np.array([1.0, 2.0, 3.0, 4.0, 10.0])


def test_describe_by_hand() -> None:
    """Sum 20; squares about 4: 9 + 4 + 1 + 0 + 36 = 50; deviations from 3: 2 1 0 1 7."""
    found = d.describe(VALUES)
    sd = math.sqrt(50 / 4)
    assert found["mean"] == pytest.approx(4.0)
    assert found["median"] == pytest.approx(3.0)
    assert found["sd"] == pytest.approx(sd)
    assert found["cv_pct"] == pytest.approx(100 * sd / 4)
    assert (found["min"], found["max"], found["range"]) == (1.0, 10.0, 9.0)
    assert found["mad"] == pytest.approx(1.0)
    assert found["iqr"] == pytest.approx(2.0)  # positions 1 and 3 of 0..4: 2 and 4
    # m2 = 10; m3 = (-27 - 8 - 1 + 0 + 216) / 5 = 36; g1 = 36 / 10^1.5; G1 = g1 sqrt(20) / 3
    assert found["skewness"] == pytest.approx(36 / 10**1.5 * math.sqrt(20) / 3)


def test_nothing_and_one_value_have_no_spread() -> None:
    """0 would read as perfectly steady."""
    assert all(math.isnan(value) for value in d.describe(np.array([])).values())
    one = d.describe(np.array([2.0]))
    assert (one["mean"], one["mad"]) == (2.0, 0.0)
    assert all(math.isnan(one[name]) for name in ("sd", "cv_pct", "iqr", "skewness"))


def test_equal_values_have_no_skewness() -> None:
    """Scipy warns and answers nan; the warning is an error here."""
    assert math.isnan(d.skewness(np.array([0.1] * 7)))


@pytest.mark.parametrize(
    ("n", "there", "missing"),
    [
        (3, set(), "p25"),
        (4, {"p25", "p75"}, "p10"),
        (19, {"p25", "p75"}, "p90"),
        (20, {"p10", "p25", "p75", "p90"}, "p5"),
        (40, {"p5", "p10", "p25", "p75", "p90", "p95"}, "p99"),
        (100, {"p1", "p5", "p10", "p25", "p75", "p90", "p95", "p99"}, None),
    ],
)
def test_percentiles_need_their_n(n: int, there: set[str], missing: str | None) -> None:
    """METHOD section 3: P10/P90 from 20, P5/P95 from 40, P1/P99 from 100."""
    found, reason = d.percentiles(np.arange(n, dtype=float))
    assert {name for name, value in found.items() if not math.isnan(value)} == there
    assert (missing is None) == (reason == "")
    if missing is not None:
        assert missing.upper() in reason
        assert str(n) in reason


def test_percentiles_are_linear_between_values() -> None:
    """Type 7: P10 of 0..20 is at position 0.1 x 20 = 2."""
    found, _ = d.percentiles(np.arange(21, dtype=float))
    assert (found["p10"], found["p90"]) == pytest.approx((2.0, 18.0))


def test_published_columns_have_their_percentiles_at_any_n() -> None:
    """P95 of 1 2 3 4 10: position 3.8 between 4 and 10, 8.8."""
    found = d.plain_percentiles(VALUES)
    assert found["plain_p95"] == pytest.approx(8.8)
    assert found["plain_p50"] == pytest.approx(3.0)
    assert math.isnan(d.plain_percentiles(np.array([]))["plain_p50"])


def test_modal_bin_and_share_in_band() -> None:
    """Bins [98, 99) holds two, [99, 100) two, 100 alone; of equal ones the lowest is named."""
    values = np.array([95.9, 96.0, 98.0, 98.9, 99.0, 99.5, 100.0])
    assert d.modal_bin_low(values) == 98.0
    assert d.share_in_band_pct(values) == pytest.approx(100 * 6 / 7)
    assert math.isnan(d.modal_bin_low(values[:0]))
    assert math.isnan(d.share_in_band_pct(values[:0]))


def test_within_is_the_mean_over_configurations() -> None:
    """Pooled, 1 2 3 and 101 102 103 have an sd of 55; within each it is 1."""
    found = d.within([np.array([1.0, 2.0, 3.0]), np.array([101.0, 103.0, 105.0]), np.array([7.0])])
    assert found["within_sd"] == pytest.approx((1 + 2) / 2)
    assert found["within_cv_pct"] == pytest.approx((100 / 2 + 200 / 103) / 2)
    assert found["within_mad"] == pytest.approx((1 + 2) / 2)
    assert math.isnan(found["within_iqr"])  # three values have no quartiles
