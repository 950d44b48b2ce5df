"""Rust, Python and this machine side by side, each at the level its source has.

A winner is named only where both sides' runs are at hand, in one unit and at one level, and the
interval of the difference excludes zero. TR110 to TR115 are at hand as printed figures only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd
from scipy import stats

from dualollama_pipeline.tables.rows import Row
from dualollama_pipeline.tr114.audit.evidence import COLUMNS, SCENARIOS
from dualollama_pipeline.tr114.audit.rule import Lacking
from dualollama_pipeline.tr114.comparison.difference import Difference
from dualollama_pipeline.tr114.comparison.measured import measured_rows
from dualollama_pipeline.tr114.schemas_published import RUNTIME_COMPARISON

if TYPE_CHECKING:
    from dualollama_pipeline.tr114.audit.evidence import Sources
    from dualollama_pipeline.tr114.audit.figures import Figure

NAN = float("nan")
LEVEL = 0.95
ROLES = ("collector", "insight")


def runtime_comparison(
    evidence: Sources,
    critique: pd.DataFrame,
    config_statistics: pd.DataFrame,
    population_statistics: pd.DataFrame,
) -> pd.DataFrame:
    """Return the table `runtime_comparison`."""
    rows = [
        *efficiency_rows(evidence),
        *single_agent_rows(evidence),
        *runtime_rows(evidence),
        *throughput_rows(evidence),
        *degradation_rows(evidence),
        *overhead_rows(evidence),
        *measured_rows(critique, config_statistics, population_statistics),
    ]
    return pd.DataFrame([_settled(row) for row in rows], columns=list(RUNTIME_COMPARISON.columns))


BLANK = {
    "right": "",
    "right_value": NAN,
    "difference": NAN,
    "difference_unit": "",
    "ci_low": NAN,
    "ci_high": NAN,
}


def _settled(row: Row) -> Row:
    """Fill what a row leaves out, and say who wins or why nobody does."""
    whole = {**BLANK, **row}
    difference = Difference(
        whole["difference"], whole["ci_low"], whole["ci_high"], whole.pop("obstacle", "")
    )
    whole["winner"], whole["reason"] = difference.verdict()
    return whole


NO_PYTHON = "no winner: TR110's runs are not at hand, only printed figures"
BALANCE = "and both sides measure how equal finish times are, no speedup"


# --- efficiency (sections 4.4, 5.1, appendix B) -------------------------------------------------

EFFICIENCY = {
    "mean": ("mean", "mean over runs"),
    "median": ("median", "median over runs"),
    "p95": ("p95", "95th percentile of runs"),
    "std": ("std", "standard deviation over runs; section 4.4 prints it in a row called CV"),
    "cv": ("cv", "100 x sd / mean over runs"),
    "peak config": ("mean", "mean of the best configuration"),
    "peak run": ("max", "best run; Python's printed value equals its best configuration's mean"),
}


def efficiency_rows(evidence: Sources) -> list[Row]:
    """Compare balance efficiency; the mean with an interval from the printed n and sd of TR110."""
    rows = []
    for statistic, (ours, level) in EFFICIENCY.items():
        python = evidence.figures.first("python TR110", "efficiency", statistic)
        origin, value = _rust_efficiency(evidence, statistic, ours)
        low, high = _mean_interval(evidence, value) if statistic == "mean" else (NAN, NAN)
        rows.append(
            {
                "origin": origin,
                "topic": "efficiency in a pair",
                "metric": "balance_efficiency_pct",
                "unit": "%",
                "level": level,
                "left": "Python (TR110, printed)",
                "left_value": python.number,
                "right": f"Rust (TR114, {origin})",
                "right_value": value,
                "difference": value - python.number,
                "ci_low": low,
                "ci_high": high,
                "difference_unit": "pp",
                "obstacle": f"{NO_PYTHON}, {BALANCE}",
            }
        )
    return [*rows, *_scenario_best_rows(evidence), _contention_row(evidence)]


def _rust_efficiency(evidence: Sources, statistic: str, ours: str) -> tuple[str, float]:
    try:
        runs = evidence.population()
    except Lacking:
        if statistic == "peak config":
            return "published", max(evidence.printed_means().values())
        return "published", evidence.home("population", "efficiency", ours).number
    values = runs["reported_efficiency_pct"].astype("float64")
    computed = {
        "mean": float(values.mean()),
        "median": float(values.median()),
        "p95": float(values.quantile(0.95)),
        "std": float(values.std()),
        "cv": 100 * float(values.std()) / float(values.mean()),
        "peak config": float(values.groupby(runs["config_id"]).mean().max()),
        "peak run": float(values.max()),
    }
    return "imported", computed[statistic]


def _mean_interval(evidence: Sources, rust_mean: float) -> tuple[float, float]:
    """Welch's interval from means, standard deviations and numbers of runs (as printed)."""
    figures = evidence.figures
    n = [figures.number(name, "runs", "count") for name in ("TR110", "campaign")]
    sd = [figures.number("python TR110", "efficiency", "std")]
    sd.append(_rust_efficiency(evidence, "std", "std")[1])
    parts = [s**2 / k for s, k in zip(sd, n, strict=True)]
    freedom = sum(parts) ** 2 / sum(p**2 / (k - 1) for p, k in zip(parts, n, strict=True))
    half = float(stats.t.ppf((1 + LEVEL) / 2, freedom)) * sum(parts) ** 0.5
    difference = rust_mean - figures.number("python TR110", "efficiency", "mean")
    return difference - half, difference + half


