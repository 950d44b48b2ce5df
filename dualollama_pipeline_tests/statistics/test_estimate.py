"""Estimates on small samples made by hand: value, n, what was left out, batches and origin.

The trap: a number whose n, or whose absence, is not explained.
"""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from dualollama_pipeline.core.study import APART
from dualollama_pipeline.metrics.catalog import (
    APART_SECONDS,
    APART_SPEEDUP,
    BALANCE,
    SHARED_SPEEDUP,
    Key,
    key_of,
)
from dualollama_pipeline.statistics.estimate import (
    NO_POOL,
    config_statistics,
    population_statistics,
    scenario_statistics,
)
from dualollama_pipeline.tables.conform import conform

T4, T8 = 2.776445, 2.306004  # Student's t, 0.975 quantile, 4 and 8 degrees of freedom
T4_WIDE = 3.297630  # the 0.985 quantile, for few values at a bound
RATIO, SINGLE, LINEAR = APART_SPEEDUP, SHARED_SPEEDUP, Key("ttft_delta_ms", APART)
HALVES = [0.5, 1.0, 1.0, 1.0, 2.0]  # geometric mean 1, arithmetic mean 1.1


def sample(values: list[float], key: Key = RATIO, **changes: Any) -> list[dict[str, Any]]:
    """One row a value, all of them sound."""
    sound: dict[str, Any] = {
        "origin": "measured",
        "batch_id": "batch1",
        "config_id": "test1",
        "effective_class": "test1",
        "scenario": "chimera_homo",
        "block": 1,
        **key._asdict(),
        "counts": True,
        "pools": True,
        "equal_work": True,
        "n_agents": 2,
    }
    return [sound | {"value": value} | changes for value in values]


def left_out(values: list[float], **changes: Any) -> list[dict[str, Any]]:
    return sample(values, **{"counts": False, "pools": False} | changes)


def only(statistics: pd.DataFrame) -> dict[str, Any]:
    """The one row of a table of statistics."""
    assert len(statistics) == 1
    return {str(name): value for name, value in statistics.iloc[0].items()}


