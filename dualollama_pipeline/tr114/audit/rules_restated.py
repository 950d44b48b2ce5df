"""Rules for figures of ours under another name: a cost scenario that quotes a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.tr114.audit.rule import Rule, from_runs, other_figure

if TYPE_CHECKING:
    from dualollama_pipeline.tr114.audit.evidence import Evidence
    from dualollama_pipeline.tr114.audit.figures import Figure
    from dualollama_pipeline.tr114.audit.verdict import Finding


def _best(evidence: Evidence) -> str:
    means = evidence.printed_means()
    return max(means, key=lambda name: means[name])


def _quoted(_: Figure, evidence: Evidence) -> Finding:
    """The best configuration of ours, as the cost scenario takes it."""
    means = evidence.population().groupby("config_id")["reported_efficiency_pct"].mean()
    best = means.sort_values().index[-1]
    return from_runs(f"best configuration mean of the runs, {best}", float(means.max()))


def _quoted_printed(_: Figure, evidence: Evidence) -> Finding:
    home = evidence.home(_best(evidence), "efficiency", "mean")
    return other_figure(f"line {home.line} states for {home.subject}", home.number)


RULES = (Rule("rust cost", "efficiency", "config", _quoted, _quoted_printed),)
