"""Rules for sections 8.1 to 8.4: the cost model's sums on the inputs that the report states."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.tr114.audit.rule import Lacking, Rule, arithmetic
from dualollama_pipeline.tr114.audit.verdict import Recomputed
from dualollama_pipeline.tr114.costs.quantities import NEVER, QUANTITIES, Quantity, units_in

if TYPE_CHECKING:
    from dualollama_pipeline.tr114.audit.evidence import Sources
    from dualollama_pipeline.tr114.audit.figures import Figure
    from dualollama_pipeline.tr114.audit.rule import Check


def _sum(quantity: Quantity) -> Check:
    def check(figure: Figure, evidence: Sources) -> Recomputed:
        variant, against = quantity.names(figure.subject)
        value = quantity.compute(evidence.costs, variant, against, "report")
        if value is None:
            raise Lacking(NEVER)
        how = quantity.formula.format(v=variant, a=against)
        return arithmetic(how, value / units_in(quantity.unit, figure.unit))

    return check


def _item(figure: Figure, evidence: Sources) -> Recomputed:
    variant = evidence.costs.variant(figure.subject.removesuffix(" cost"))
    (machine,) = (each for each in variant.machines if each.item == figure.metric)
    return arithmetic(
        f"{machine.count:g} x {machine.usd_per_month:g} $", machine.count * machine.usd_per_month
    )


def _recommendation(_: Figure, __: Sources) -> Recomputed:
    how = "section 10.1 says to start with Rust; sections 10.2 and 10.4 say to start with Python"
    return Recomputed("internal arithmetic", how, holds=False)


RULES = (
    Rule(
        "cost scenario",
        "pairs",
        "per month",
        printed="[cost scenario, executions, per month] / 2 / 1000",
    ),
    Rule("hybrid cost", "orchestrator|workers", "monthly", printed=_item),
    *(
        Rule(*quantity.printed, printed=_sum(quantity))
        for quantity in QUANTITIES
        if quantity.printed
    ),
    Rule(
        "python",
        "TCO rank",
        "claim",
        words="the dearest over five years",
        printed="[python, 5-year TCO, sum] >= max([python|rust|hybrid, 5-year TCO, sum])",
    ),
    Rule(
        "rust vs python",
        "horizon",
        "claim",
        words="broken even by then",
        printed="[rust vs python, break-even, years] <= [rust vs python, horizon, claim]",
    ),
    Rule("recommendation", "start", "claim", printed=_recommendation),
)
