"""Rules for sections 8.1 to 8.4: every amount is a sum, a difference or a ratio of printed ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.tr114.audit.rule import Rule, arithmetic, other_figure
from dualollama_pipeline.tr114.audit.verdict import Candidate, Finding

if TYPE_CHECKING:
    from dualollama_pipeline.tr114.audit.evidence import Evidence
    from dualollama_pipeline.tr114.audit.figures import Figure

MONTHS, YEARS = 12, 5
VARIANTS = ("python", "rust", "hybrid")


def monthly_usd(evidence: Evidence, variant: str, item: str | None = None) -> float:
    """Return count x price over the items of section 8.1 or 8.2."""
    return sum(
        float(row["count"]) * float(row["unit_price_usd"])
        for row in evidence.costs
        if row["variant"] == variant and row["kind"] == "monthly" and item in {None, row["item"]}
    )


def development_kusd(evidence: Evidence, variant: str) -> float:
    """Return the sum of the development items printed (section 8.3)."""
    return sum(f.number for f in evidence.figures.select(f"{variant} dev", statistic="cost"))


def operation_kusd(evidence: Evidence, variant: str) -> float:
    """Return the sum of the yearly items printed (section 8.3), thousands."""
    items = evidence.figures.select(f"{variant} ops", statistic="annual")
    return sum(f.number for f in items if f.metric != "total") / 1000


def _pair(figure: Figure) -> tuple[str, str]:
    """Return (dearer or newer, compared with) of `hybrid vs python`; `cost` is rust vs python."""
    left, _, right = figure.subject.partition(" vs ")
    return (left, right) if right else ("rust", "python")


def _monthly(figure: Figure, evidence: Evidence) -> Finding:
    variant = figure.subject.removesuffix(" cost")
    items = {"orchestrator": "orchestrator", "workers": "workers"}
    value = monthly_usd(evidence, variant, items.get(figure.metric))
    if figure.metric == "orchestrator":
        value = evidence.figures.number(
            "hybrid cost", "total", "monthly"
        ) - evidence.figures.number("hybrid cost", "workers", "monthly")
        return arithmetic("total less the workers", value)
    return arithmetic("count x price of what is listed", value)


def _saving(figure: Figure, evidence: Evidence) -> Finding:
    new, old = _pair(figure)
    before, after = monthly_usd(evidence, old), monthly_usd(evidence, new)
    saving = before - after
    how = f"{before:g} against {after:g} $ a month"
    value = {
        "monthly": saving,
        "annual": MONTHS * saving,
        "share": 100 * saving / before,
    }[figure.statistic]
    return arithmetic(how, value)


def _development_item(figure: Figure, evidence: Evidence) -> Finding:
    """An input; what its column's total leaves for it."""
    items = evidence.figures.select(figure.subject, statistic="cost")
    total = evidence.figures.number(figure.subject, "total", "sum")
    rest = sum(f.number for f in items if f.metric != figure.metric)
    return arithmetic(f"an assumption; the total {total:g} less the other items", total - rest)


def _development_total(figure: Figure, evidence: Evidence) -> Finding:
    return arithmetic("sum of the items", development_kusd(evidence, figure.subject.split()[0]))


def _operation_item(figure: Figure, evidence: Evidence) -> Finding:
    variant = figure.subject.split()[0]
    if figure.metric == "infrastructure":
        return arithmetic("12 x the monthly cost", MONTHS * monthly_usd(evidence, variant))
    items = evidence.figures.select(figure.subject, statistic="annual")
    amounts = {f.metric: f.number for f in items}
    total = amounts.pop("total")
    rest = sum(amount for name, amount in amounts.items() if name != figure.metric)
    return arithmetic(f"an assumption; the total {total:g} less the other items", total - rest)


def _operation_total(figure: Figure, evidence: Evidence) -> Finding:
    return arithmetic(
        "sum of the items", 1000 * operation_kusd(evidence, figure.subject.split()[0])
    )


def total_cost_kusd(evidence: Evidence, variant: str) -> float:
    """Return development + 5 years of operation, thousands of $ (section 8.3)."""
    return development_kusd(evidence, variant) + YEARS * operation_kusd(evidence, variant)


def _tco(figure: Figure, evidence: Evidence) -> Finding:
    return arithmetic("development + 5 x operation", total_cost_kusd(evidence, figure.subject))


def _tco_share(figure: Figure, evidence: Evidence) -> Finding:
    new, old = (total_cost_kusd(evidence, variant) for variant in _pair(figure))
    return arithmetic(f"{new:g} against {old:g} k$", 100 * abs(new - old) / old)


