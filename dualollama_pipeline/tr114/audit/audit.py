"""The audit: every published figure recomputed, with basis, verdict and one line of explanation.

A rule selects figures by subject, metric and statistic; none knows a figure by its name. The first
rule that selects a figure decides: by the imported runs where they suffice, else by the report's
own figures, else not checkable, with what is lacking.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from dualollama_pipeline.tr114.audit import (
    expression,
    rules_claims,
    rules_comparison,
    rules_costs,
    rules_design,
    rules_results,
    rules_sources,
    rules_targets,
    rules_throughput,
)
from dualollama_pipeline.tr114.audit.evidence import Sources, load_plan, load_rows
from dualollama_pipeline.tr114.audit.figures import Figures
from dualollama_pipeline.tr114.audit.rule import Lacking
from dualollama_pipeline.tr114.audit.verdict import Judgement, judge, not_checkable, show
from dualollama_pipeline.tr114.costs.cost_inputs import load_cost_inputs
from dualollama_pipeline.tr114.schemas_published import VERDICTS

if TYPE_CHECKING:
    from pathlib import Path

    from dualollama_pipeline.tr114.audit.figures import Figure
    from dualollama_pipeline.tr114.audit.rule import Rule

RULES: tuple[Rule, ...] = (
    *rules_results.RULES,
    *rules_design.RULES,
    *rules_comparison.RULES,
    *rules_throughput.RULES,
    *rules_claims.RULES,
    *rules_targets.RULES,
    *rules_costs.RULES,
    *rules_sources.RULES,
)


SET = "set by the report, not found"


def rule_for(figure: Figure) -> Rule | None:
    """Return the rule that decides about a figure; None if nobody wrote one."""
    return next((rule for rule in RULES if rule.selects(figure)), None)


def audit_figure(figure: Figure, evidence: Sources) -> Judgement:
    """Recompute one figure and say what came of it."""
    rule = rule_for(figure)
    if rule is None:
        return not_checkable("no rule selects it: add one to tr114/audit/rules_*.py")
    verdict = _checked(rule, figure, evidence)
    if rule.normative:
        return replace(verdict, word="normative", explanation=f"{SET}; {verdict.explanation}")
    return verdict


def _checked(rule: Rule, figure: Figure, evidence: Sources) -> Judgement:
    lacking = [rule.reason] if rule.reason else []
    try:
        if rule.runs is not None:
            return judge(figure, rule.runs(figure, evidence))
    except Lacking as lack:
        lacking.append(str(lack))
    try:
        if isinstance(rule.printed, str):
            return judge(figure, expression.finding(rule, figure, evidence))
        if rule.printed is not None:
            return judge(figure, rule.printed(figure, evidence))
    except Lacking as lack:
        lacking.append(str(lack))
    return not_checkable("; ".join(lacking))


def claim_audit(evidence: Sources) -> pd.DataFrame:
    """Return the table `claim_audit`: a row for every published figure, in the report's order."""
    rows = []
    for figure in evidence.figures:
        verdict = audit_figure(figure, evidence)
        ends = [v for v in (verdict.recomputed, verdict.recomputed_high) if v == v]  # noqa: PLR0124 not nan
        rows.append(
            {
                "origin": "published",
                **vars(figure),
                "recomputed": verdict.recomputed,
                "recomputed_high": verdict.recomputed_high,
                "recomputed_text": " to ".join(show(end) for end in ends),
                "basis": verdict.basis,
                "convention": verdict.convention,
                "verdict": verdict.word,
                "explanation": verdict.explanation,
            }
        )
    return pd.DataFrame(rows)


def gather(
    published: Path, published_figures: Figures, runs: pd.DataFrame, calls: pd.DataFrame
) -> Sources:
    """Put the sources of the folder `published` beside the imported tables (which may be empty).

    Raises:
        InputError: the plan or a source table cannot be read.
    """
    return Sources(
        published_figures,
        load_plan(published),
        runs,
        calls,
        load_cost_inputs(published / "costs.yaml"),
        load_rows(published / "sources.csv"),
    )


def verdict_counts(audit: pd.DataFrame) -> dict[str, int]:
    """Return how many figures have each verdict, in the order of the words."""
    counts = audit["verdict"].value_counts()
    return {word: int(counts.get(word, 0)) for word in VERDICTS}
