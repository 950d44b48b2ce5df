"""The quantities of section 8: unit, formula, sum, and where the report prints each."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from dualollama_pipeline.tr114.costs import cost
from dualollama_pipeline.tr114.costs.cost_inputs import VARIANTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from dualollama_pipeline.tr114.costs.cost_inputs import CostInputs

MAIN_PAIR = ("rust", "python")  # what `cost` without a name compares
PAIRS = (MAIN_PAIR, ("hybrid", "python"), ("hybrid", "rust"))
NEVER = "never: it costs no less to operate"
PER_UNIT = {("$", "k$"): 1000, ("months", "years"): cost.MONTHS, ("$", "$/month"): 1}
V, PAIR = "(?P<v>python|rust|hybrid)", "(?P<v>rust|hybrid) vs (?P<a>python|rust)"


class Quantity(NamedTuple):
    """One quantity of a variant `v`, or of `v` against `a`.

    `printed` holds patterns of (subject, metric, statistic) of `published_figures`; the groups
    `v` and `a` of the subject say whose it is.
    """

    name: str
    unit: str
    formula: str
    compute: Callable[[CostInputs, str, str, cost.Basis], float | None]
    section: str = ""
    printed: tuple[str, str, str] | None = None

    def names(self, subject: str) -> tuple[str, str]:
        """Return the variant and what it is compared with ("" for a quantity of one variant)."""
        found = re.fullmatch(self.printed[0] if self.printed else "", subject)
        groups = found.groupdict() if found else {}
        if "a" not in groups:
            return groups.get("v") or "", ""
        variant = groups["v"] or groups.get("only") or MAIN_PAIR[0]
        against = groups["a"] or ("rust" if "evolution" in subject else MAIN_PAIR[1])
        return variant, against


def units_in(unit: str, printed: str) -> float:
    """Return how many of a quantity's unit make one of the printed unit: 1000 $ in 1 k$."""
    return 1.0 if unit == printed else PER_UNIT[unit, printed]


def _saving(inputs: CostInputs, variant: str, against: str, basis: cost.Basis) -> float:
    of = cost.machines_usd_per_month
    return of(inputs, against, basis) - of(inputs, variant, basis)


def _share_pct(new: float, old: float) -> float | None:
    return 100 * (old - new) / old if old else None


OF_A_VARIANT = (
    Quantity(
        "machines_usd_per_month", "$", "sum of machines x price",
        lambda i, v, _, b: cost.machines_usd_per_month(i, v, b),
        "8.1", (f"{V}(?: cost)?", "instances|total|cost", "cost|monthly"),
    ),
    Quantity(
        "infrastructure_usd_per_month", "$", "machines + GPUs x hours x price",
        lambda i, v, _, b: cost.infrastructure_usd_per_month(i, v, b),
    ),
    Quantity(
        "infrastructure_usd_per_year", "$", "12 x infrastructure of a month",
        lambda i, v, _, b: cost.MONTHS * cost.infrastructure_usd_per_month(i, v, b),
        "8.3", (f"{V} ops", "infrastructure", "annual"),
    ),
    Quantity(
        "usd_per_1000_executions", "$", "1000 x infrastructure of a month / executions of a month",
        lambda i, v, _, b: cost.usd_per_1000_executions(i, v, b),
    ),
    Quantity(
        "development_usd", "$", "initial + testing + deployment",
        lambda i, v, *_: cost.development_usd(i, v),
        "8.3", (f"{V} dev", "total", "sum"),
    ),
    Quantity(
        "operation_usd_per_year", "$", "infrastructure of a year + monitoring + maintenance",
        lambda i, v, _, b: cost.operation_usd_per_year(i, v, b),
        "8.3", (f"{V} ops", "total", "annual"),
    ),
    Quantity(
        "tco_usd", "$", "development + years x operation",
        lambda i, v, _, b: cost.tco_usd(i, v, b),
        "8.3", (V, "5-year TCO", "sum"),
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
        _saving, "8.1", (f"{PAIR}|cost", "savings", "monthly"),
    ),
    Quantity(
        "machines_saving_usd_per_year", "$", "12 x the monthly saving",
        lambda i, v, a, b: cost.MONTHS * _saving(i, v, a, b),
        "8.2", (f"{PAIR}|cost", "savings", "annual"),
    ),
    Quantity(
        "infrastructure_saving_share_pct", "%", "100 x (of {a} - of {v}) / of {a}",
        lambda i, v, a, b: _share_pct(
            cost.infrastructure_usd_per_month(i, v, b), cost.infrastructure_usd_per_month(i, a, b)
        ),
        "8.2", (f"{PAIR}|cost", "savings", "share"),
    ),
    Quantity(
        "extra_development_usd", "$", "development of {v} - development of {a}",
        lambda i, v, a, _: cost.development_usd(i, v) - cost.development_usd(i, a),
        "8.4", (f"{PAIR}|(?P<only>hybrid)(?: evolution)?", "dev cost", "delta"),
    ),
    Quantity(
        "operation_saving_usd_per_year", "$", "operation of {a} - operation of {v}",
        lambda i, v, a, b: (
            cost.operation_usd_per_year(i, a, b) - cost.operation_usd_per_year(i, v, b)
        ),
        "8.4", (PAIR, "ops", "annual saving"),
    ),
    Quantity("tco_saving_usd", "$", "TCO of {a} - TCO of {v}", cost.saving_usd, "8.3"),
    Quantity(
        "tco_difference_share_pct", "%", "100 x |TCO of {a} - TCO of {v}| / TCO of {a}",
        lambda i, v, a, b: abs(_share_pct(cost.tco_usd(i, v, b), cost.tco_usd(i, a, b)) or 0.0),
        "8.3", (PAIR, "TCO", "share"),
    ),
    Quantity(
        "break_even_months", "months", "12 x extra development / operation saved in a year",
        cost.break_even_months, "8.4", (PAIR, "break-even", "months|years"),
    ),
)  # fmt: skip
QUANTITIES = (*OF_A_VARIANT, *OF_A_PAIR)
