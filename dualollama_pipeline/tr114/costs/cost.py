"""The sums of section 8, and those that it leaves out: machines and GPUs that demand asks for.

Pure arithmetic: dollars, months and hours in, dollars, months and hours out. Where the numbers come
from is cost_inputs.py's, how they are laid out cost_table.py's.
"""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from dualollama_pipeline.tr114.costs.cost_inputs import CostInputs, Machine

Basis = Literal["report", "derived"]
MONTHS = 12
SECONDS_PER_HOUR = 3600
PER_1000 = 1000
HALF_A_CENT = 0.005


def pairs_per_month(inputs: CostInputs) -> float:
    """Return executions / agents of a pair (section 8.1)."""
    return inputs.workload.executions_per_month / inputs.workload.agents_per_pair


def gpu_hours_per_month(inputs: CostInputs) -> float:
    """Return pairs x wall time / 3600: a pair has one GPU to itself while it runs (section 2.1)."""
    return pairs_per_month(inputs) * inputs.workload.pair_wall_s / SECONDS_PER_HOUR


def pairs_at_once(inputs: CostInputs) -> float:
    """Return how many pairs run at the same time in hours that carry load (Little's law).

    Formula: GPU-hours / (hours of a month x utilisation).
    """
    hosting = inputs.hosting
    return gpu_hours_per_month(inputs) / (hosting.hours_per_month * hosting.utilisation)


def n_gpus(inputs: CostInputs) -> int:
    """Return how many GPUs carry the pairs that run at once, whatever language asks them."""
    return ceil(round(pairs_at_once(inputs), 9))


def n_agents_at_once(inputs: CostInputs) -> float:
    """Return the agents of as many pairs as there are GPUs."""
    return n_gpus(inputs) * inputs.workload.agents_per_pair


def n_machines(inputs: CostInputs, variant: str, machine: Machine, basis: Basis) -> float:
    """Return how many machines: as the report assumes, or as the agents' memory asks for.

    Formula: ceil(agents at once x MB of an agent / MB of a machine); a machine that runs no agents
    is there as often as the report has it.
    """
    if basis == "report" or not machine.runs_agents:
        return machine.count
    needed_mb = n_agents_at_once(inputs) * inputs.variant(variant).memory_mb_per_agent
    return ceil(round(needed_mb / machine.memory_mb, 9))


def machines_usd_per_month(inputs: CostInputs, variant: str, basis: Basis) -> float:
    """Return the sum of count x price (sections 8.1 and 8.2)."""
    return sum(
        n_machines(inputs, variant, machine, basis) * machine.usd_per_month
        for machine in inputs.variant(variant).machines
    )


def gpus_usd_per_month(inputs: CostInputs, basis: Basis) -> float:
    """Return GPUs x hours x price; the report counts none."""
    if basis == "report":
        return 0.0
    hosting = inputs.hosting
    return n_gpus(inputs) * hosting.hours_per_month * hosting.gpu_usd_per_hour


def infrastructure_usd_per_month(inputs: CostInputs, variant: str, basis: Basis) -> float:
    """Return machines and GPUs."""
    return machines_usd_per_month(inputs, variant, basis) + gpus_usd_per_month(inputs, basis)


def development_usd(inputs: CostInputs, variant: str) -> float:
    """Return the sum of the items (section 8.3)."""
    return float(sum(vars(inputs.variant(variant).development_usd).values()))


def operation_usd_per_year(inputs: CostInputs, variant: str, basis: Basis) -> float:
    """Return 12 x infrastructure + monitoring + maintenance (section 8.3)."""
    kept = sum(vars(inputs.variant(variant).yearly_usd).values())
    return MONTHS * infrastructure_usd_per_month(inputs, variant, basis) + float(kept)


def tco_usd(inputs: CostInputs, variant: str, basis: Basis) -> float:
    """Return development + years x operation (section 8.3)."""
    yearly = operation_usd_per_year(inputs, variant, basis)
    return development_usd(inputs, variant) + inputs.horizon_years * yearly


def saving_usd(inputs: CostInputs, variant: str, against: str, basis: Basis) -> float:
    """Return what `variant` costs less than `against` over the horizon."""
    return tco_usd(inputs, against, basis) - tco_usd(inputs, variant, basis)


def usd_per_1000_executions(inputs: CostInputs, variant: str, basis: Basis) -> float:
    """Return infrastructure of a month / executions of a month x 1000."""
    monthly = infrastructure_usd_per_month(inputs, variant, basis)
    return PER_1000 * monthly / inputs.workload.executions_per_month


def break_even_months(inputs: CostInputs, variant: str, against: str, basis: Basis) -> float | None:
    """Return 12 x extra development / yearly saving (section 8.4); None: never.

    0 where `variant` costs no more to build and less to run.
    """
    extra = development_usd(inputs, variant) - development_usd(inputs, against)
    yearly = operation_usd_per_year(inputs, against, basis) - operation_usd_per_year(
        inputs, variant, basis
    )
    if yearly <= 0:
        return None
    return max(MONTHS * extra / yearly, 0.0)


def lead(saving: float) -> int:
    """Return 1 for a saving, -1 for a loss, 0 for less than half a cent either way."""
    return 0 if abs(saving) < HALF_A_CENT else 1 if saving > 0 else -1
