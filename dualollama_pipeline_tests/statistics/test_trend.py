"""The trend table: nights in their order, and what counts as one.

The trap: blocks counted as nights, or nights in the order of their names.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from dualollama_pipeline.metrics.catalog import (
    APART_SPEEDUP,
    BALANCE,
    Key,
)
from dualollama_pipeline.statistics.trend import trend
from dualollama_pipeline.tables.conform import conform
from dualollama_pipeline_tests.statistics.campaign import joined, one, rows

NIGHTS = [f"n{name}" for name in "zyxwvut"]  # the order in which they were measured
BLOCKS = np.array([0.99, 1.0, 1 / 0.99])


def history(levels: list[float], config_id: str = "a", key: Key = APART_SPEEDUP) -> pd.DataFrame:
    """Three blocks a night whose geometric mean is the night's level."""
    return joined(
        *(
            rows(config_id, list(level * BLOCKS), key, batch_id=night)
            for level, night in zip(levels, NIGHTS, strict=False)
        )
    )


def made(*parts: pd.DataFrame) -> pd.DataFrame:
    return conform("trend", trend(joined(*parts), NIGHTS))


def test_a_steady_rise_by_hand() -> None:
    """1 % a night: slope e^0.01 - 1 in %, tau 1, p 2 / 7!; the middle is the change point."""
    table = made(history([math.exp(0.01 * i) for i in range(7)]))
    found = one(table, scope="configuration")
    assert found["slope"] == pytest.approx(100 * math.expm1(0.01))
    assert found["kendall_tau"] == pytest.approx(1.0)
    assert found["p_trend"] == pytest.approx(2 / 5040)
    # the same course twice, as configuration and as the mean over all: Benjamini-Hochberg of two
    assert found["p_trend_adjusted"] == pytest.approx(2 / 5040)
    assert (found["n_nights"], found["n"]) == (7, 21)
    assert (found["first_batch"], found["last_batch"]) == ("nz", "nt")
    assert found["batches"] == "nz ny nx nw nv nu nt"
    assert found["change_batch"] in {"nw", "nv"}
    assert found["null_reason"] == ""


def test_the_alarm_includes_night_to_night_variance() -> None:
    """A last night 5 % down: an alarm after steady nights, none after restless ones."""
    steady = [1.001, 0.999, 1.0, 1.001, 0.999, 1.0, 0.95]
    restless = [1.04, 0.96, 1.0, 1.04, 0.96, 1.0, 0.95]
    table = made(history(steady), history(restless, "b"))
    alarm, none = one(table, config_id="a"), one(table, config_id="b")
    assert alarm["alarm"]
    assert not none["alarm"]
    assert alarm["change"] == pytest.approx(-5.0, abs=0.05)
    assert alarm["tolerated"] == 2.0
    assert alarm["last_value"] == pytest.approx(0.95)


def test_a_configuration_that_is_missing_moves_nothing() -> None:
    """Left out of one night, or of all for one night: either made the population blind or jump.

    Logs: a is 0, L, 0, L, 0, L with L = log 1.1 and mean L / 2; b is log 9 in three nights. The
    last night has a alone: L / 2 above its mean, so L / 2 above the mean of both means.
    """
    table = made(history([1.0, 1.1, 1.0, 1.1, 1.0, 1.1]), history([9.0] * 3, "b"))
    found = one(table, scope="all")
    assert found["last_value"] == pytest.approx(1.1**0.5 * (1.1**0.5 * 9) ** 0.5)
    assert (found["n_nights"], found["n"]) == (6, 18 + 9)
    assert "there are 3" in one(table, config_id="b")["null_reason"]


def test_a_part_of_the_study_is_no_night() -> None:
    """A batch of one of three configurations left nothing that every night has: n 0, "quiet"."""
    levels = [1.0, 1.1, 1.0, 1.1, 1.0, 1.1]
    whole = [history(levels, name) for name in "abc"]
    part = rows("a", list(5.0 * BLOCKS), batch_id=NIGHTS[6])
    table = made(*whole, part)
    found = one(table, scope="all")
    assert (found["n_nights"], found["last_batch"]) == (6, NIGHTS[5])
    assert found["last_value"] == pytest.approx(1.1)
    assert one(table, config_id="a")["last_value"] == pytest.approx(5.0)


def test_two_of_many_configurations_are_no_night() -> None:
    """Half of what was ever measured may be a thirteenth of the study."""
    levels = [1.0, 1.1, 1.0, 1.1, 1.0, 1.1]
    samples = joined(history(levels, "a"), history(levels, "b"))
    table = conform("trend", trend(samples, NIGHTS, n_configurations=26))
    assert one(table, scope="all")["n_nights"] == 0
    assert one(table, config_id="a")["n_nights"] == 6


def test_all_leaves_out_what_the_population_leaves_out() -> None:
    """A configuration whose one-server arm reloads its model is no part of the one-server mean."""
    reloading = history([3.0] * 6, "b").assign(pools=False)
    table = made(history([1.0, 1.1, 1.0, 1.1, 1.0, 1.1]), reloading)
    assert one(table, scope="all")["last_value"] == pytest.approx(1.1)
    assert one(table, config_id="b")["last_value"] == pytest.approx(3.0)


def test_percentage_points_stay_what_they_are() -> None:
    """A balance efficiency of 99 falls by points and not by per cent."""
    values = [99.0, 98.9, 98.8, 98.7, 98.6, 98.5]
    parts = [
        rows("a", [v - 0.1, v, v + 0.1], BALANCE, batch_id=n)
        for v, n in zip(values, NIGHTS, strict=False)
    ]
    found = one(made(*parts), scope="configuration")
    assert found["slope"] == pytest.approx(-0.1)
    assert (found["unit"], found["tolerated"]) == ("%", 1.0)


def test_one_night_is_a_row_with_a_reason() -> None:
    """The first run of every user."""
    found = one(made(history([1.0])), scope="configuration")
    assert found["null_reason"] == "a trend needs 5 nights, there are 1"
    assert not found["alarm"]
    assert found["last_value"] == pytest.approx(1.0)
    assert math.isnan(found["earlier_value"])


def test_what_does_not_count_is_no_night() -> None:
    """A night of which every block failed."""
    lost = rows("a", [0.1], batch_id="ny", counts=False)
    found = one(made(history([1.0]), lost), scope="configuration")
    assert found["n_nights"] == 1
