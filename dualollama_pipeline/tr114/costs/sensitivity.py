"""`cost_sensitivity`: one input at a time, how far the saving moves and where the verdict turns."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd

from dualollama_pipeline.statistics.means import NAN
from dualollama_pipeline.tables.rows import Row
from dualollama_pipeline.tr114.costs import cost
from dualollama_pipeline.tr114.costs.cost_inputs import VARIANTS
from dualollama_pipeline.tr114.costs.cost_table import with_demand
from dualollama_pipeline.tr114.costs.demand import assumed_demand
from dualollama_pipeline.tr114.costs.quantities import PAIRS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dualollama_pipeline.tr114.costs.cost_inputs import CostInputs
    from dualollama_pipeline.tr114.costs.demand import Demand

N_STEPS = 41  # machines come whole: the saving is a staircase, so its ends do not tell
N_BISECTIONS = 50
UNITS = {
    "horizon_years": "years",
    "executions_per_month": "executions/month",
    "agents_per_pair": "agents",
    "pair_wall_s": "s",
    "hours_per_month": "h/month",
    "utilisation": "share",
    "gpu_usd_per_hour": "$/h",
    "usd_per_month": "$/month",
    "count": "machines",
    "memory_mb": "MB",
    "memory_mb_per_agent": "MB",
}


class Case(NamedTuple):
    """Whose lead is tested, and by which sums."""

    inputs: CostInputs
    variant: str
    against: str
    basis: cost.Basis

    def saving(self, path: str) -> Callable[[float], float]:
        """Return the saving as what one input makes of it, dollars."""
        turned = self.inputs.dial(path)
        return lambda value: cost.saving_usd(turned(value), self.variant, self.against, self.basis)


def cost_sensitivity(inputs: CostInputs, demands: Sequence[Demand]) -> pd.DataFrame:
    """Change every input over its range; columns of `cost_sensitivity`, longest bar first.

    Inputs of a deployment that is not compared are left out.
    """
    assumed = assumed_demand(inputs)
    studies: list[tuple[Demand, cost.Basis]] = [(assumed, "report")]
    studies += [(demand, "derived") for demand in (assumed, *demands)]
    rows: list[Row] = []
    for demand, basis in studies:
        here = with_demand(inputs, demand.wall_s)
        source = {
            "origin": demand.origin,
            "evidence": "assumed" if basis == "report" else demand.evidence,
        }
        for variant, against in PAIRS:
            case = Case(here, variant, against, basis)
            bars = [_bar(case, path, base) for path, base in _concerned(here, variant, against)]
            bars.sort(key=lambda bar: -bar["swing_usd"])
            rows += [source | bar | {"place": place} for place, bar in enumerate(bars, start=1)]
    return pd.DataFrame(rows)


def _concerned(inputs: CostInputs, *variants: str) -> list[tuple[str, float]]:
    others = [f"variants.{name}." for name in VARIANTS if name not in variants]
    return [each for each in inputs.numbers() if not each[0].startswith(tuple(others))]


def _bar(case: Case, path: str, base: float) -> Row:
    low, high, reason = _range(case.inputs, path, base)
    saving = case.saving(path)
    at_base, at_low, at_high = (saving(value) for value in (base, low, high))
    flips_at = _turn(saving, base, low, high)
    cheaper = {1: case.variant, 0: "equal", -1: case.against}
    return {
        "basis": case.basis,
        "variant": case.variant,
        "against": case.against,
        "input": path,
        "unit": _unit(path),
        "base": base,
        "low": low,
        "high": high,
        "range_reason": reason,
        "saving_base_usd": at_base,
        "saving_low_usd": at_low,
        "saving_high_usd": at_high,
        "swing_usd": abs(at_high - at_low),
        "flips": flips_at is not None,
        "flips_at": NAN if flips_at is None else flips_at,
        "cheaper_base": cheaper[cost.lead(at_base)],
        "cheaper_low": cheaper[cost.lead(at_low)],
        "cheaper_high": cheaper[cost.lead(at_high)],
    }


def _range(inputs: CostInputs, path: str, base: float) -> tuple[float, float, str]:
    named = inputs.sensitivity.ranges.get(path)
    if named is not None:
        return named.low, named.high, named.reason
    share = inputs.sensitivity.share
    return base * (1 - share), base * (1 + share), f"base ± {100 * share:g} %"


def _turn(saving: Callable[[float], float], base: float, low: float, high: float) -> float | None:
    """Return where the lead at `base` ends, if the other one leads further on; None: nowhere.

    Of two such values the nearer one; where both cost the same at `base`, that.
    """
    side = cost.lead(saving(base))
    if side == 0:
        return base if any(cost.lead(saving(end)) for end in (low, high)) else None
    found = []
    for end in (low, high):
        inner = base
        for outer in np.linspace(base, end, N_STEPS)[1:]:
            if cost.lead(saving(float(outer))) == -side != 0:
                found.append(_bisect(saving, inner, float(outer), side))
                break
            inner = float(outer)
    return min(found, key=lambda value: abs(value - base), default=None)


def _bisect(saving: Callable[[float], float], inner: float, outer: float, side: int) -> float:
    for _ in range(N_BISECTIONS):
        middle = (inner + outer) / 2
        if cost.lead(saving(middle)) == side:
            inner = middle
        else:
            outer = middle
    return outer


def _unit(path: str) -> str:
    if "_usd." in path:
        return "$/year" if ".yearly_usd." in path else "$"
    return UNITS[path.rsplit(".", maxsplit=1)[-1]]
