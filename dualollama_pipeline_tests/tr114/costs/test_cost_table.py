"""`cost_model` and `cost_sensitivity`: what contradicts the report, and which inputs decide."""

from __future__ import annotations

import math
from dataclasses import replace

import pandas as pd
import pytest

from dualollama_pipeline.tables.conform import conform
from dualollama_pipeline.tr114.audit.audit import claim_audit
from dualollama_pipeline.tr114.audit.evidence import Sources
from dualollama_pipeline.tr114.audit.figures import Figures
from dualollama_pipeline.tr114.costs.cost_inputs import CostInputs, Range
from dualollama_pipeline.tr114.costs.cost_table import cost_model
from dualollama_pipeline.tr114.costs.demand import Demand, imported_demand
from dualollama_pipeline.tr114.costs.sensitivity import cost_sensitivity
from dualollama_pipeline_tests.statistics.campaign import one

NAN = math.nan
MEASURED = Demand("measured", "measured", 36.0, 18.0, 72.0, 10, 30.0, "dual trials")


@pytest.fixture(scope="module")
def model(reported: CostInputs, inputs: CostInputs, audit_without: pd.DataFrame) -> pd.DataFrame:
    return conform("cost_model", cost_model(reported, inputs, [MEASURED], audit_without))


@pytest.fixture(scope="module")
def study(inputs: CostInputs) -> pd.DataFrame:
    return conform("cost_sensitivity", cost_sensitivity(inputs, [MEASURED]))


def test_the_reports_wrong_sums_stand_beside_ours(model: pd.DataFrame) -> None:
    """64 % is 53.75; 19 k$ more than Rust is 8."""
    wrong = model[model["agrees"].eq(False).fillna(value=False)]
    found = {(row["variant"], row["against"], row["quantity"]) for _, row in wrong.iterrows()}
    assert found == {
        ("hybrid", "python", "infrastructure_saving_share_pct"),
        ("hybrid", "rust", "extra_development_usd"),
        ("rust", "python", "break_even_months"),
    }
    share = one(wrong, quantity="infrastructure_saving_share_pct")
    assert (share["value"], share["printed"]) == (53.75, 64.0)  # 100 x (400 - 185) / 400
    assert share["remark"].startswith("line 860: printed 64, ")
    late = one(wrong, quantity="break_even_months")
    assert (late["value"], late["printed"]) == (33.0, 36.0)  # "> 3 years" is 2.75


def test_prices_of_the_user_do_not_make_the_report_wrong(
    reported: CostInputs, inputs: CostInputs, audit_without: pd.DataFrame
) -> None:
    """What data/cost.yaml says is the user's; the report's basis stays the report's."""
    dearer = inputs.changed("variants.rust.machines.instances.usd_per_month", 500.0)
    mine = cost_model(reported, dearer, [], audit_without)
    rust = mine[mine["variant"].eq("rust") & mine["quantity"].eq("machines_usd_per_month")]
    report = one(rust, basis="report")
    assert (report["value"], report["agrees"]) == (200.0, True)
    assert one(rust, basis="derived")["value"] == 500.0  # one machine holds 32 agents x 75 MB


def test_the_reports_inputs_are_those_that_it_prints(
    reported: CostInputs, figure_table: pd.DataFrame
) -> None:
    """The sums of the audit would otherwise rest on numbers that nobody published."""
    printed = figure_table[figure_table["section"].eq("8.3")].set_index(["subject", "metric"])
    for name in ("python", "rust", "hybrid"):
        variant = reported.variant(name)
        items = {"Initial Development": "initial", "Testing & QA": "testing"}
        for metric, field in (items | {"Deployment Setup": "deployment"}).items():
            value = getattr(variant.development_usd, field)
            assert value == 1000 * float(printed.loc[f"{name} dev", "value"][metric])
        for metric, field in {"Monitoring": "monitoring", "Maintenance": "maintenance"}.items():
            value = getattr(variant.yearly_usd, field)
            assert value == float(printed.loc[f"{name} ops", "value"][metric])


