"""Service levels: each status, windows, and sources. The trap: a target met by what nobody saw."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from dualollama_pipeline.statistics.intervals import Interval
from dualollama_pipeline.tables.conform import conform
from dualollama_pipeline.tr114.costs.cost_inputs import CostInputs
from dualollama_pipeline.tr114.costs.cost_table import cost_model
from dualollama_pipeline.tr114.service_levels.observed import (
    Observed,
    ObservedValue,
    observe_imported,
    observe_report,
)
from dualollama_pipeline.tr114.service_levels.slo import longest_outside_s, slo_evaluation, within
from dualollama_pipeline.tr114.service_levels.slo_inputs import SloInputs, load_slo_inputs
from dualollama_pipeline_tests.statistics.campaign import one
from dualollama_pipeline_tests.tr114.conftest import DATA

Imported = tuple[pd.DataFrame, pd.DataFrame]
NAN = math.nan


@pytest.fixture(scope="module")
def asked() -> SloInputs:
    return load_slo_inputs(DATA / "slo.yaml")


def source(name: str, quantity: ObservedValue, **changes: Any) -> Observed:
    made: dict[str, Any] = {"origin": "measured", "evidence": "measured", **changes}
    return Observed(quantities={name: quantity}, **made)


def quantity(value: float, low: float = NAN, high: float = NAN, **changes: Any) -> ObservedValue:
    return ObservedValue(Interval(value, low, high, changes.pop("reason", "")), 9, **changes)


def evaluated(asked: SloInputs, *sources: Observed, **where: Any) -> dict[str, Any]:
    return one(conform("slo_evaluation", slo_evaluation(asked, sources)), **where)


@pytest.mark.parametrize(
    ("value", "low", "high", "status", "is_sure"),
    [
        (99.0, 98.5, 99.5, "met", True),
        (99.0, 97.5, 99.9, "met", False),
        (97.0, 96.0, 97.9, "missed", True),
        (97.0, 96.0, 98.1, "missed", False),
        (98.0, 98.0, 98.0, "missed", True),  # above 98 excludes it
    ],
)
def test_met_and_missed(
    asked: SloInputs, value: float, low: float, high: float, status: str, is_sure: bool
) -> None:
    here = source("balance_efficiency_pct", quantity(value, low, high))
    found = evaluated(asked, here, kind="target", name="parallel efficiency")
    assert (found["status"], found["is_sure"]) == (status, is_sure)
    assert (found["value"], found["n"]) == (value, 9)


def test_a_figure_names_the_nights_that_it_is_made_of(asked: SloInputs) -> None:
    """The true speedup is the current night's, all else that of the whole history."""
    for batches, told in (("night2", "night2"), ("", "night1 night2")):
        found = quantity(98.5, batches=batches)
        own = source("balance_efficiency_pct", found, batches="night1 night2")
        assert evaluated(asked, own, kind="target", name="parallel efficiency")["batches"] == told


def test_bounds_include_or_exclude_the_threshold() -> None:
    assert [within(5, bound, 5) for bound in ("above", "below", "at_least", "at_most")] == [
        False, False, True, True,
    ]  # fmt: skip
    assert not within(NAN, "above", 5)
    assert not within(NAN, "at_most", 5)


def test_infeasible_is_what_nothing_can_reach(asked: SloInputs) -> None:
    """p95 below 2 s, where one agent alone needs 6: whatever runs; even if p95 is null."""
    for value in (15.0, NAN):
        wall = quantity(value, lowest=6.4, why="one agent alone takes 6.4 s")
        found = evaluated(
            asked, source("pair_wall_p95_s", wall), kind="sla", name="latency p95 end to end"
        )
        assert (found["status"], found["reason"]) == ("infeasible", "one agent alone takes 6.4 s")
    slow = source("pair_wall_p95_s", quantity(3.0, lowest=1.0, why="1 s"))
    found = evaluated(asked, slow, kind="sla", name="latency p95 end to end")
    assert found["status"] == "missed"
    high = source("weighted_speedup", quantity(0.8, highest=1.9, why="1.9 at most"))
    assert evaluated(asked, high, kind="target", name="weighted speedup")["status"] == "infeasible"


def test_a_limit_on_the_other_side_forbids_nothing(asked: SloInputs) -> None:
    """A delta of at most 1000 ms is not out of reach because none can exceed 2000."""
    watched = source("largest_ttft_delta_ms", quantity(1200.0, highest=2000.0, why="2 s at most"))
    found = evaluated(asked, watched, kind="monitored metric", name="TTFT delta")
    assert found["status"] == "missed"


