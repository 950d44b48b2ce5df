"""Rules for Rust against Python: differences of efficiency and contention (sections 4.4, 5.1)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from dualollama_pipeline.tr114.audit.evidence import SCENARIOS
from dualollama_pipeline.tr114.audit.rule import (
    Lacking,
    Rule,
    arithmetic,
    from_runs,
)
from dualollama_pipeline.tr114.audit.rules_results import RULES as RESULT_RULES
from dualollama_pipeline.tr114.audit.verdict import Recomputed, Way, judge

if TYPE_CHECKING:
    from dualollama_pipeline.tr114.audit.evidence import Sources
    from dualollama_pipeline.tr114.audit.figures import Figure

SCENARIO_SECTIONS = {f"3.2/S{n}": name for n, name in enumerate(list(SCENARIOS)[:3], start=1)}


# --- differences of what two tables say ---------------------------------------------------------


def _recomputed(figure: Figure, evidence: Sources) -> float:
    """Return what the runs give for a figure of ours.

    Raises:
        Lacking: they are not all imported.
    """
    for rule in RESULT_RULES:
        if rule.selects(figure) and rule.runs is not None:
            return judge(figure, rule.runs(figure, evidence)).recomputed
    raise Lacking("the runs do not hold it")


def _operands(figure: Figure, evidence: Sources) -> tuple[Figure, Figure]:
    """Return (python, rust): those of the same line, else those that state the quantity."""
    line = [f for f in evidence.figures if f.line == figure.line and f is not figure]
    rust = [f for f in line if not f.subject.startswith(("python", "delta", "rust vs"))]
    python = [f for f in line if f.subject.startswith("python")]
    if not rust:
        rust = [_stated_rust(figure, evidence)]
    return (python[0] if python else _python_twin(rust[0], evidence)), rust[0]


def _stated_rust(figure: Figure, evidence: Sources) -> Figure:
    """A difference in running text: of the means, or of the best configurations."""
    best = max(evidence.printed_means().items(), key=lambda item: item[1])[0]
    subject = "population" if "mean" in figure.statistic else best
    if figure.section in SCENARIO_SECTIONS:
        means = evidence.printed_means(SCENARIO_SECTIONS[figure.section])
        subject = max(means, key=lambda name: means[name])
    return evidence.home(subject, "efficiency", "mean")


def _python_twin(rust: Figure, evidence: Sources) -> Figure:
    """Return Python's figure of the same kind; for a scenario's best, that of its section."""
    if rust.subject != "population" and rust.statistic in {"mean", "peak config"}:
        return evidence.figures.first("python TR110", "efficiency", "peak config")
    scenario = rust.subject
    if re.fullmatch(r"test\d+", rust.subject):
        scenario = evidence.plan.get(rust.subject).scenario.replace("_", "-")
    for figure in evidence.figures:
        python = figure.subject.startswith("python TR110")
        if not python or figure.metric != rust.metric:
            continue
        if rust.statistic == "best config":
            if SCENARIO_SECTIONS.get(figure.section) == scenario:
                return figure
        elif figure.statistic == rust.statistic:
            return figure
    raise Lacking(f"no figure of Python's {rust.statistic} is printed")


def _best_of_scenario(rust: Figure, evidence: Sources) -> tuple[str, float] | None:
    """Return a better configuration that the report prints for the scenario than it names."""
    if rust.statistic != "best config" or rust.subject not in SCENARIOS:
        return None
    means = evidence.printed_means(rust.subject)
    best = max(means, key=lambda name: means[name])
    return (best, means[best]) if means[best] > rust.number else None


def _delta(figure: Figure, evidence: Sources) -> Recomputed:
    python, rust = _operands(figure, evidence)
    value = _recomputed(rust, evidence)
    how = (
        f"{value:.4f} from the runs less Python's {python.value} (line {python.line}, not checked)"
    )
    return from_runs(how, *_ends(python, value))


def _delta_printed(figure: Figure, evidence: Sources) -> Recomputed:
    python, rust = _operands(figure, evidence)
    better = _best_of_scenario(rust, evidence)
    if better is not None:
        name, value = better
        how = f"line {evidence.home(name, 'efficiency', 'mean').line} prints a better one, {name}: "
        return arithmetic(f"{how}{value:g} less {python.value}", value - python.number)
    return arithmetic(f"{rust.value} less Python's {python.value}", *_ends(python, rust.number))


def _ends(python: Figure, rust: float) -> tuple[Way, ...]:
    low, high = python.printed.low, python.printed.high
    return (Way(rust - low, high=rust - high if python.printed.is_range else None),)


def _lead(figure: Figure, evidence: Sources) -> Recomputed:
    """Python is said to be ahead; the report's own figures put Rust ahead."""
    deltas = evidence.figures.number("rust vs python", "efficiency", "delta of best configs")
    means = evidence.figures.number("rust vs python", "efficiency", "mean delta")
    how = (
        f"Python is said to lead by {figure.value} %; the report's own tables put Rust ahead, by "
        f"{deltas:+g} pp (best configuration) and {means:+g} pp (mean)"
    )
    return Recomputed("internal arithmetic", how, holds=deltas < 0 and means < 0)


def _hetero_against_homo(_: Figure, evidence: Sources) -> Recomputed:
    means = [
        evidence.scenario_runs(name)["reported_efficiency_pct"].astype("float64").mean()
        for name in ("chimera-hetero", "chimera-homo")
    ]
    return from_runs("hetero less homo, means of the runs", float(means[0] - means[1]))


PYTHON = "python TR110, efficiency"
RULES = (
    Rule(
        "rust vs python|python vs rust", "multi-agent gap|coordination efficiency", "delta",
        printed=_lead,
    ),
    Rule(
        "delta|rust vs python", "efficiency|contention", ".*delta.*", _delta, _delta_printed,
    ),
    Rule(
        "TR114 v1", "efficiency", "delta vs TR113", unit="pp",
        printed="[TR114 v1, efficiency, peak] - [TR113, efficiency, peak]",
    ),
    Rule("python TR110", "efficiency", "cv", printed=f"100 * [{PYTHON}, std] / [{PYTHON}, mean]"),
    Rule(
        "python TR110", "efficiency", "peak run",
        words="above the best configuration's mean, unless all its runs are equal",
        printed=f"{{value}} > [{PYTHON}, peak config]",
    ),
    Rule(
        "hetero vs homo", "efficiency", "mean delta", _hetero_against_homo,
        "[chimera-hetero, efficiency, mean] - [chimera-homo all 13, efficiency, mean]",
    ),
)  # fmt: skip