def test_what_the_report_adds_up_right_is_reproduced(model: pd.DataFrame) -> None:
    """Thousands and rounding are no contradiction: 4 k$, 65 months for 65.5."""
    right = model[model["agrees"].eq(True).fillna(value=False)]
    names = {(row["variant"], row["against"], row["quantity"]) for _, row in right.iterrows()}
    assert ("rust", "python", "operation_saving_usd_per_year") in names
    assert ("hybrid", "python", "break_even_months") in names
    assert ("hybrid", "", "tco_usd") in names
    assert ("hybrid", "rust", "operation_saving_usd_per_year") in names  # -520 $
    assert set(right["origin"]) == {"published"}
    assert set(right["basis"]) == {"report"}
    # 3 x 5 of a variant; 6 of Rust and Python, 5 of hybrid and Python, 3 of hybrid and Rust
    assert len(right) == 15 + 6 + 5 + 3


def test_never_is_null_with_a_reason(model: pd.DataFrame) -> None:
    never = one(model, origin="published", basis="report", variant="hybrid", against="rust",
                quantity="break_even_months")  # fmt: skip
    assert math.isnan(never["value"])
    assert never["null_reason"].startswith("never")


def test_costs_carry_the_interval_of_the_wall_time(model: pd.DataFrame) -> None:
    """36 s: 500 000 x 36 / 3600 = 5000 h, 9.8 or 10 GPUs; 18 s: 5; 72 s: 20."""
    mine = model[model["origin"].eq("measured")]
    hours = one(mine, quantity="gpu_hours_per_month")
    assert (hours["value"], hours["ci_low"], hours["ci_high"]) == (5_000, 2_500, 10_000)
    gpus = one(mine, quantity="n_gpus")
    assert (gpus["value"], gpus["ci_low"], gpus["ci_high"]) == (10, 5, 20)
    sequential = one(mine, quantity="gpu_hours_per_month_sequential")
    assert sequential["value"] == pytest.approx(500_000 * 30 / 3600)
    yearly = one(mine, variant="rust", against="", quantity="operation_usd_per_year")
    # 12 x (50 + n x 730 x 0.4) + 2600
    ends = [12 * (50 + n * 292) + 2600 for n in (10, 5, 20)]
    assert [yearly["value"], yearly["ci_low"], yearly["ci_high"]] == pytest.approx(ends)


def test_assumptions_are_not_called_measured(model: pd.DataFrame) -> None:
    assert set(model.loc[model["basis"].eq("report"), "evidence"]) == {"assumed"}
    assert set(model.loc[model["origin"].eq("measured"), "evidence"]) == {"measured"}


def test_machines_stand_beside_those_that_the_report_assumes(model: pd.DataFrame) -> None:
    rows = model[model["quantity"].eq("n_instances") & model["variant"].eq("python")]
    assert one(rows, basis="report")["value"] == 8
    derived = one(rows, origin="measured")
    assert derived["value"] == 1  # 20 agents x 250 MB of 8192
    assert derived["remark"] == "the report assumes 8; memory asks for 1"


def test_a_run_with_a_failed_call_is_no_demand(
    imported: tuple[pd.DataFrame, pd.DataFrame],
    nothing_imported: tuple[pd.DataFrame, pd.DataFrame],
) -> None:
    """Its wall time is that of an answer that never ended."""
    found = imported_demand(imported[0])
    assert found is not None
    assert found.n == 134
    assert found.wall_s == pytest.approx(float(imported[0]["wall_s"].dropna().mean()))
    assert imported_demand(nothing_imported[0]) is None


def test_where_the_verdict_turns(study: pd.DataFrame) -> None:
    """Rust leads by 9 k$ over 5 years: 11 k$ more to build, 4 k$ a year less."""
    mine = study[study["basis"].eq("report") & study["variant"].eq("rust")]
    years = one(mine, input="horizon_years")
    assert years["flips_at"] == pytest.approx(11 / 4)
    assert (years["cheaper_low"], years["cheaper_base"], years["cheaper_high"]) == (
        "python", "rust", "rust",
    )  # fmt: skip
    assert (years["saving_low_usd"], years["saving_high_usd"]) == (-7_000, 29_000)
    assert years["place"] == 1
    # 9 k$ = 5 x 12 x 150 $: 3 machines of 50 $ fewer for Python
    assert one(mine, input="variants.python.machines.instances.count")["flips_at"] == pytest.approx(
        5
    )
    build = one(mine, input="variants.rust.development_usd.initial")
    assert build["flips_at"] == pytest.approx(34_000)
    assert set(mine.loc[mine["flips"], "input"]) == {
        "horizon_years",
        "variants.rust.development_usd.initial",
        "variants.python.machines.instances.count",
        "variants.python.machines.instances.usd_per_month",
    }