def test_what_is_null_or_unknown_is_not_measurable_here(asked: SloInputs) -> None:
    few = source("ttft_p95_s", quantity(NAN, reason="needs n = 40, there are 9"))
    found = evaluated(asked, few, kind="target", name="TTFT p95")
    assert (found["status"], found["reason"]) == (
        "not measurable here",
        "needs n = 40, there are 9",
    )
    memory = evaluated(asked, few, kind="target", name="memory of a Rust agent")
    assert (memory["status"], memory["evidence"]) == ("not measurable here", "none")
    assert memory["reason"] == "the memory of agents' processes is not recorded"


def test_a_window_counts_only_what_lasts() -> None:
    """60 s below, 60 above, 120 below: 120 without a break; a failed trial is a break in both."""
    low, high = (60.0, 90.0), (60.0, 99.0)
    assert longest_outside_s([low, high, low, low], "at_least", 95) == (120.0, 240.0)
    assert longest_outside_s([low, (NAN, NAN), low], "at_least", 95) == (60.0, 60.0)
    assert longest_outside_s([high] * 3, "at_least", 95) == (0.0, 180.0)
    assert longest_outside_s([], "at_least", 95) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("stretches", "status"),
    [
        ([[(60.0, 90.0)] * 61], "missed"),  # 3660 s below 95 %
        ([[(60.0, 90.0)] * 60, [(60.0, 90.0)] * 60], "not measurable here"),  # two nights of 3600 s
        ([[(60.0, 99.0)] * 61], "met"),
        ([[(60.0, 90.0)] * 30 + [(60.0, 99.0)] * 31], "met"),
        ([[(60.0, 99.0)] * 30], "not measurable here"),
    ],
)
def test_a_trigger_needs_more_than_its_hour(
    asked: SloInputs, stretches: list[list[tuple[float, float]]], status: str
) -> None:
    """A mean of 90 % over half an hour fires nothing, and shows nothing either."""
    seen = tuple(map(tuple, stretches))
    here = source("balance_efficiency_pct", quantity(90.0, 89.0, 91.0), stretches=seen)
    found = evaluated(asked, here, kind="rollback trigger", name="efficiency")
    assert found["status"] == status
    assert found["window_s"] == 3600


def test_imported_runs_and_the_reports_costs(
    asked: SloInputs, reported: CostInputs, audit_without: pd.DataFrame, imported: Imported
) -> None:
    """1 failed call of 540; Rust costs half of Python, which is not below half."""
    costs = conform("cost_model", cost_model(reported, reported, [], audit_without))
    there, report = observe_imported(*imported, costs), observe_report(costs)
    table = conform("slo_evaluation", slo_evaluation(asked, [there, report]))
    errors = one(table, kind="target", name="error rate")
    assert (errors["value"], errors["n"]) == (pytest.approx(100 / 540), 540)
    assert errors["status"] == "missed"  # 0.185 % against 0.1 %
    share = one(table, kind="target", name="cost per 1000 executions against Python")
    assert (share["origin"], share["evidence"]) == ("published", "assumed")
    assert (share["value"], share["status"]) == (50.0, "missed")
    assert one(table, kind="sla", name="latency p95 end to end")["status"] == "infeasible"
    assert one(table, kind="target", name="weighted speedup")["status"] == "not measurable here"


def test_the_way_back_is_laid_out_in_order(asked: SloInputs) -> None:
    here = source("error_pct", quantity(0.0, 0.0, 0.5))
    table = slo_evaluation(asked, [here])
    steps = table[table["kind"].eq("rollback step")]
    assert list(steps["place"]) == [1, 2, 3, 4, 5, 6]
    assert steps["statement"].iloc[0] == "stop Rust deployments"
    assert steps["statement"].iloc[-1] == "all 5 steps within 30 minutes"
    assert set(steps["status"]) == {"not measurable here"}
    assert one(table, kind="standby")["statement"].endswith("3 months after the migration")


def test_every_item_of_the_file_is_evaluated(asked: SloInputs) -> None:
    """An item that falls out of the table would look as if it were met."""
    table = slo_evaluation(asked, [source("error_pct", quantity(0.0, 0.0, 0.5))])
    assert table.groupby("kind").size().to_dict() == {
        "target": 12, "sla": 4, "rollback trigger": 4, "monitored metric": 14, "phase gate": 5,
        "rollback step": 6, "standby": 1,
    }  # fmt: skip
