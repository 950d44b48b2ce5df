"""`cost_model`: the report's sums, those that demand asks for, and what contradicts them."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from dualollama_pipeline.statistics.means import NAN
from dualollama_pipeline.tables.rows import Row
from dualollama_pipeline.tr114.costs import cost
from dualollama_pipeline.tr114.costs.cost_inputs import VARIANTS
from dualollama_pipeline.tr114.costs.demand import assumed_demand

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dualollama_pipeline.tr114.costs.cost_inputs import CostInputs
    from dualollama_pipeline.tr114.costs.demand import Demand

PAIRS = (("rust", "python"), ("hybrid", "python"), ("hybrid", "rust"))
NEVER = "never: it costs no less to operate"
N_STEPS = 9
THOUSANDS = {"k$": 1000.0}
ROUNDING_UNITS = 1.05  # of the last printed digit (METHOD section 5)


class Quantity(NamedTuple):
    """One quantity: its unit, its formula, and where the report prints it.

    `printed` is (subject, metric, statistic) of `published_figures`; `{v}` is the variant, `{a}`
    what it is compared with.
    """

    name: str
    unit: str
    formula: str
    compute: Callable[[CostInputs, str, str, cost.Basis], float | None]
    section: str = ""
    printed: tuple[str, str, str] | None = None


def _machines_saving(inputs: CostInputs, variant: str, against: str, basis: cost.Basis) -> float:
    return cost.machines_usd_per_month(inputs, against, basis) - cost.machines_usd_per_month(
        inputs, variant, basis
    )


def _share_pct(new: float, old: float) -> float | None:
    return 100 * (old - new) / old if old else None


OF_A_VARIANT = (
    Quantity(
        "machines_usd_per_month", "$", "sum of machines x price",
        lambda i, v, _, b: cost.machines_usd_per_month(i, v, b),
        "8.1", ("{v} cost", "instances|total", "cost|monthly"),
    ),
    Quantity(
        "infrastructure_usd_per_month", "$", "machines + GPUs x hours x price",
        lambda i, v, _, b: cost.infrastructure_usd_per_month(i, v, b),
    ),
    Quantity(
        "infrastructure_usd_per_year", "$", "12 x infrastructure of a month",
        lambda i, v, _, b: cost.MONTHS * cost.infrastructure_usd_per_month(i, v, b),
        "8.3", ("{v} ops", "infrastructure", "annual"),
    ),
    Quantity(
        "usd_per_1000_executions", "$", "1000 x infrastructure of a month / executions of a month",
        lambda i, v, _, b: cost.usd_per_1000_executions(i, v, b),
    ),
    Quantity(
        "development_usd", "$", "initial + testing + deployment",
        lambda i, v, *_: cost.development_usd(i, v),
        "8.3", ("{v} dev", "total", "sum"),
    ),
    Quantity(
        "operation_usd_per_year", "$", "infrastructure of a year + monitoring + maintenance",
        lambda i, v, _, b: cost.operation_usd_per_year(i, v, b),
        "8.3", ("{v} ops", "total", "annual"),
    ),
    Quantity(
        "tco_usd", "$", "development + years x operation",
        lambda i, v, _, b: cost.tco_usd(i, v, b),
        "8.3", ("{v}", "5-year TCO", "sum"),
    ),
    Quantity(
        "tco_place", "", "1 is the cheapest over the horizon",
        lambda i, v, _, b: 1.0 + sum(
            cost.tco_usd(i, other, b) < cost.tco_usd(i, v, b) for other in VARIANTS
        ),
        "8.3",
    ),
)  # fmt: skip
OF_A_PAIR = (
    Quantity(
        "machines_saving_usd_per_month", "$", "machines of {a} - machines of {v}",
        _machines_saving,
        "8.1", ("cost", "savings", "monthly"),
    ),
    Quantity(
        "machines_saving_usd_per_year", "$", "12 x the monthly saving",
        lambda i, v, a, b: cost.MONTHS * _machines_saving(i, v, a, b),
        "8.2", ("{v} vs {a}|cost", "savings", "annual"),
    ),
    Quantity(
        "infrastructure_saving_share_pct", "%", "100 x (of {a} - of {v}) / of {a}",
        lambda i, v, a, b: _share_pct(
            cost.infrastructure_usd_per_month(i, v, b), cost.infrastructure_usd_per_month(i, a, b)
        ),
        "8.2", ("{v} vs {a}|cost", "savings", "share"),
    ),
    Quantity(
        "extra_development_usd", "$", "development of {v} - development of {a}",
        lambda i, v, a, _: cost.development_usd(i, v) - cost.development_usd(i, a),
        "8.4", ("{v} vs {a}", "dev cost", "delta"),
    ),
    Quantity(
        "operation_saving_usd_per_year", "$", "operation of {a} - operation of {v}",
        lambda i, v, a, b: (
            cost.operation_usd_per_year(i, a, b) - cost.operation_usd_per_year(i, v, b)
        ),
        "8.4", ("{v} vs {a}", "ops", "annual saving"),
    ),
    Quantity(
        "tco_saving_usd", "$", "TCO of {a} - TCO of {v}",
        cost.saving_usd, "8.3",
    ),
    Quantity(
        "tco_difference_share_pct", "%", "100 x |TCO of {a} - TCO of {v}| / TCO of {a}",
        lambda i, v, a, b: abs(_share_pct(cost.tco_usd(i, v, b), cost.tco_usd(i, a, b)) or 0.0),
        "8.3", ("{v} vs {a}", "TCO", "share"),
    ),
    Quantity(
        "break_even_months", "months", "12 x extra development / operation saved in a year",
        cost.break_even_months, "8.4", ("{v} vs {a}", "break-even", "months"),
    ),
)  # fmt: skip


def cost_model(
    inputs: CostInputs, demands: Sequence[Demand], figures: pd.DataFrame
) -> pd.DataFrame:
    """Lay out section 8, columns of `cost_model`: the report's basis, then each demand's.

    `figures` is `published_figures`; what the report prints stands beside its own basis only.
    The interval of a derived row: least and most over N_STEPS wall times of the demand's interval.
    """
    assumed = assumed_demand(inputs)
    rows = [*_machines(inputs, assumed, "report"), *_sums(inputs, assumed, "report", figures)]
    rows += _claims(inputs, figures)
    nothing = figures.iloc[:0]
    for demand in (assumed, *demands):
        rows += _needs(inputs, demand)
        rows += _sums(inputs, demand, "derived", nothing)
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


def _sums(
    inputs: CostInputs, demand: Demand, basis: cost.Basis, figures: pd.DataFrame
) -> list[Row]:
    rows = [
        _sum(inputs, demand, basis, quantity, (variant, "")) | {"variant": variant}
        for variant in VARIANTS
        for quantity in OF_A_VARIANT
    ]
    rows += [
        _sum(inputs, demand, basis, quantity, pair) | {"variant": pair[0], "against": pair[1]}
        for pair in PAIRS
        for quantity in OF_A_PAIR
    ]
    quantities = {quantity.name: quantity for quantity in (*OF_A_VARIANT, *OF_A_PAIR)}
    return [row | _beside(row, quantities[row["quantity"]], figures) for row in rows]


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
    row = _row(demand, basis, quantity=quantity.name, unit=quantity.unit)
    row |= {
        "formula": quantity.formula.format(v=names[0], a=names[1]),
        "section": quantity.section,
    }
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


def _beside(row: Row, quantity: Quantity, figures: pd.DataFrame) -> Row:
    """Hold a sum against every printing of it; the first that disagrees is shown."""
    if quantity.printed is None or figures.empty:
        return {}
    subject, metric, statistic = quantity.printed
    is_main_pair = (row["variant"], row["against"]) == ("rust", "python")
    subjects = [
        name.format(v=row["variant"], a=row["against"])
        for name in subject.split("|")
        if name != "cost" or is_main_pair  # `cost` without a name is Rust against Python
    ]
    found = figures[
        figures["subject"].isin(subjects)
        & figures["metric"].isin(metric.split("|"))
        & figures["statistic"].isin(statistic.split("|"))
    ]
    made: Row = {}
    for figure in found.to_dict("records"):
        factor = THOUSANDS.get(str(figure["unit"]), 1.0)
        printed = float(figure["value"]) * factor
        _, _, decimals = str(figure["value"]).partition(".")
        unit = factor * 10.0 ** -len(decimals)
        agrees = abs(row["value"] - printed) <= ROUNDING_UNITS * unit
        if not made or (made["agrees"] and not agrees):
            made = {"printed": printed, "agrees": agrees, "section": str(figure["section"])}
            if not agrees:
                made["remark"] = (
                    f"line {figure['line']} prints {figure['value']} {figure['unit']}; "
                    f"its own inputs give {row['value']:g} {row['unit']}"
                )
    return made


def _claims(inputs: CostInputs, figures: pd.DataFrame) -> list[Row]:
    """Say where the text contradicts its sums in words."""
    assumed, made = assumed_demand(inputs), []
    ranked = sorted(VARIANTS, key=lambda name: cost.tco_usd(inputs, name, "report"))
    if (figures["metric"].eq("TCO rank") & figures["subject"].eq("python")).any():
        made.append(
            _row(
                assumed, "report", variant="python", quantity="claim: highest cost",
                value=1.0 + ranked.index("python"), formula="place of its TCO, 1 is the cheapest",
                section="8.3", agrees=ranked[-1] == "python",
                remark=f"said of python; the dearest by its own sums is {ranked[-1]}",
            )
        )  # fmt: skip
    printed = figures[figures["subject"].eq("rust") & figures["metric"].eq("throughput")]
    rates = dict(zip(printed["statistic"], printed["value"], strict=True))
    if {"baseline", "mean"} <= rates.keys():
        alone, together = float(rates["baseline"]), float(rates["mean"])
        faster = 100 * (alone / together - 1)
        made.append(
            _row(
                assumed, "report", variant="hybrid", against="rust",
                quantity="claim: 15 % faster per agent", value=faster, unit="%", printed=15.0,
                formula=f"100 x ({alone:g} / {together:g} - 1)", section="8.2", agrees=False,
                remark=f"{alone:g} tok/s is one agent alone, {together:g} one of two at once: the "
                "hybrid's workers share the GPU as any two agents do",
            )
        )  # fmt: skip
    months = cost.break_even_months(inputs, "rust", "python", "report")
    made.append(
        _row(
            assumed, "report", variant="python", against="rust",
            quantity="claim: python below 3 years", value=NAN if months is None else months,
            unit="months", formula="break-even of rust against python",
            null_reason=NEVER if months is None else "", section="8.4",
            agrees=months is None or months >= 3 * cost.MONTHS,
            remark="section 8.4 gives Python every horizon below 3 years; by its own sums Rust is "
            "the cheaper one from its break-even on",
        )
    )  # fmt: skip
    return made
