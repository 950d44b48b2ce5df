"""Rules for throughput, overhead and runtimes (sections 5.2 to 6.3), and the hybrid's promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dualollama_pipeline.tr114.audit.evidence import COLUMNS, SCENARIOS, sampled_homo
from dualollama_pipeline.tr114.audit.rule import Rule, arithmetic, from_runs, point
from dualollama_pipeline.tr114.audit.verdict import Candidate, Finding

if TYPE_CHECKING:
    from dualollama_pipeline.tr114.audit.evidence import Evidence
    from dualollama_pipeline.tr114.audit.figures import Figure

ROLES = ("collector throughput", "insight throughput")


# --- one agent alone ----------------------------------------------------------------------------


def _single_agent(figure: Figure, evidence: Evidence) -> Finding:
    statistic = {
        "throughput": "baseline",
        "TTFT": "baseline",
        "memory": "estimate",
        "startup": "typical",
    }
    metric = "throughput" if "advantage" in figure.metric else figure.metric
    new, old = (
        evidence.figures.number(who, metric, statistic[metric]) for who in ("rust", "python")
    )
    change = 100 * (new / old - 1)
    how = f"100 x ({new:g} / {old:g} - 1)"
    if figure.number > 0 > change:
        return arithmetic(how, Candidate(-change, "less, printed without sign"))
    return arithmetic(how, change)


def _hybrid_faster(_: Figure, evidence: Evidence) -> Finding:
    alone = evidence.figures.number("rust", "throughput", "baseline")
    together = evidence.figures.number("rust", "throughput", "mean")
    python = evidence.figures.number("python", "throughput", "baseline")
    how = (
        f"a worker alone ({alone:g}) against an agent of a pair ({together:g} tok/s); the "
        f"{100 * (alone / python - 1):.1f} % are Rust alone against Python alone"
    )
    return arithmetic(how, 100 * (alone / together - 1))


# --- throughput of an agent in the pair ---------------------------------------------------------


def _rates(evidence: Evidence, who: str) -> list[float]:
    prefix = "python " if who == "python" else ""
    names = [f"{prefix}{name}" for name in list(SCENARIOS)[:3]]
    return [evidence.figures.number(n, role, "mean") for n in names for role in ROLES]


def _agent_rate(figure: Figure, evidence: Evidence) -> Finding:
    runs = evidence.scenario_runs(figure.subject)
    column = COLUMNS[figure.metric]
    role = figure.metric.split()[0]
    values = [
        Candidate(float(runs[column].mean()), "all runs, a failed call as 0 tok/s"),
        Candidate(float(runs[f"{role}_tok_per_s"].mean()), "all runs, failed calls left out"),
    ]
    if figure.subject == "chimera-homo":
        sample = runs[runs["config_id"].isin(sampled_homo(evidence))]
        values.append(Candidate(float(sample[column].mean()), "the configurations of section 3.2"))
    return from_runs("mean of the runs", *values)


def _rate_range(figure: Figure, evidence: Evidence) -> Finding:
    rates = _rates(evidence, figure.subject)
    if figure.statistic == "mean":
        return arithmetic("mean of the six rates of section 5.4", sum(rates) / len(rates))
    return arithmetic(
        "smallest and largest rate of section 5.4", Candidate(min(rates), high=max(rates))
    )


def _rate_range_in_runs(figure: Figure, evidence: Evidence) -> Finding:
    runs = evidence.population()
    columns = [COLUMNS[role] for role in ROLES]
    if figure.statistic == "mean":
        return from_runs(
            "mean of both agents over all runs", float(runs[columns].to_numpy("float64").mean())
        )
    means = runs.groupby("scenario")[columns].mean().to_numpy("float64")
    how = "smallest and largest mean of a scenario's agents"
    return from_runs(how, Candidate(float(means.min()), high=float(means.max())))


def _degradation(figure: Figure, evidence: Evidence) -> Finding:
    changes = {who: _loss(evidence, who) for who in ("rust", "python")}
    if figure.metric == "throughput":
        return arithmetic("together against alone, -", changes[figure.subject])
    printed = [evidence.figures.number(who, "throughput", "delta") for who in ("python", "rust")]
    return arithmetic(
        "difference of the two losses",
        Candidate(changes["python"] - changes["rust"], "from the rates"),
        Candidate(printed[0] - printed[1], "from the rounded percentages"),
    )


def _loss(evidence: Evidence, who: str) -> float:
    alone = evidence.figures.number(who, "throughput", "baseline")
    return 100 * (evidence.figures.number(who, "throughput", "mean") / alone - 1)


def _expected(_: Figure, evidence: Evidence) -> Finding:
    """Its own advantage kept over Python's rate in a pair: that would be the expectation."""
    rust, python = (
        evidence.figures.number(w, "throughput", "baseline") for w in ("rust", "python")
    )
    pair = evidence.figures.number("python", "throughput", "mean")
    how = f"Python's {pair:g} tok/s in a pair x {rust:g} / {python:g}"
    return arithmetic(how, point(pair * rust / python))


# --- overhead -----------------------------------------------------------------------------------


def _parts(evidence: Evidence) -> tuple[Figure, ...]:
    return evidence.figures.select("overhead", statistic="estimate")


