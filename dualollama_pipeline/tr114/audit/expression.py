"""Arithmetic over printed figures, as text: what a rule says of the report's own numbers.

`[rust, throughput, baseline]` is the number that the report states for that subject, metric and
statistic; a fourth word `high` takes the upper end of a printed range. A pattern (`test.*`, `a|b`)
gives the list of all that are printed, `@chimera-hetero` one for each configuration of that part of
the plan, `@chimera-homo printed` those of them that are printed. `{subject}`, `{metric}` and
`{value}` are those of the figure that is checked. `A to B` is a range, a comparison a statement.
"""

from __future__ import annotations

import re
from statistics import fmean
from typing import TYPE_CHECKING

from simpleeval import simple_eval

from dualollama_pipeline.tr114.audit.rule import Lacking, arithmetic, other_figure
from dualollama_pipeline.tr114.audit.verdict import Recomputed, Way

if TYPE_CHECKING:
    from dualollama_pipeline.tr114.audit.evidence import Sources
    from dualollama_pipeline.tr114.audit.figures import Figure
    from dualollama_pipeline.tr114.audit.rule import Rule

REFERENCE = re.compile(r"\[([^],]+), ([^],]+), ([^],]+?)(, high)?\]")
PRINTED = " printed"
PATTERN = re.compile(r"[@|*\\]")
FUNCTIONS = {"abs": abs, "count": len, "max": max, "mean": fmean, "min": min, "sum": sum}


def finding(rule: Rule, figure: Figure, evidence: Sources) -> Recomputed:
    """Evaluate a rule's expression for one figure.

    Raises:
        Lacking: the report does not print what it needs.
    """
    text = str(rule.printed).format(**vars(figure))
    alone = REFERENCE.fullmatch(text)
    if alone and not PATTERN.search(text):
        (stated,) = _referred(alone, evidence)
        return other_figure(f"line {stated.line} (section {stated.section}) states", stated.number)
    names: dict[str, float | list[float]] = {}
    numbers = REFERENCE.sub(lambda found: _shown(found, evidence), text)
    shown = f"{rule.words}: {numbers}" if rule.words else numbers
    bound = REFERENCE.sub(lambda found: _bound(found, evidence, names), text)
    value, *ends = [
        simple_eval(part, names=names, functions=FUNCTIONS) for part in bound.split(" to ")
    ]
    if isinstance(value, bool):
        return Recomputed("internal arithmetic", shown, holds=value)
    return arithmetic(shown, Way(float(value), high=float(ends[0]) if ends else None))


def _referred(found: re.Match[str], evidence: Sources) -> list[Figure]:
    subject, metric, statistic = found.group(1, 2, 3)
    if not PATTERN.search(found[0]):
        return [evidence.home(subject, metric, statistic)]
    if subject.startswith("@"):
        configs = evidence.planned(subject.removeprefix("@").removesuffix(PRINTED))
        if not subject.endswith(PRINTED):
            return [evidence.home(config_id, metric, statistic) for config_id in configs]
        subject = "|".join(configs)
    wanted = (subject, metric, statistic)
    figures = [
        home
        for key, home in evidence.homes.items()
        if all(re.fullmatch(pattern, part) for pattern, part in zip(wanted, key, strict=True))
    ]
    if not figures:
        raise Lacking(f"the report prints no {statistic} {metric} of {subject}")
    return figures


def _bound(found: re.Match[str], evidence: Sources, names: dict[str, float | list[float]]) -> str:
    end = "high" if found[4] else "low"
    values = [float(getattr(figure.printed, end)) for figure in _referred(found, evidence)]
    name = f"v{len(names)}"
    names[name] = values if PATTERN.search(found[0]) else values[0]
    return name


def _shown(found: re.Match[str], evidence: Sources) -> str:
    figures = _referred(found, evidence)
    if PATTERN.search(found[0]):
        return f"{len(figures)} printed"
    return f"{getattr(figures[0].printed, 'high' if found[4] else 'low'):g}"