def _scenario_best_rows(evidence: Sources) -> list[Row]:
    """Best configuration of each scenario: Python's is printed in that scenario's section."""
    rows = []
    for number, scenario in enumerate(list(SCENARIOS)[:3], start=1):
        python = next(
            f
            for f in evidence.figures.select(metric="efficiency", statistic="mean")
            if f.subject.startswith("python TR110 test") and f.section == f"3.2/S{number}"
        )
        try:
            runs = evidence.scenario_runs(scenario)
            means = runs.groupby("config_id")["reported_efficiency_pct"].mean()
            origin, best = "imported", float(means.max())
        except Lacking:
            origin, best = "published", max(evidence.printed_means(scenario).values())
        rows.append(
            {
                "origin": origin,
                "topic": "efficiency in a pair",
                "metric": "balance_efficiency_pct",
                "unit": "%",
                "level": f"best configuration mean, {scenario}",
                "left": "Python (TR110, printed)",
                "left_value": python.number,
                "right": f"Rust (TR114, {origin})",
                "right_value": best,
                "difference": best - python.number,
                "difference_unit": "pp",
                "obstacle": f"{NO_PYTHON}; the best of several configurations is larger by chance",
            }
        )
    return rows


def _contention_row(evidence: Sources) -> Row:
    python = evidence.figures.first("python TR110", "contention", "rate")
    rust = evidence.home("population", "contention", "rate")
    return {
        "origin": "published",
        "topic": "contention",
        "metric": "share of runs flagged",
        "unit": "%",
        "level": "runs",
        "left": f"Python (TR110, printed as {python.value}; its middle)",
        "left_value": (python.printed.low + python.printed.high) / 2,
        "right": "Rust (TR114, printed)",
        "right_value": rust.number,
        "difference": rust.number - (python.printed.low + python.printed.high) / 2,
        "difference_unit": "pp",
        "obstacle": "no winner: the thresholds differ (TR114's text: TTFT 3 s above the usual one; "
        "its program: speedup below 1.5; TR110's is not at hand)",
    }


# --- one agent alone (section 5.2), runtimes (6.2) ----------------------------------------------

SINGLE = {
    "throughput": ("baseline", "tok/s"),
    "TTFT": ("baseline", "ms"),
    "memory": ("estimate", "MB"),
    "startup": ("typical", "s"),
}


def single_agent_rows(evidence: Sources) -> list[Row]:
    """The table of TR112: change in percent, new / old - 1."""
    rows = []
    for metric, (statistic, unit) in SINGLE.items():
        python, rust = (evidence.figures.number(w, metric, statistic) for w in ("python", "rust"))
        kind = "estimates, not measured" if statistic != "baseline" else "printed means"
        rows.append(
            {
                "origin": "published",
                "topic": "one agent alone",
                "metric": metric,
                "unit": unit,
                "level": kind,
                "left": "Python (TR112, printed)",
                "left_value": python,
                "right": "Rust (TR112, printed)",
                "right_value": rust,
                "difference": 100 * (rust / python - 1),
                "difference_unit": "%",
                "obstacle": "no winner: neither side's runs are at hand, nor n and sd",
            }
        )
    return rows


def runtime_rows(evidence: Sources) -> list[Row]:
    """The runtimes of TR115 against its default: printed peaks, some of them ranges."""
    names = ("tokio-default", "tokio-localset", "smol", "async-std")
    peaks = {name: evidence.figures.first(name, "efficiency", "peak") for name in names}
    base = peaks["tokio-default"].printed
    return [
        {
            "origin": "published",
            "topic": "runtimes",
            "metric": "balance_efficiency_pct",
            "unit": "%",
            "level": "best figure of each runtime, middle of the range printed",
            "left": f"tokio-default (TR115, printed {peaks['tokio-default'].value})",
            "left_value": (base.low + base.high) / 2,
            "right": f"{name} (TR115, printed {peak.value})",
            "right_value": (peak.printed.low + peak.printed.high) / 2,
            "difference": (peak.printed.low + peak.printed.high - base.low - base.high) / 2,
            "difference_unit": "pp",
            "obstacle": "no winner: peaks without n or spread, TR115's runs are not at hand",
        }
        for name, peak in peaks.items()
        if name != "tokio-default"
    ]


# --- throughput in a pair, degradation, overhead (5.4, 6.3) -------------------------------------


