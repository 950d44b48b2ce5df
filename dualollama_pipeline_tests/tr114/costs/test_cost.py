"""The sums of section 8, by hand; and what the report leaves out: demand, memory, GPUs.

The trap: a cost that looks derived and is assumed, or a break-even that never comes.
"""

from __future__ import annotations

import pytest

from dualollama_pipeline.tr114.costs import cost
from dualollama_pipeline.tr114.costs.cost_inputs import CostInputs


@pytest.mark.parametrize(
    ("variant", "monthly", "development", "yearly", "tco", "per_1000"),
    [
        # 8 x 50; 15 + 5 + 2; 12 x 400 + 1200 + 3000; 22 + 5 x 9.0; 1000 x 400 / 1e6
        ("python", 400, 22_000, 9_000, 67_000, 0.400),
        # 4 x 50; 25 + 7 + 1; 12 x 200 + 600 + 2000; 33 + 5 x 5.0
        ("rust", 200, 33_000, 5_000, 58_000, 0.200),
        # 25 + 4 x 40; 30 + 8 + 3; 12 x 185 + 800 + 2500; 41 + 5 x 5.52
        ("hybrid", 185, 41_000, 5_520, 68_600, 0.185),
    ],
)
def test_the_reports_own_sums(  # noqa: PLR0913, PLR0917 a table of the report
    inputs: CostInputs,
    variant: str,
    monthly: float,
    development: float,
    yearly: float,
    tco: float,
    per_1000: float,
) -> None:
    assert cost.infrastructure_usd_per_month(inputs, variant, "report") == monthly
    assert cost.development_usd(inputs, variant) == development
    assert cost.operation_usd_per_year(inputs, variant, "report") == yearly
    assert cost.tco_usd(inputs, variant, "report") == tco
    assert cost.usd_per_1000_executions(inputs, variant, "report") == pytest.approx(per_1000)


def test_break_even(inputs: CostInputs) -> None:
    """12 x 11 / 4 = 33; 12 x 19 / 3.48 = 65.5; hybrid costs 520 $ a year more than Rust: never."""
    assert cost.break_even_months(inputs, "rust", "python", "report") == pytest.approx(33.0)
    assert cost.break_even_months(inputs, "hybrid", "python", "report") == pytest.approx(
        65.517, 1e-4
    )
    assert cost.break_even_months(inputs, "hybrid", "rust", "report") is None


def test_what_is_cheaper_to_build_and_to_run_breaks_even_at_once(inputs: CostInputs) -> None:
    """A negative number of months would read as an error."""
    cheap = inputs.changed("variants.rust.development_usd.initial", 1_000.0)
    assert cost.break_even_months(cheap, "rust", "python", "report") == 0.0


def test_demand_in_gpu_hours(inputs: CostInputs) -> None:
    """500 000 pairs x 58.86 s / 3600 = 8175 h; / (730 h x 0.7) = 15.998: 16 GPUs."""
    assert cost.pairs_per_month(inputs) == 500_000
    assert cost.gpu_hours_per_month(inputs) == pytest.approx(8_175.0)
    assert cost.pairs_at_once(inputs) == pytest.approx(15.998, abs=1e-3)
    assert cost.n_gpus(inputs) == 16


def test_machines_follow_from_memory(inputs: CostInputs) -> None:
    """32 agents at once x 250 MB = 8000 of 8192 MB: one machine, where the report assumes 8."""
    (python,) = inputs.variants.python.machines
    assert cost.n_machines(inputs, "python", python, "report") == 8
    assert cost.n_machines(inputs, "python", python, "derived") == 1
    more = inputs.changed("workload.executions_per_month", 2e6)  # 32 GPUs, 64 agents, 16 000 MB
    assert cost.n_machines(more, "python", python, "derived") == 2
    orchestrator, workers = inputs.variants.hybrid.machines
    assert cost.n_machines(more, "hybrid", orchestrator, "derived") == 1
    assert cost.n_machines(more, "hybrid", workers, "derived") == 2  # 64 x 75 = 4800 of 4096 MB


def test_derived_costs_hold_the_gpus_that_the_report_forgets(inputs: CostInputs) -> None:
    """1 x 50 + 16 x 730 h x 0.40 = 4722 $ a month for Python and for Rust alike."""
    for variant in ("python", "rust"):
        monthly = cost.infrastructure_usd_per_month(inputs, variant, "derived")
        assert monthly == pytest.approx(50 + 16 * 730 * 0.40)
    # 11 000 $ more to build, 4200 - 2600 = 1600 $ a year less to keep
    assert cost.break_even_months(inputs, "rust", "python", "derived") == pytest.approx(82.5)
    assert cost.saving_usd(inputs, "rust", "python", "derived") == pytest.approx(-3_000)
    leads = [
        cost.lead(cost.saving_usd(inputs, "rust", "python", basis))
        for basis in ("report", "derived")
    ]
    assert leads == [1, -1]


def test_a_tie_is_called_one(inputs: CostInputs) -> None:
    """Rounding of cents must not make a winner: 33 - 9 = 24 k$ dearer to build is the tie."""
    tied = inputs.changed("variants.rust.development_usd.initial", 34_000.0)
    assert cost.lead(cost.saving_usd(tied, "rust", "python", "report")) == 0