def _tco_rank(_: Figure, evidence: Evidence) -> Finding:
    costs = {variant: total_cost_kusd(evidence, variant) for variant in VARIANTS}
    dearest = max(costs, key=lambda variant: costs[variant])
    listed = ", ".join(f"{variant} {cost:g}" for variant, cost in costs.items())
    return Finding(
        "internal arithmetic",
        f"said of python; by development + 5 x operation the dearest is {dearest} ({listed} k$)",
        holds=dearest == "python",
    )


def _extra_development(figure: Figure, evidence: Evidence) -> Finding:
    new, old = _pair(figure)
    value = development_kusd(evidence, new) - development_kusd(evidence, old)
    return arithmetic(f"development, {new} less {old}", value)


def _extra_unnamed(figure: Figure, evidence: Evidence) -> Finding:
    """Try both readings of `$19k more`, unless it is Rust that evolves."""
    hybrid = development_kusd(evidence, "hybrid")
    extra = {old: hybrid - development_kusd(evidence, old) for old in ("rust", "python")}
    order = ("rust",) if "evolution" in figure.subject else ("python", "rust")
    values = [Candidate(extra[old], f"hybrid less {old}") for old in order]
    return arithmetic("development", *values)


def _yearly_saving_kusd(figure: Figure, evidence: Evidence) -> float:
    new, old = _pair(figure)
    return operation_kusd(evidence, old) - operation_kusd(evidence, new)


def _yearly_saving(figure: Figure, evidence: Evidence) -> Finding:
    scale = 1000 if figure.unit == "$" else 1
    return arithmetic("operation a year, saved", scale * _yearly_saving_kusd(figure, evidence))


def _break_even(figure: Figure, evidence: Evidence) -> Finding:
    new, old = _pair(figure)
    extra = development_kusd(evidence, new) - development_kusd(evidence, old)
    saving = _yearly_saving_kusd(figure, evidence)
    years = extra / saving
    value = years if figure.statistic == "years" else MONTHS * years
    return arithmetic(f"{extra:g} k$ more at the start, {saving:g} k$ less a year", value)


def _horizon(figure: Figure, evidence: Evidence) -> Finding:
    extra = development_kusd(evidence, "rust") - development_kusd(evidence, "python")
    years = extra / _yearly_saving_kusd(figure, evidence)
    how = f"said to have broken even from year {figure.printed.low:g} on; it does after {years:.2f}"
    return Finding("internal arithmetic", how, holds=years <= figure.printed.low)


def _pairs(figure: Figure, evidence: Evidence) -> Finding:
    executions = evidence.figures.number("cost scenario", "executions", "per month")
    pairs = evidence.figures.number("cost scenario", "pairs", "per month")
    if figure.metric == "pairs":
        return arithmetic("executions / 2, thousands", executions / 2 / 1000)
    return arithmetic("2 x the pairs", 2 * pairs * 1000)


def _python_monthly(_: Figure, evidence: Evidence) -> Finding:
    stated = evidence.figures.first("python cost", "instances", "cost")
    return other_figure(f"line {stated.line} states", stated.number)


def _recommendation(_: Figure, __: Evidence) -> Finding:
    how = "section 10.1 says to start with Rust; sections 10.2 and 10.4 say to start with Python"
    return Finding("internal arithmetic", how, holds=False)


ONE = "python|rust|hybrid"
RULES = (
    Rule("cost scenario", "executions|pairs", "per month", None, _pairs),
    Rule(f"({ONE}) cost", "instances|orchestrator|workers|total", "cost|monthly", None, _monthly),
    Rule("python", "cost", "monthly", None, _python_monthly),
    Rule("cost|hybrid vs (python|rust)", "savings", "monthly|annual|share", None, _saving),
    Rule(f"({ONE}) dev", "total", "sum", None, _development_total),
    Rule(f"({ONE}) dev", ".*", "cost", None, _development_item),
    Rule(f"({ONE}) ops", "total", "annual", None, _operation_total),
    Rule(f"({ONE}) ops", ".*", "annual", None, _operation_item),
    Rule(ONE, "5-year TCO", "sum", None, _tco),
    Rule(".* vs .*", "TCO", "share", None, _tco_share),
    Rule("python", "TCO rank", "claim", None, _tco_rank),
    Rule(".* vs .*", "dev cost", "delta", None, _extra_development),
    Rule("hybrid|hybrid evolution", "dev cost", "delta", None, _extra_unnamed),
    Rule(".* vs .*", "ops", "annual saving", None, _yearly_saving),
    Rule(".* vs .*", "break-even", "months|years", None, _break_even),
    Rule("rust vs python", "horizon", "claim", None, _horizon),
    Rule("recommendation", "start", "claim", None, _recommendation),
)
