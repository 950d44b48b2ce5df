"""Ranks and the best of many.

The trap: the best of 27 equal configurations looks better than all of them.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dualollama_pipeline.metrics.catalog import Key
from dualollama_pipeline.statistics.means import Mean
from dualollama_pipeline.statistics.selection import (
    best_if_equal,
    rank_intervals,
    top_and_bottom,
    top_runs,
)

KEY = Key("m", "apart")


def test_ranks_by_hand() -> None:
    """3 and 2.9 cannot be told apart, 1 is surely the last; the highest is first."""
    found = rank_intervals([Mean(2.9, 0.1, 8, ""), Mean(1.0, 0.1, 8, ""), Mean(3.0, 0.1, 8, "")])
    assert list(found.rank) == [2, 3, 1]
    assert list(found.low) == [1, 3, 1]
    assert list(found.high) == [2, 3, 2]


def test_a_rank_is_corrected_for_the_others_it_is_compared_with() -> None:
    """A t just above the plain threshold settles a pair, but not a place among ten."""
    limit = float(stats.t.ppf(0.975, 8)) * 0.1 * math.sqrt(2)
    pair = [Mean(1 + 1.01 * limit, 0.1, 4, ""), Mean(1.0, 0.1, 4, "")]
    assert list(rank_intervals(pair).high) == [1, 2]
    many = rank_intervals([pair[0], *[pair[1]] * 9])
    assert many.high[0] == 10


def test_equal_values_share_a_rank_and_unknown_errors_have_no_interval() -> None:
    """The interval of an unknown error would be [1, N] or [rank, rank], both claims."""
    found = rank_intervals([Mean(1.0, math.nan, math.nan, "why"), Mean(1.0, 0.1, 4, "")])
    assert list(found.rank) == [1, 1]
    assert (found.low[0], found.high[0]) == (0, 0)
    assert (found.low[1], found.high[1]) == (1, 2)


def test_the_best_of_27_under_no_difference() -> None:
    """The expected maximum of 27 normal values is 2.00 sd above their mean (Blom: 1.997)."""
    equal = [Mean(0.8, 0.02, 1e6, "")] * 27
    found = best_if_equal(equal)
    assert (found.mean - 0.8) / 0.02 == pytest.approx(2.0, abs=0.02)
    assert found.p95 > found.mean
    assert found.p_value == 1.0  # the observed best is the mean itself


def test_a_best_beyond_chance_is_told() -> None:
    """Seven standard errors above 26 others."""
    found = best_if_equal([Mean(0.8, 0.02, 1e6, "")] * 26 + [Mean(0.94, 0.02, 1e6, "")])
    assert found.p_value == pytest.approx(1 / 10_001)


def test_one_configuration_is_no_choice() -> None:
    """And those without an error take no part."""
    alone = [Mean(0.8, 0.02, 4, ""), Mean(0.9, math.nan, math.nan, "why")]
    assert all(math.isnan(value) for value in best_if_equal(alone))


def test_top_five_and_bottom_three() -> None:
    """Generated from the ranks; what has none is in neither."""
    table = pd.DataFrame(
        {
            "metric": ["m"] * 10 + ["other"],
            "arm": "apart",
            "agent": "all",
            "config_id": [f"test{i:02d}" for i in range(11)],
            "rank": pd.array([*range(9, 0, -1), pd.NA, 1], dtype="Int64"),
        }
    )
    top, bottom = top_and_bottom(table, KEY)
    assert list(top["rank"]) == [1, 2, 3, 4, 5]
    assert list(bottom["rank"]) == [7, 8, 9]
    assert list(bottom["config_id"]) == ["test02", "test01", "test00"]


def test_top_runs_count() -> None:
    """A run that was left out is not the peak."""
    samples = pd.DataFrame(
        {
            **KEY._asdict(),
            "value": np.arange(8.0),
            "counts": [True] * 7 + [False],
            "block": range(8),
        }
    )
    assert list(top_runs(samples, KEY, 3)["block"]) == [6, 5, 4]


def test_the_best_of_two_is_measured_from_their_own_mean() -> None:
    """Half the distance of two normal values: |z1 - z2| / 2, its 95 % point 1.96 / sqrt 2."""
    found = best_if_equal([Mean(1.0, 0.1, 1e6, "")] * 2)
    assert (found.p95 - 1.0) / 0.1 == pytest.approx(1.96 / math.sqrt(2), abs=0.04)
