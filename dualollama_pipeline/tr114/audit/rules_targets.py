"""Rules for section 9: targets, triggers, rollout. Judged by whether what is at hand attains them.

A target is a wish, not a finding: "reproduced" says that the runs (or else the report's own
figures) attain it, and the explanation says that it is a target.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pandas as pd

from dualollama_pipeline.tr114.audit.rule import (
    Lacking,
    Rule,
    arithmetic,
    from_runs,
    other_figure,
)
from dualollama_pipeline.tr114.audit.rules_costs import monthly_usd
from dualollama_pipeline.tr114.audit.verdict import Candidate, Finding

if TYPE_CHECKING:
    from dualollama_pipeline.tr114.audit.evidence import Evidence
    from dualollama_pipeline.tr114.audit.figures import Figure


def _target(figure: Figure, evidence: Evidence) -> Finding:
    runs = evidence.population()
    name = {"speedup": "reported_speedup", "efficiency": "reported_efficiency_pct"}[figure.metric]
    values = runs[name].astype("float64")
    met = 100 * float((values > figure.number).mean())
    how = f"a target; the runs' mean ({met:.0f} % of the runs are above it)"
    return from_runs(how, float(values.mean()))


def _target_printed(figure: Figure, evidence: Evidence) -> Finding:
    home = evidence.home("population", figure.metric, "mean")
    return other_figure(f"a target; the mean by line {home.line}", home.number)


def _trigger(figure: Figure, evidence: Evidence) -> Finding:
    """A trigger is sound if the runs as they are do not fire it."""
    runs = evidence.population()
    value = {
        "efficiency": float(runs["reported_efficiency_pct"].mean()),
        "contention": 100 * float(runs["reported_contention"].astype("float64").mean()),
        "errors": 100 * float(evidence.calls_of(runs)["status"].eq("failed").mean()),
    }[figure.metric]
    quiet = value >= figure.number if figure.bound == "below" else value <= figure.number
    return Finding("imported runs", "a trigger; the runs have", (Candidate(value),), holds=quiet)


def _trigger_printed(figure: Figure, evidence: Evidence) -> Finding:
    statistic = {"efficiency": "mean", "contention": "rate"}.get(figure.metric)
    if statistic is None:
        raise Lacking("the report prints no rate of errors")
    home = evidence.home("population", figure.metric, statistic)
    quiet = (
        home.number >= figure.number if figure.bound == "below" else home.number <= figure.number
    )
    how = f"a trigger; line {home.line} prints"
    return Finding("other published figure", how, (Candidate(home.number),), holds=quiet)


def _rate_target(figure: Figure, evidence: Evidence) -> Finding:
    runs = evidence.population()
    calls = evidence.calls_of(runs)
    rates = [
        runs[f"reported_{role}_tok_per_s"].astype("float64") for role in ("collector", "insight")
    ]
    flags = runs["reported_contention"].astype("float64")
    attained = {
        "throughput": ("mean of the agents' rates", float(pd.concat(rates).mean())),
        "TTFT": (
            "95th percentile of the calls' TTFT",
            float(calls["ttft_ms"].quantile(0.95)) / 1000,
        ),
        "contention": ("flagged runs", 100 * float(flags.mean())),
        "errors": ("failed calls", 100 * float(calls["status"].eq("failed").mean())),
        "latency": (
            "95th percentile of the wall times",
            float(runs["reported_wall_s"].quantile(0.95)),
        ),
    }
    name, value = attained[figure.metric]
    return from_runs(f"a target; {name} of the runs", value)


def _rate_target_printed(figure: Figure, evidence: Evidence) -> Finding:
    sources = {
        "throughput": ("rust", "throughput", "mean"),
        "contention": ("population", "contention", "rate"),
        "memory": ("rust", "memory", "estimate"),
        "latency": ("rust", "agent time", "range"),
    }
    if figure.metric not in sources:
        raise Lacking("the report prints nothing that it could be held against")
    home = evidence.home(*sources[figure.metric])
    return other_figure(f"a target; line {home.line} prints", home.printed.low)


def _cost_target(figure: Figure, evidence: Evidence) -> Finding:
    rust, python = (monthly_usd(evidence, variant) for variant in ("rust", "python"))
    if figure.unit == "$/month":
        return arithmetic("a target; the monthly cost of section 8.1", rust)
    return arithmetic(f"{rust:g} of {python:g} $ a month, percent", 100 * rust / python)


def _cost_trigger(figure: Figure, evidence: Evidence) -> Finding:
    rust, python = (monthly_usd(evidence, variant) for variant in ("rust", "python"))
    share = 100 * rust / python
    how = "a trigger; by section 8.1 the cost is"
    return Finding("internal arithmetic", how, (Candidate(share),), holds=share <= figure.number)


def _instances(_: Figure, evidence: Evidence) -> Finding:
    count = {
        row["variant"]: float(row["count"]) for row in evidence.costs if row["item"] == "instances"
    }
    return arithmetic("instances, percent of Python's", 100 * count["rust"] / count["python"])


def _rollout(figure: Figure, evidence: Evidence) -> Finding:
    """The plan of section 9.1 and the advice of 9.4 are one rollout: do they agree?"""
    pilot = evidence.figures.first("pilot", "traffic", "share").printed.low
    start = evidence.figures.first("rollout", "traffic", "share").printed
    step = evidence.figures.first("rollout", "traffic", "step").number
    steps = [
        float(v) for v in evidence.figures.first("rollout", "traffic", "steps").value.split("/")
    ]
    if figure.statistic in {"step", "steps"}:
        gaps = {b - a for a, b in pairwise(steps)}
        how = f"line by line: steps {steps}, advised {step:g} at a time"
        return Finding("other published figure", how, holds=gaps == {step})
    how = f"the pilot takes {pilot:g} %, the advice says {start.low:g} to {start.high:g} %"
    return Finding("other published figure", how, holds=start.low <= pilot <= start.high)


RULES = (
    Rule("SLA|population", "speedup|efficiency", "target", _target, _target_printed),
    Rule("SLA", "cost", "target", None, _cost_target),
    Rule("SLA", "instances", "target", None, _instances),
    Rule(
        "SLA",
        "availability|timeouts",
        ".*target",
        reason="a target; nothing was in service that could attain it",
    ),
    Rule("SLA", "memory", "target", None, _rate_target_printed),
    Rule(
        "SLA",
        "throughput|TTFT|contention|errors|latency",
        ".*target",
        _rate_target,
        _rate_target_printed,
    ),
    Rule("rollback", "cost", "trigger", None, _cost_trigger),
    Rule("rollback", "rollback time", "trigger", reason="a target; no way back was ever walked"),
    Rule("rollback", "efficiency|contention|errors", "trigger", _trigger, _trigger_printed),
    Rule("rollout|pilot", "traffic", "share|step|steps", None, _rollout),
    Rule("rollout", "duration", "weeks", reason="a choice of the authors; nothing was rolled out"),
    Rule(
        "TTFT delta",
        "alert",
        "threshold",
        reason="a choice of the authors; no fault is known that it should find",
    ),
)
