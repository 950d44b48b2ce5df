"""`cost_model`: the report's sums, those that demand asks for, and what contradicts them."""

from __future__ import annotations

import re
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dualollama_pipeline.statistics.means import NAN
from dualollama_pipeline.tables.rows import Row
from dualollama_pipeline.tr114.costs import cost
from dualollama_pipeline.tr114.costs.cost_inputs import VARIANTS
from dualollama_pipeline.tr114.costs.demand import assumed_demand
from dualollama_pipeline.tr114.costs.quantities import (
    NEVER,
    OF_A_PAIR,
    OF_A_VARIANT,
    PAIRS,
    QUANTITIES,
    Quantity,
    units_in,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dualollama_pipeline.tr114.costs.cost_inputs import CostInputs
    from dualollama_pipeline.tr114.costs.demand import Demand

N_STEPS = 9
STANDS = ("reproduced", "rounding")


def cost_model(
    reported: CostInputs, inputs: CostInputs, demands: Sequence[Demand], audit: pd.DataFrame
) -> pd.DataFrame:
    """Lay out section 8, columns of `cost_model`: the report's basis, then each demand's.

    `reported` are the report's own inputs, `inputs` those of data/cost.yaml; `audit` is
    `claim_audit`, whose verdicts stand beside the report's basis. The interval of a derived row:
    least and most over N_STEPS wall times of the demand's interval.
    """
    assumed = assumed_demand(reported)
    rows = _machines(reported, assumed, "report")
    rows += [row | _beside(row, audit) for row in _sums(reported, assumed, "report")]
    for demand in (assumed_demand(inputs), *demands):
        rows += _needs(inputs, demand)
        rows += _sums(inputs, demand, "derived")
    return pd.DataFrame(rows)


def with_demand(inputs: CostInputs, wall_s: float) -> CostInputs:
    """Return the inputs with another wall time of a pair, seconds."""
    return inputs.changed("workload.pair_wall_s", wall_s)


def _row(demand: Demand, basis: str, **values: Any) -> Row:
    return {
        "origin": demand.origin,
        "evidence": "assumed" if basis == "report" else demand.evidence,
        "basis": basis,
        "variant": "",
        "against": "",
        "quantity": "",
        "unit": "",
        "value": NAN,
        "ci_low": NAN,
        "ci_high": NAN,
        "null_reason": "",
        "formula": "",
        "section": "",
        "printed": NAN,
        "agrees": pd.NA,
        "remark": "",
        **values,
    }


def _sums(inputs: CostInputs, demand: Demand, basis: cost.Basis) -> list[Row]:
    of = [((variant, ""), quantity) for variant in VARIANTS for quantity in OF_A_VARIANT]
    of += [(pair, quantity) for pair in PAIRS for quantity in OF_A_PAIR]
    return [_sum(inputs, demand, basis, quantity, names) for names, quantity in of]


def _sum(
    inputs: CostInputs,
    demand: Demand,
    basis: cost.Basis,
    quantity: Quantity,
    names: tuple[str, str],
) -> Row:
    """Compute one quantity; its interval is that of the wall time, sent through the same sums."""

    def at(wall_s: float) -> float | None:
        return quantity.compute(with_demand(inputs, wall_s), *names, basis)

    value = at(demand.wall_s)
    row = _row(
        demand, basis, variant=names[0], against=names[1], quantity=quantity.name,
        unit=quantity.unit, section=quantity.section,
        formula=quantity.formula.format(v=names[0], a=names[1]),
    )  # fmt: skip
    if value is None:
        return row | {"null_reason": NEVER if "break_even" in quantity.name else "no base"}
    row["value"] = value
    if basis == "report" or isnan(demand.low_s):
        return row
    # machines come whole: the ends of the wall time need not be the ends of what follows from it
    between = [at(float(wall)) for wall in np.linspace(demand.low_s, demand.high_s, N_STEPS)]
    known = [value, *(each for each in between if each is not None)]
    return row if None in between else row | {"ci_low": min(known), "ci_high": max(known)}


def _needs(inputs: CostInputs, demand: Demand) -> list[Row]:
    """Say what demand asks for: GPU-hours, GPUs, machines; the same pairs whatever the language."""
    here = with_demand(inputs, demand.wall_s)
    of = f"wall time {demand.wall_s:.2f} s, {demand.source}, n {demand.n}"
    pairs = cost.pairs_per_month(here)
    rows = [
        _row(
            demand, "derived", variant="any", quantity="gpu_hours_per_month", unit="h",
            value=cost.gpu_hours_per_month(here), **_ends(inputs, demand, cost.gpu_hours_per_month),
            formula=f"{pairs:g} pairs x {demand.wall_s:.2f} s / 3600",
            remark=f"{of}; the report's costs contain no GPU",
        ),
        _row(
            demand, "derived", variant="any", quantity="n_gpus", unit="GPUs",
            value=float(cost.n_gpus(here)),
            **_ends(inputs, demand, lambda i: float(cost.n_gpus(i))),
            formula=f"GPU-hours / ({here.hosting.hours_per_month:g} h x "
            f"{here.hosting.utilisation:g}), rounded up",
            remark="the same for every variant: the language does not run the model",
        ),
    ]  # fmt: skip
    if not isnan(demand.sequential_s):
        hours = cost.gpu_hours_per_month(with_demand(inputs, demand.sequential_s))
        rows.append(
            _row(
                demand, "derived", variant="any", quantity="gpu_hours_per_month_sequential",
                unit="h", value=hours,
                formula=f"{pairs:g} pairs x {demand.sequential_s:.2f} s / 3600",
                remark="the same pairs, one agent after the other on one server",
            )
        )  # fmt: skip
    return rows + _machines(here, demand, "derived")


def _machines(inputs: CostInputs, demand: Demand, basis: cost.Basis) -> list[Row]:
    """Say how many machines there are, as the report assumes or as memory asks for."""
    rows = []
    for variant in VARIANTS:
        of = inputs.variant(variant)
        for machine in of.machines:
            n = cost.n_machines(inputs, variant, machine, basis)
            formula, remark = "as the report has it", ""
            if basis == "derived" and machine.runs_agents:
                formula = (
                    f"{cost.n_agents_at_once(inputs):g} agents at once x "
                    f"{of.memory_mb_per_agent:g} MB / {machine.memory_mb:g} MB, rounded up"
                )
                remark = f"the report assumes {machine.count:g}; memory asks for {n:g}"
            rows.append(
                _row(
                    demand, basis, variant=variant, quantity=f"n_{machine.item}", unit="machines",
                    value=float(n), section="8.1", formula=formula,
                    remark=remark if n != machine.count else "",
                )
            )  # fmt: skip
    return rows


def _ends(
    inputs: CostInputs, demand: Demand, compute: Callable[[CostInputs], float]
) -> dict[str, float]:
    if isnan(demand.low_s):
        return {}
    low, high = (compute(with_demand(inputs, wall)) for wall in (demand.low_s, demand.high_s))
    return {"ci_low": low, "ci_high": high}


def _beside(row: Row, audit: pd.DataFrame) -> Row:
    """Show what the report prints for one of its sums: the first printing that does not stand."""
    quantity = next(each for each in QUANTITIES if each.name == row["quantity"])
    if quantity.printed is None:
        return {}
    fits = [
        all(map(re.fullmatch, quantity.printed, figure))
        and quantity.names(figure[0]) == (row["variant"], row["against"])
        for figure in zip(audit["subject"], audit["metric"], audit["statistic"], strict=True)
    ]
    found = audit[fits]
    stands = found["verdict"].isin(STANDS)
    if found.empty:
        return {}
    shown = found.iloc[int(stands.to_numpy().argmin())]  # the first that does not stand, if any
    return {
        "printed": float(shown["value"]) * units_in(quantity.unit, str(shown["unit"])),
        "agrees": bool(stands.all()),
        "section": shown["section"],
        "remark": "" if stands.all() else f"line {shown['line']}: {shown['explanation']}",
    }