def throughput_rows(evidence: Sources) -> list[Row]:
    """Per-agent rates of a pair by scenario; Rust's from runs where they are imported."""
    rows = []
    for scenario in list(SCENARIOS)[:3]:
        for role in ROLES:
            metric = f"{role} throughput"
            python = evidence.figures.first(f"python {scenario}", metric, "mean")
            origin, value, extra = _rust_rate(evidence, scenario, role)
            rows.append(
                {
                    "origin": origin,
                    "topic": "throughput of an agent in a pair",
                    "metric": f"{role}_tok_per_s",
                    "unit": "tok/s",
                    "level": f"mean over runs, {scenario}",
                    "left": f"Python (TR110, printed {python.value})",
                    "left_value": python.number,
                    "right": f"Rust (TR114, {origin})",
                    "right_value": value,
                    "difference": value - python.number,
                    "difference_unit": "tok/s",
                    "obstacle": f"{NO_PYTHON}, rounded to 1 tok/s{extra}",
                }
            )
    return rows


def _rust_rate(evidence: Sources, scenario: str, role: str) -> tuple[str, float, str]:
    try:
        runs = evidence.scenario_runs(scenario)
    except Lacking:
        return "published", evidence.figures.number(scenario, f"{role} throughput", "mean"), ""
    reported = float(runs[COLUMNS[f"{role} throughput"]].mean())
    note = f"; {reported:.2f} as reported, with failed calls as 0 tok/s"
    return "imported", float(runs[f"{role}_tok_per_s"].mean()), note


def degradation_rows(evidence: Sources) -> list[Row]:
    """An agent in a pair against one alone, by the printed rates."""
    rows = []
    for who in ("python", "rust"):
        alone = evidence.figures.number(who, "throughput", "baseline")
        together = evidence.figures.number(who, "throughput", "mean")
        rows.append(
            {
                "origin": "published",
                "topic": "degradation in a pair",
                "metric": "tok_per_s",
                "unit": "tok/s",
                "level": "printed means; the workloads differ",
                "left": f"{who.capitalize()} alone (TR112)",
                "left_value": alone,
                "right": f"{who.capitalize()} in a pair",
                "right_value": together,
                "difference": 100 * (together / alone - 1),
                "difference_unit": "%",
                "obstacle": "no contest: one GPU is shared by two agents; that, not a language, "
                "halves the rate",
            }
        )
    return rows


def overhead_rows(evidence: Sources) -> list[Row]:
    """The estimated parts of section 6.3 beside what no counter of a call explains."""
    parts = evidence.figures.select("overhead", statistic="estimate")
    rows = [_overhead(part, f"{part.metric} (estimate)", "printed") for part in parts]
    low, high = (sum(getattr(p.printed, end) for p in parts) for end in ("low", "high"))
    total = {**rows[0], "metric": "sum of the estimates", "left_value": low, "right_value": high}
    rows.append({**total, "difference": high - low})
    calls = evidence.calls
    ok = calls[calls["status"].eq("ok")] if len(calls) else calls
    if len(ok):
        rows.append(_residual_row(ok, high))
    return rows


def _overhead(part: Figure, metric: str, level: str) -> Row:
    return {
        "origin": "published",
        "topic": "overhead",
        "metric": metric,
        "unit": "ms",
        "level": f"agent and run, {level}",
        "left": "low end",
        "left_value": part.printed.low,
        "right": "high end",
        "right_value": part.printed.high,
        "difference": part.printed.high - part.printed.low,
        "difference_unit": "ms",
        "obstacle": "no contest: an estimate without a measurement",
    }


def _residual_row(ok: pd.DataFrame, stated_ms: float) -> Row:
    """Mean over agents of the sum of both calls' residuals, with a t interval over runs."""
    by_agent = ok.groupby(["config_id", "run_number", "role"])["residual_ms"].agg(["sum", "size"])
    whole = by_agent[by_agent["size"].eq(by_agent["size"].max())]["sum"]
    by_run = whole.groupby(level=[0, 1]).mean().to_numpy("float64")
    mean, n = float(by_run.mean()), len(by_run)
    half = NAN
    if n > 1:
        half = float(stats.t.ppf((1 + LEVEL) / 2, n - 1)) * float(by_run.std(ddof=1)) / n**0.5
    share = 100 * float(whole.sum()) / float(ok["total_ms"].sum())
    return {
        "origin": "imported",
        "topic": "overhead",
        "metric": "measured residual: total - load - prompt - eval",
        "unit": "ms",
        "level": f"agent and run, {n} runs",
        "left": "sum of the estimates, high end",
        "left_value": stated_ms,
        "right": "measured",
        "right_value": mean,
        "difference": mean - stated_ms,
        "ci_low": mean - half - stated_ms,
        "ci_high": mean + half - stated_ms,
        "difference_unit": "ms",
        "obstacle": f"no contest: {share:.1f} % of the calls' time lies outside all counters, most "
        "of it during decoding, where the server writes; it is no sum of the parts above",
    }
