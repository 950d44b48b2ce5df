"""Rules for throughput, overhead and runtimes (sections 5.2 to 6.3), and the hybrid's promise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dualollama_pipeline.tr114.audit.evidence import COLUMNS
from dualollama_pipeline.tr114.audit.rule import Rule, from_runs
from dualollama_pipeline.tr114.audit.verdict import Recomputed, Way

if TYPE_CHECKING:
    from dualollama_pipeline.tr114.audit.evidence import Sources
    from dualollama_pipeline.tr114.audit.figures import Figure

RATES = ("collector throughput", "insight throughput")


def _agent_rate(figure: Figure, evidence: Sources) -> Recomputed:
    runs = evidence.scenario_runs(figure.subject)
    column = COLUMNS[figure.metric]
    role = figure.metric.split()[0]
    values = [
        Way(float(runs[column].mean()), "all runs, a failed call as 0 tok/s"),
        Way(float(runs[f"{role}_tok_per_s"].mean()), "all runs, failed calls left out"),
    ]
    return from_runs("mean of the runs", *values)


def _rate_range(figure: Figure, evidence: Sources) -> Recomputed:
    runs = evidence.population()
    columns = [COLUMNS[rate] for rate in RATES]
    if figure.statistic == "mean":
        return from_runs(
            "mean of both agents over all runs", float(runs[columns].to_numpy("float64").mean())
        )
    means = runs.groupby("scenario")[columns].mean().to_numpy("float64")
    how = "smallest and largest mean of a scenario's agents"
    return from_runs(how, Way(float(means.min()), high=float(means.max())))


def _agent_time(figure: Figure, evidence: Sources) -> Recomputed:
    runs = evidence.population()
    seconds = runs[["collector_s", "insight_s"]].to_numpy("float64").ravel()
    low, middle, high = (float(np.quantile(seconds, q)) for q in (0.25, 0.5, 0.75))
    printed, half = figure.printed, figure.printed.unit / 2
    inside = printed.low - half <= low and high <= printed.high + half
    how = f"agents' times: median {middle:.1f} s, middle half {low:.1f} to {high:.1f} s"
    return Recomputed("imported runs", how, holds=inside)


def _waiting(_: Figure, evidence: Sources) -> Recomputed:
    runs = evidence.population()
    seconds = float(runs[["collector_s", "insight_s"]].to_numpy("float64").sum())
    calls = float(evidence.calls_of(runs)["reported_total_ms"].astype("float64").sum()) / 1000
    return from_runs("time inside requests / agents' time, percent", 100 * calls / seconds)


SCENARIOS = "baseline-vs-chimera|chimera-hetero|chimera-homo"
RUST = f"[{SCENARIOS}, (collector|insight) throughput, mean]"
PYTHON = f"[python ({SCENARIOS}), (collector|insight) throughput, mean]"
RUST_ALONE, PYTHON_ALONE = "[rust, throughput, baseline]", "[python, throughput, baseline]"
PARTS, PARTS_HIGH = "sum([overhead, .*, estimate])", "sum([overhead, .*, estimate, high])"
PEAKS = "tokio-default|tokio-localset|smol|async-std, efficiency, peak"
GAINED = f"100 * ({RUST_ALONE} / {PYTHON_ALONE} - 1)"
CHANGE = "100 * ([rust, {metric}, %s] / [python, {metric}, %s] - 1)"

RULES = (
    Rule("rust vs python", "throughput|single-agent advantage", "delta", printed=GAINED),
    Rule("rust vs python", "TTFT", "delta", printed=CHANGE % ("baseline", "baseline")),
    Rule("rust vs python", "startup", "delta", printed=CHANGE % ("typical", "typical")),
    Rule(
        "rust vs python", "memory", "delta", section="10.*", words="less, printed without a sign",
        printed="100 * (1 - [rust, {metric}, estimate] / [python, {metric}, estimate])",
    ),
    Rule("rust vs python", "memory", "delta", printed=CHANGE % ("estimate", "estimate")),
    Rule(
        "hybrid", "throughput", "delta", words="a worker alone against an agent of a pair",
        printed=f"100 * ({RUST_ALONE} / [rust, throughput, mean] - 1)",
    ),
    Rule(SCENARIOS, "|".join(RATES), "mean", _agent_rate),
    Rule("rust", "throughput", "range|per agent", _rate_range, f"min({RUST}) to max({RUST})"),
    Rule("rust", "throughput", "mean", _rate_range, f"mean({RUST})"),
    Rule("python", "throughput", "range", printed=f"min({PYTHON}) to max({PYTHON})"),
    Rule("python", "throughput", "mean", printed=f"mean({PYTHON})"),
    Rule(
        "rust|python", "throughput", "delta",
        printed="100 * ([{subject}, throughput, mean] / [{subject}, throughput, baseline] - 1)",
    ),
    Rule(
        "rust vs python", "degradation gap", "delta",
        printed="[python, throughput, delta] - [rust, throughput, delta]",
    ),
    Rule(
        "rust", "throughput", "expected multi", words="Python's in a pair x Rust's lead alone",
        printed=f"[python, throughput, mean] * {RUST_ALONE} / {PYTHON_ALONE}",
    ),
    Rule("overhead", "total", "low", printed=PARTS),
    Rule("overhead", "total", "high", printed=PARTS_HIGH),
    Rule("overhead", "total", "range", printed=f"{PARTS} / 1000 to {PARTS_HIGH} / 1000"),
    Rule(
        "overhead|rust", "share|overhead", "range|share", section="6.*",
        printed=f"{PARTS} / 10 / [rust, agent time, range, high] to "
        f"{PARTS_HIGH} / 10 / [rust, agent time, range, high]",
    ),
    Rule(
        "rust", "overhead", "share",
        words="called coordination overhead, less than 1 % in section 6.3; the loss in a pair",
        printed=f"100 * (1 - [rust, throughput, mean] / {RUST_ALONE})",
    ),
    Rule("rust", "agent time", "range", _agent_time),
    Rule("rust", "wait share", "share", _waiting),
    Rule("reqwest", "latency", "sum", printed="2 * 2 * [reqwest, latency, per call, high]"),
    Rule("TR115", "runtime effect", "range", printed=f"max([{PEAKS}, high]) - min([{PEAKS}])"),
)  # fmt: skip