def _overhead_part(figure: Figure, evidence: Evidence) -> Finding:
    others = [f.printed for f in _parts(evidence) if f is not figure]
    low, high = (evidence.figures.number("overhead", "total", end) for end in ("low", "high"))
    rest = Candidate(low - sum(p.low for p in others), high=high - sum(p.high for p in others))
    return arithmetic("an estimate; the totals less the other parts", rest)


def _overhead_total(figure: Figure, evidence: Evidence) -> Finding:
    parts = [f.printed for f in _parts(evidence)]
    low, high = sum(p.low for p in parts), sum(p.high for p in parts)
    if figure.statistic == "range":
        return arithmetic("sum of the parts, seconds", Candidate(low / 1000, high=high / 1000))
    return arithmetic("sum of the parts", low if figure.statistic == "low" else high)


def _overhead_share(figure: Figure, evidence: Evidence) -> Finding:
    parts = [f.printed for f in _parts(evidence)]
    wall = evidence.figures.first("rust", "agent time", "range").printed
    low, high = (sum(getattr(p, end) for p in parts) / 1000 for end in ("low", "high"))
    values = [
        Candidate(100 * low / wall.high, "over the longer time", high=100 * high / wall.high),
        Candidate(100 * low / wall.high, "widest", high=100 * high / wall.low),
    ]
    if not figure.printed.is_range:
        values = [Candidate(values[0].low)]
    return arithmetic(f"{low:g}-{high:g} s of {wall.low:g}-{wall.high:g} s", *values)


def _degraded_share(figure: Figure, evidence: Evidence) -> Finding:
    """`~15 % from coordination`: the same quantity is 0.3 to 0.6 % in section 6.3."""
    share = evidence.figures.first("overhead", "share", "range")
    loss = -_loss(evidence, "rust")
    how = (
        f"called coordination overhead; line {share.line} puts that at {share.value} % of the wall "
        f"time, and the loss against one agent alone is"
    )
    return arithmetic(how, point(loss) if figure.printed.is_range else loss)


def _agent_time(figure: Figure, evidence: Evidence) -> Finding:
    runs = evidence.population()
    seconds = runs[["collector_s", "insight_s"]].to_numpy("float64").ravel()
    low, middle, high = (float(np.quantile(seconds, q)) for q in (0.25, 0.5, 0.75))
    printed, half = figure.printed, figure.printed.unit / 2
    inside = printed.low - half <= low and high <= printed.high + half
    how = f"agents' times: median {middle:.1f} s, middle half {low:.1f} to {high:.1f} s"
    return Finding("imported runs", how, holds=inside)


def _waiting(_: Figure, evidence: Evidence) -> Finding:
    runs = evidence.population()
    seconds = float(runs[["collector_s", "insight_s"]].to_numpy("float64").sum())
    calls = float(evidence.calls_of(runs)["reported_total_ms"].astype("float64").sum()) / 1000
    return from_runs("time inside requests / agents' time, percent", 100 * calls / seconds)


def _request_sum(_: Figure, evidence: Evidence) -> Finding:
    per_call = evidence.figures.first("reqwest", "latency", "per call").printed
    return arithmetic("upper end x 2 calls x 2 agents", 4 * per_call.high)


def _runtimes(figure: Figure, evidence: Evidence) -> Finding:
    peaks = {
        f.subject: f.printed
        for f in evidence.figures
        if f.section == figure.section and f.statistic == "peak" and f.metric == "efficiency"
    }
    if figure.statistic == "count":
        return arithmetic("runtimes that are listed", len(peaks))
    spread = max(p.high for p in peaks.values()) - min(p.low for p in peaks.values())
    return arithmetic(f"largest less smallest peak of the {len(peaks)} listed", spread)


RULES = (
    Rule(
        "rust vs python",
        "throughput|TTFT|memory|startup|single-agent advantage",
        "delta",
        None,
        _single_agent,
    ),
    Rule("hybrid", "throughput", "delta", None, _hybrid_faster),
    Rule(
        "baseline-vs-chimera|chimera-hetero|chimera-homo",
        "collector throughput|insight throughput",
        "mean",
        _agent_rate,
    ),
    Rule("rust", "throughput", "range|mean|per agent", _rate_range_in_runs, _rate_range),
    Rule("python", "throughput", "range|mean", None, _rate_range),
    Rule("rust|python", "throughput", "delta", None, _degradation),
    Rule("rust vs python", "degradation gap", "delta", None, _degradation),
    Rule("rust", "throughput", "expected multi", None, _expected),
    Rule("overhead", ".*", "estimate", None, _overhead_part),
    Rule("overhead", "total", "low|high|range", None, _overhead_total),
    Rule("overhead", "share", "range", None, _overhead_share),
    Rule("rust", "overhead", "share", None, _overhead_share, section="6.*"),
    Rule("rust", "overhead", "share", None, _degraded_share),
    Rule("rust", "agent time", "range", _agent_time),
    Rule("rust", "wait share", "share", _waiting),
    Rule("reqwest", "latency", "sum", None, _request_sum),
    Rule("TR115", "runtimes|runtime effect", "count|range", None, _runtimes),
)
