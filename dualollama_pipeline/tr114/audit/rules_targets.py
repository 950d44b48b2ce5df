"""Rules for section 9 and its like: targets, triggers, thresholds, rollout steps.

They are set, not found, so they are *normative*: what is at hand stands beside them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from dualollama_pipeline.tr114.audit.rule import Rule, from_runs

if TYPE_CHECKING:
    from dualollama_pipeline.tr114.audit.evidence import Sources
    from dualollama_pipeline.tr114.audit.figures import Figure
    from dualollama_pipeline.tr114.audit.verdict import Recomputed


def _attained(figure: Figure, evidence: Sources) -> Recomputed:
    """What the imported runs have, in the figure's own unit."""
    runs = evidence.population()
    calls = evidence.calls_of(runs)
    rates = [
        runs[f"reported_{role}_tok_per_s"].astype("float64") for role in ("collector", "insight")
    ]
    flags = runs["reported_contention"].astype("float64")
    attained: dict[str, tuple[str, Any]] = {
        "speedup": ("mean speedup", runs["reported_speedup"].mean()),
        "efficiency": ("mean efficiency", runs["reported_efficiency_pct"].mean()),
        "throughput": ("mean of the agents' rates", pd.concat(rates).mean()),
        "TTFT": ("95th percentile of the calls' TTFT", calls["ttft_ms"].quantile(0.95) / 1000),
        "contention": ("flagged runs", 100 * flags.mean()),
        "errors": ("failed calls", 100 * calls["status"].eq("failed").mean()),
        "latency": ("95th percentile of the wall times", runs["reported_wall_s"].quantile(0.95)),
    }
    what, value = attained[figure.metric]
    return from_runs(f"{what} of the imported runs", float(value))


Set = partial(Rule, normative=True)
RULES = (
    Set(
        "SLA|population|rollback",
        "speedup|efficiency",
        "target|trigger",
        _attained,
        "[population, {metric}, mean]",
    ),
    Set("SLA|rollback", "contention", ".*", _attained, "[population, contention, rate]"),
    Set("SLA", "throughput", "target", _attained, "[rust, throughput, mean]"),
    Set("SLA", "latency", ".*target", _attained, "[rust, agent time, range]"),
    Set("SLA|rollback", "TTFT|errors", ".*", _attained),
    Set("SLA", "memory", "target", None, "[rust, memory, estimate]"),
    Set("SLA", "cost", "target", None, "[rust cost, instances, cost]", unit=r"\$/month"),
    Set(
        "SLA|rollback",
        "cost",
        ".*",
        None,
        "100 * [rust cost, instances, cost] / [python cost, instances, cost]",
    ),
    Set("SLA", "instances|availability|timeouts", ".*target", reason="nothing was in service"),
    Set("rollback", "rollback time", "trigger", reason="no way back was ever walked"),
    Set("rollout|pilot", "traffic|duration", ".*", reason="nothing was rolled out"),
    Set("TTFT delta", "alert", "threshold", reason="no fault is known that it should find"),
)