def config(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return only(conform("config_statistics", config_statistics(pd.DataFrame(rows))))


def population(rows: list[dict[str, Any]]) -> dict[str, Any]:
    return only(conform("population_statistics", population_statistics(pd.DataFrame(rows))))


def test_a_ratio_of_a_configuration() -> None:
    """Geometric mean with a t interval on logs; the plain description stands beside it."""
    made = config(sample(HALVES))
    # logs -ln2, 0, 0, 0, ln2: mean 0, sd sqrt(2 ln2^2 / 4), se sd / sqrt(5)
    half = T4 * math.log(2) * math.sqrt(0.1)
    expected = {
        "value": 1.0,
        "ci_low": math.exp(-half),
        "ci_high": math.exp(half),
        "level": 0.95,
        "mean": 1.1,  # 5.5 / 5
        "median": 1.0,
        "sd": math.sqrt(1.20 / 4),  # 0.36 + 3 x 0.01 + 0.81 = 1.20
        "cv_pct": 100 * math.sqrt(0.30) / 1.1,
        "min": 0.5,
        "max": 2.0,
    }
    for name, value in expected.items():
        assert made[name] == pytest.approx(value, rel=1e-6), name
    assert (made["n"], made["n_left_out"], made["null_reason"]) == (5, 0, "")
    assert (made["config_id"], made["scenario"]) == ("test1", "chimera_homo")
    assert (key_of(made), made["unit"], made["origin"]) == (RATIO, "x", "measured")
    assert made["batches"] == "batch1"
    assert "geometric" in made["method"]
    assert "logs" in made["method"]


def test_a_difference_of_a_configuration() -> None:
    """Signed values have no logarithm, and a CV against the absolute mean."""
    made = config(sample([-1.0, -2.0, -3.0, -4.0, -5.0], LINEAR))
    half = T4 * math.sqrt(0.5)  # sd sqrt(2.5), se sqrt(2.5 / 5)
    assert made["value"] == made["mean"] == pytest.approx(-3.0)
    assert (made["ci_low"], made["ci_high"]) == pytest.approx((-3 - half, -3 + half), rel=1e-6)
    assert made["cv_pct"] == pytest.approx(100 * math.sqrt(2.5) / 3)
    assert made["unit"] == "ms"
    assert "geometric" not in made["method"]


def test_a_mean_of_zero_has_no_coefficient_of_variation() -> None:
    """Division by zero; and an infinite CV would be refused by the schema."""
    made = config(sample([-2.0, -1.0, 0.0, 1.0, 2.0], LINEAR))
    assert made["mean"] == 0
    assert math.isnan(made["cv_pct"])


def test_rows_that_do_not_count_are_left_out_and_counted() -> None:
    """A block left out in silence makes 4 of 9 look like 4 of 4."""
    made = config(sample(HALVES) + left_out([100.0, math.nan], batch_id="batch2"))
    assert (made["n"], made["n_left_out"]) == (5, 2)
    assert made["value"] == pytest.approx(1.0)
    assert made["max"] == 2.0
    assert made["batches"] == "batch1 batch2"


def test_fewer_than_five_blocks_have_a_value_without_an_interval() -> None:
    """Null with a reason; the value is no less true for it."""
    made = config(sample([0.5, 2.0]))
    assert made["value"] == pytest.approx(1.0)
    assert made["sd"] == pytest.approx(math.sqrt(2 * 0.75**2))  # about the mean 1.25
    assert math.isnan(made["ci_low"])
    assert math.isnan(made["ci_high"])
    assert made["null_reason"]


def test_one_block_has_no_spread() -> None:
    """With ddof 1 it is 0 / 0, with ddof 0 it would be 0."""
    made = config(sample([0.5]))
    assert (made["n"], made["value"]) == (1, pytest.approx(0.5))
    assert math.isnan(made["sd"])
    assert math.isnan(made["cv_pct"])


@pytest.mark.parametrize("statistics", [config, population])
def test_a_metric_without_any_value_is_a_row_with_a_reason(statistics: Any) -> None:
    """Every block failed: that is a result, and it is not 0."""
    made = statistics(left_out([0.7, math.nan]))
    assert (made["n"], made["n_left_out"]) == (0, 2)
    for name in ("value", "ci_low", "ci_high", "mean", "median", "sd", "min", "max"):
        assert math.isnan(made[name]), name
    assert made["null_reason"] == "no block counts"


def test_a_figure_with_a_bound_has_an_interval_within_it() -> None:
    """Efficiencies above 100 % do not exist; an interval up to 101 % would say they do."""
    made = config(sample([100.0, 100.0, 100.0, 100.0, 95.0], BALANCE))
    # mean 99; sd sqrt((4 x 1 + 16) / 4) = sqrt(5); se 1: 99 + 2.78 is above the bound
    assert made["ci_high"] == 100.0
    assert made["ci_low"] == pytest.approx(99 - T4_WIDE, rel=1e-6)
    balance = config(sample([2.0, 2.0, 2.0, 2.0, 1.9], Key("balance_speedup", APART)))
    assert balance["ci_high"] == 2.0


def test_configurations_and_metrics_are_not_mixed() -> None:
    """Each configuration's rows in the catalog's order, so that tables compare line by line."""
    rows = sample(HALVES, LINEAR) + sample(HALVES) + sample([2.0] * 6, config_id="test0")
    made = config_statistics(pd.DataFrame(rows))
    assert [(row["config_id"], key_of(row), row["n"]) for row in made.to_dict("records")] == [
        ("test0", RATIO, 6),
        ("test1", RATIO, 5),
        ("test1", LINEAR, 5),
    ]


def test_pooled_figures_are_over_blocks_and_not_over_means() -> None:
    """A mean of means gives a configuration of two blocks the weight of one of ten."""
    rows = sample([1.0] * 2 + [3.0] * 2, LINEAR)
    rows += sample([10.0] * 4 + [12.0] * 4, LINEAR, config_id="test2")
    made = population(rows)
    assert made["value"] == made["mean"] == pytest.approx(96 / 12)  # (2 + 6 + 40 + 48) / 12
    assert (made["n"], made["n_configurations"]) == (12, 2)


def test_what_differs_between_configurations_is_no_error() -> None:
    """A plain t over all values would be as wide as the configurations are apart."""
    values = [math.exp(value) for value in (0.1, 0.2, 0.3, 0.4, 0.5)]
    rows = sample(values) + sample([value / 10 for value in values], config_id="test2")
    made = population(rows)
    # on logs: means 0.3 and 0.3 + ln10; s^2 = 0.025 each; variance 2 x 1/4 x 0.025/5 = 0.0025
    centre = 0.3 + math.log(10) / 2 - math.log(10)
    assert made["value"] == pytest.approx(math.exp(centre))
    assert made["ci_low"] == pytest.approx(math.exp(centre - T8 * 0.05), rel=1e-6)
    assert made["ci_high"] == pytest.approx(math.exp(centre + T8 * 0.05), rel=1e-6)
    assert "stratified" in made["method"]
    assert made["n_configurations"] == 2


def test_scenarios_hold_their_own_configurations() -> None:
    """One scenario under two spellings split the published table; two in one would join it."""
    rows = sample(HALVES) + sample(HALVES, config_id="test2")
    rows += sample([0.3] * 4 + [0.4], config_id="test3", scenario="chimera_hetero")
    made = conform("scenario_statistics", scenario_statistics(pd.DataFrame(rows)))
    found = zip(made["scenario"], made["n_configurations"], made["n"], strict=True)
    assert list(found) == [("chimera_hetero", 1, 5), ("chimera_homo", 2, 10)]
    assert list(made["value"]) == pytest.approx([(0.3**4 * 0.4) ** 0.2, 1.0])


def test_single_pools_only_configurations_without_reloads() -> None:
    """The headline contrast is about sharing a server, not about reloading a model."""
    rows = sample(HALVES, SINGLE) + sample([1.9] * 5, SINGLE, config_id="test2", pools=False)
    made = population(rows)
    assert made["value"] == pytest.approx(1.0)
    assert (made["n"], made["n_left_out"], made["n_configurations"]) == (5, 5, 1)
    own = config([row for row in rows if row["config_id"] == "test2"])
    assert own["value"] == pytest.approx(1.9)  # a configuration's own figure stands apart


def test_where_every_configuration_reloads_the_pool_says_why_it_is_empty() -> None:
    """`no block counts` would be untrue: they count, each for its own configuration."""
    made = population(sample(HALVES, SINGLE, pools=False))
    assert (made["n"], made["n_left_out"], made["n_configurations"]) == (0, 5, 0)
    assert math.isnan(made["value"])
    assert made["null_reason"] == NO_POOL


def test_a_configuration_that_lost_all_blocks_does_not_break_the_pool() -> None:
    """The others' figures stand, and n_configurations tells."""
    made = population(sample(HALVES) + left_out([0.7, 0.7], config_id="test2"))
    assert (made["n"], made["n_left_out"], made["n_configurations"]) == (5, 2, 1)
    assert made["value"] == pytest.approx(1.0)
    assert made["null_reason"] == ""


@pytest.mark.parametrize("level", [config_statistics, scenario_statistics, population_statistics])
def test_one_simulated_row_makes_the_estimate_simulated(level: Any) -> None:
    """A mixture must not pass for a measurement, whichever row comes first."""
    mixed = sample(HALVES) + sample([1.5], origin="simulated", batch_id="batch0")
    made = only(level(pd.DataFrame(mixed)))
    assert made["origin"] == "simulated"
    assert made["batches"] == "batch0 batch1"
    assert only(level(pd.DataFrame(sample(HALVES))))["origin"] == "measured"


def test_an_estimate_wholly_above_the_agents_is_null_and_no_block_is_dropped() -> None:
    """Half of all blocks lie above N by chance where nothing is shared: only the whole can tell."""
    few = config(sample([2.1, 2.3], RATIO))
    assert few["value"] == pytest.approx(math.sqrt(2.1 * 2.3))  # 2.198: within a tenth of 2
    assert few["n"] == 2
    for values in ([2.3, 2.4], [2.10, 2.11, 2.12, 2.13, 2.14]):
        found = config(sample(values, RATIO))
        assert math.isnan(found["value"])
        assert math.isnan(found["ci_low"])
        assert found["null_reason"].startswith("impossible: ")
        assert found["n"] == len(values)
    held = config(sample([1.9, 1.98, 2.02, 2.05, 2.1], RATIO))
    assert held["ci_low"] < 2 < held["ci_high"]


def test_unequal_lengths_leave_the_true_speedup_its_range() -> None:
    """With early stops its t interval covers 91.5 % where it promises 95 (METHOD section 2)."""
    values = [1.1, 1.2, 1.3, 1.2, 1.25]
    found = config(sample(values, APART_SECONDS, equal_work=False))
    assert found["value"] == pytest.approx(math.prod(values) ** 0.2)
    assert math.isnan(found["ci_low"])
    assert "range from 1.1 to 1.3" in found["null_reason"]
    equal = config(sample(values, APART_SECONDS))
    assert equal["ci_low"] < equal["value"] < equal["ci_high"]
