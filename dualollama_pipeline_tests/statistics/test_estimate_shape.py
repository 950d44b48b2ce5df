"""What estimates say beside value and interval: rates, ranks, peaks, percentiles, nights.

The trap: a figure that n or the metric does not support.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dualollama_pipeline.core.study import APART
from dualollama_pipeline.metrics.catalog import (
    APART_SPEEDUP,
    BALANCE,
    Key,
)
from dualollama_pipeline.statistics.estimate import (
    EXACT,
    config_statistics,
    population_statistics,
    scenario_statistics,
)
from dualollama_pipeline.tables.conform import conform
from dualollama_pipeline_tests.statistics.campaign import joined, one, rows

RATE, SLOWDOWN, DELTA = (
    Key("balance_contention_pct", APART),
    Key("slowdown", APART, "insight"),
    Key("ttft_delta_ms", APART),
)
STEADY = [0.99, 1.0, 1.0, 1.0, 1 / 0.99]


def config(*parts: pd.DataFrame) -> pd.DataFrame:
    return conform("config_statistics", config_statistics(joined(*parts)))


def population(*parts: pd.DataFrame) -> dict[str, Any]:
    return one(conform("population_statistics", population_statistics(joined(*parts))))


def scaled(level: float) -> list[float]:
    return [level * value for value in STEADY]


def test_a_rate_is_k_of_n_with_an_exact_interval() -> None:
    """1 of 5 is 20 %, Clopper-Pearson 0.51 to 71.6 %; no spread, no percentiles, no rank."""
    found = one(config(rows("a", [0.0, 0.0, 100.0, 0.0, 0.0], RATE)))
    assert (found["value"], found["mean"]) == pytest.approx((20.0, 20.0))
    assert (found["ci_low"], found["ci_high"]) == pytest.approx((0.5051, 71.6418), abs=1e-3)
    assert (found["n_events"], found["n"], found["method"]) == (1, 5, EXACT)
    assert math.isnan(found["sd"])
    assert pd.isna(found["rank"])
    assert found["percentile_reason"] == "a rate has none"


def test_no_event_is_not_a_rate_of_zero() -> None:
    """0 of 135 allows 2.7 %."""
    found = population(*(rows(f"c{i}", [0.0] * 5, RATE) for i in range(27)))
    assert found["value"] == found["ci_low"] == 0
    assert found["ci_high"] == pytest.approx(100 * (1 - 0.025 ** (1 / 135)))


def test_ranks_have_an_interval() -> None:
    """0.80 and 0.801 cannot be told apart; 0.9 is the first."""
    table = config(rows("a", scaled(0.8)), rows("b", scaled(0.9)), rows("c", scaled(0.801)))
    places = {row["config_id"]: row for row in table.to_dict("records")}
    assert [places[name]["rank"] for name in "abc"] == [3, 1, 2]
    assert [places[name]["rank_low"] for name in "abc"] == [2, 1, 2]
    assert [places[name]["rank_high"] for name in "abc"] == [3, 1, 3]
    assert set(table["n_ranked"]) == {3}


def test_the_better_side_of_a_slowdown_is_below() -> None:
    """The longest slowdown is not the winner; a signed difference has none."""
    parts = [rows(name, scaled(level), SLOWDOWN) for name, level in (("a", 2.0), ("b", 3.0))]
    table = config(*parts, rows("a", [1.0, 2.0, 3.0, 4.0, 5.0], DELTA))
    assert one(table, config_id="a", key=SLOWDOWN)["rank"] == 1
    assert pd.isna(one(table, key=DELTA)["rank"])
    found = population(*parts)
    assert (found["best_config_id"], found["worst_config_id"]) == ("a", "b")
    assert found["best_if_equal"] < math.sqrt(6) < found["worst_value"]
    assert found["best_value"] == pytest.approx(2.0)


def test_best_stands_beside_the_best_of_equals() -> None:
    """Equal configurations: the best of ten is above the mean, as it must be."""
    chance = np.random.default_rng(114)
    parts = [rows(f"c{i}", list(np.exp(0.05 * chance.standard_normal(5)))) for i in range(10)]
    found = population(*parts)
    assert found["value"] < found["best_if_equal"] < found["best_if_equal_p95"]
    assert found["p_best_if_equal"] > 0.05


def test_the_peak_says_which() -> None:
    """Published: 99.992 % of test004; in the runs: test108 run 1."""
    found = population(rows("a", scaled(0.8)), rows("b", [0.7, 0.9, 0.7], batch_id="night2"))
    peak = (found["peak_config_id"], found["peak_batch_id"], found["peak_block"])
    assert peak == ("b", "night2", 2)


def test_within_and_between_are_kept_apart() -> None:
    """Configurations 10 apart with an sd of 1 within."""
    table = joined(rows("a", [1.0, 2.0, 3.0], DELTA), rows("b", [11.0, 12.0, 13.0], DELTA))
    found = one(conform("scenario_statistics", scenario_statistics(table)))
    assert found["within_sd"] == pytest.approx(1.0)
    assert found["sd"] > 5


def test_published_columns_have_plain_percentiles_marked_as_such() -> None:
    """P95 of five efficiencies: shown for comparison, not as a percentile that n supports."""
    table = config(rows("a", [96.0, 97.0, 98.0, 99.0, 100.0], BALANCE), rows("a", scaled(0.8)))
    balance, dual = one(table, key=BALANCE), one(table, key=APART_SPEEDUP)
    assert balance["plain_p95"] == pytest.approx(99.8)
    assert math.isnan(balance["p95"])
    assert "P95 needs 40" in balance["percentile_reason"]
    assert (balance["modal_bin_low_pct"], balance["share_in_band_pct"]) == (96.0, 100.0)
    assert math.isnan(dual["plain_p95"])
    assert math.isnan(dual["share_in_band_pct"])


def test_a_bootstrap_stands_beside_the_t_between_20_and_2000_blocks() -> None:
    """At n = 5 it covers 85 % where it promises 95."""
    values = list(100 - np.abs(np.random.default_rng(114).standard_normal(40)))
    many = one(config(rows("a", values, BALANCE)))
    few = one(config(rows("a", values[:19], BALANCE)))
    assert many["boot_low"] < many["value"] < many["boot_high"]
    assert many["boot_high"] - many["boot_low"] == pytest.approx(
        many["ci_high"] - many["ci_low"], rel=0.25
    )
    assert math.isnan(few["boot_low"])
    assert "20 to 2000 blocks, there are 19" in few["boot_reason"]


def test_several_nights_are_the_resampling_unit() -> None:
    """Steady blocks in five nights 5 % apart: as unsure as five values 5 % apart."""
    nights = [0.90, 0.95, 1.0, 1 / 0.95, 1 / 0.90]
    parts = [rows("a", scaled(level), batch_id=f"n{i}") for i, level in enumerate(nights)]
    found = one(config(*parts))
    alone = one(config(rows("a", nights)))
    assert found["value"] == pytest.approx(1.0)
    assert (found["ci_low"], found["ci_high"]) == pytest.approx((alone["ci_low"], alone["ci_high"]))
    assert (found["n"], found["n_nights"]) == (25, 5)
    assert "nights" in found["method"]
    assert math.isnan(found["boot_low"])