def test_the_price_of_a_gpu_decides_nothing_between_languages(study: pd.DataFrame) -> None:
    """The largest cost is the same for both: it has no bar."""
    mine = study[study["origin"].eq("measured") & study["variant"].eq("rust")]
    gpu = one(mine, input="hosting.gpu_usd_per_hour")
    assert (gpu["swing_usd"], gpu["flips"]) == (0.0, False)


def test_bars_are_in_order_and_of_the_two_that_are_compared(study: pd.DataFrame) -> None:
    for (_, _, variant, against), bars in study.groupby(["origin", "basis", "variant", "against"]):
        ordered = bars.sort_values("place")["swing_usd"]
        assert ordered.is_monotonic_decreasing
        others = {"python", "rust", "hybrid"} - {variant, against}
        assert not bars["input"].str.startswith(tuple(f"variants.{o}." for o in others)).any()


def test_a_staircase_turns_between_its_ends(inputs: CostInputs) -> None:
    """Machines come whole: both ends of a range may agree while its middle does not."""
    tied = inputs.changed("variants.rust.development_usd.initial", 34_000.0)
    rows = cost_sensitivity(tied, [])
    years = one(
        rows[rows["basis"].eq("report") & rows["variant"].eq("rust")], input="horizon_years"
    )
    assert (years["cheaper_base"], years["flips"], years["flips_at"]) == ("equal", True, 5.0)


def test_the_lead_ends_where_the_17th_gpu_is_needed(inputs: CostInputs) -> None:
    """34 agents x 250 MB need a second Python machine: 5 x 600 $ make up for the lead of 3000 $.

    A third machine is needed further on in the range, so the verdict turns.
    """
    rows = cost_sensitivity(inputs, [])
    mine = rows[rows["basis"].eq("derived") & rows["variant"].eq("rust")]
    volume = one(mine, input="workload.executions_per_month")
    assert volume["flips_at"] == pytest.approx(2 * 16 * 730 * 0.7 * 3600 / 58.86, rel=1e-6)
    assert (volume["cheaper_base"], volume["cheaper_high"]) == ("python", "rust")


def test_a_tie_alone_is_no_turn(inputs: CostInputs) -> None:
    """Twice the volume: 33 GPUs and a third machine are out of reach, equal is not cheaper.

    Sums of floats are off by 1e-11 there, which is no saving.
    """
    ranges = {"workload.executions_per_month": Range(low=1e5, high=1.9e6, reason="a test")}
    narrow = inputs.model_copy(
        update={"sensitivity": inputs.sensitivity.model_copy(update={"ranges": ranges})}
    )
    rows = cost_sensitivity(narrow, [])
    mine = rows[rows["basis"].eq("derived") & rows["variant"].eq("rust")]
    volume = one(mine, input="workload.executions_per_month")
    assert (volume["flips"], volume["cheaper_high"]) == (False, "equal")


def test_of_several_printings_the_wrong_one_is_shown(
    reported: CostInputs, inputs: CostInputs, without_runs: Sources, figure_table: pd.DataFrame
) -> None:
    """67 k$ stands in one place and 76 k$ in another: the first, right one must not hide it."""
    right = figure_table[
        figure_table["subject"].eq("python") & figure_table["metric"].eq("5-year TCO")
    ]
    both = pd.concat([figure_table, right.assign(value="76", line=999)], ignore_index=True)
    evidence = replace(without_runs, figures=Figures.from_table(both))
    made = cost_model(reported, inputs, [], claim_audit(evidence))
    found = one(made, basis="report", variant="python", quantity="tco_usd")
    assert (found["value"], found["printed"], found["agrees"]) == (67_000, 76_000, False)
    assert found["remark"].startswith("line 999: printed 76, ")
