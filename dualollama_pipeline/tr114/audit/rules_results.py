"""Rules for what the report says it measured: population, scenarios, configurations, runs."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from dualollama_pipeline.tr114.audit.conventions import PERCENTILES, candidates
from dualollama_pipeline.tr114.audit.evidence import COLUMNS, quantity, sampled_homo
from dualollama_pipeline.tr114.audit.rule import (
    Lacking,
    Rule,
    arithmetic,
    from_runs,
    other_figure,
)
from dualollama_pipeline.tr114.audit.verdict import Candidate, Finding, judge

if TYPE_CHECKING:
    import pandas as pd

    from dualollama_pipeline.tr114.audit.evidence import Evidence
    from dualollama_pipeline.tr114.audit.figures import Figure

LOW_EFFICIENCY_PCT = 95.0
ONE_IS_WRONG = "the two cannot both hold, and only the runs say which does"


def _twin(figure: Figure, evidence: Evidence) -> Finding:
    """Check a home figure by the definition: efficiency = 50 x speedup, cv = 100 sd / mean."""
    subject, metric, statistic = quantity(figure)
    if metric not in {"efficiency", "speedup"}:
        raise Lacking("no other figure of the report checks it")
    if statistic == "cv":
        sd = evidence.home(subject, metric, "std")
        mean = evidence.home(subject, metric, "mean")
        slack = 100 * sd.printed.unit / 2 / mean.number
        value = Candidate(100 * sd.number / mean.number, slack=slack)
        return arithmetic(f"100 x {sd.value} / {mean.value}", value)
    other, factor = ("speedup", 50.0) if metric == "efficiency" else ("efficiency", 0.02)
    twin = evidence.home(subject, other, statistic)
    value = Candidate(factor * twin.number, slack=factor * twin.printed.unit / 2)
    how = f"{factor:g} x the {other} {twin.value} of line {twin.line}"
    return Finding("internal arithmetic", how, (value,), if_failed=ONE_IS_WRONG)


def restated(figure: Figure, evidence: Evidence) -> Finding:
    """Compare a figure with the printing that states it; check that one by the definition.

    A statement that breaks the definition is inconsistent wherever it is repeated.
    """
    home = evidence.home(*quantity(figure))
    if home is figure:
        return _twin(figure, evidence)
    stated = Candidate(home.number, slack=home.printed.unit / 2)
    try:
        check = _twin(home, evidence)
    except Lacking:
        check = None
    if check is not None and judge(home, check).word == "internally inconsistent":
        how = f"line {home.line} states {home.value}, against {check.how}"
        return Finding(
            "internal arithmetic", how, check.candidates, holds=False, if_failed=ONE_IS_WRONG
        )
    return other_figure(f"line {home.line} (section {home.section}) states", stated)


# --- population ---------------------------------------------------------------------------------


def _population(figure: Figure, evidence: Evidence) -> Finding:
    _, metric, statistic = quantity(figure)
    runs = evidence.population()
    found = candidates(runs, COLUMNS[metric], statistic)
    how = f"{statistic} of the {len(runs)} imported runs"
    if metric == "throughput_delta":
        return from_runs(how, *_both_signs(runs, COLUMNS[metric], statistic))
    return from_runs(how, *found)


def _both_signs(runs: pd.DataFrame, column: str, statistic: str) -> list[Candidate]:
    """The report defines collector - insight; its program stored insight - collector."""
    stated = candidates(runs.assign(**{column: -runs[column]}), column, statistic)
    stored = candidates(runs, column, statistic)
    return [
        Candidate(c.low, f"{sign}, {c.convention}")
        for sign, group in (("collector - insight", stated), ("insight - collector", stored))
        for c in group
    ]


def _percentile(figure: Figure, evidence: Evidence) -> Finding:
    """Few runs lie below 95 %: so said, a low percentile cannot."""
    _, metric, statistic = quantity(figure)
    if PERCENTILES[statistic] > PERCENTILES["p10"]:
        return restated(figure, evidence)
    total = evidence.figures.number("campaign", "runs", "count")
    low = evidence.figures.number("population", "efficiency", "count <95")
    least = LOW_EFFICIENCY_PCT * (0.02 if metric == "speedup" else 1)
    how = f"only {low:.0f} of {total:.0f} runs are said to lie below 95 %, so it is at least"
    holds = figure.number >= least or low / total >= PERCENTILES[statistic] / 100
    return Finding("internal arithmetic", how, (Candidate(least),), holds=holds)


def _efficiency(evidence: Evidence) -> pd.Series:
    return evidence.population()["reported_efficiency_pct"].astype("float64")


def _modal_bin(figure: Figure, evidence: Evidence) -> Finding:
    bins = np.floor(_efficiency(evidence)).astype(int).value_counts()
    low, count = int(bins.index[0]), int(bins.iloc[0])
    if figure.statistic == "modal count":
        return from_runs(f"runs in the fullest 1 pp bin, {low}-{low + 1} %", count)
    return from_runs("fullest 1 pp bin", Candidate(low, high=low + 1))


def _skew(_: Figure, evidence: Evidence) -> Finding:
    skewness = float(stats.skew(_efficiency(evidence)))
    how = f"said to be skewed right; skewness of the runs {skewness:.2f}, a tail to the left"
    return Finding("imported runs", how, holds=skewness > 0)


def _skew_by_words(_: Figure, evidence: Evidence) -> Finding:
    mean = evidence.figures.number("population", "efficiency", "mean")
    median = evidence.figures.number("population", "efficiency", "median")
    how = f"said to be skewed right, but the mean {mean:g} lies below the median {median:g}"
    return Finding("internal arithmetic", how, holds=mean > median)


def _share(figure: Figure, evidence: Evidence) -> Finding:
    values = _efficiency(evidence)
    limits = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", figure.statistic)]
    if figure.statistic.startswith("count <"):
        return from_runs(f"runs below {limits[0]:g} %", int((values < limits[0]).sum()))
    inside = values > limits[0] if len(limits) == 1 else values.between(limits[0], limits[1])
    return from_runs(
        f"share of runs {figure.statistic.removeprefix('share ')} %", 100 * inside.mean()
    )


def _share_by_count(figure: Figure, evidence: Evidence) -> Finding:
    """A bound from the count of runs said to lie below 95 %."""
    if figure.statistic.startswith("count <"):
        listed = [
            f.number
            for f in evidence.figures.select(metric="efficiency", statistic="run value")
            if f.section == figure.section and f.number < LOW_EFFICIENCY_PCT
        ]
        return other_figure("runs below 95 % that the same line lists", len(listed))
    limit = float(figure.statistic.rpartition(">")[2] or "inf") if ">" in figure.statistic else 0.0
    if not 0 < limit <= LOW_EFFICIENCY_PCT:
        raise Lacking("needs all runs")
    total = evidence.figures.number("campaign", "runs", "count")
    low = evidence.figures.number("population", "efficiency", "count <95")
    return arithmetic(
        f"{low:.0f} of {total:.0f} runs are said to lie below 95 %, so at least",
        100 * (total - low) / total,
    )


# --- contention ---------------------------------------------------------------------------------


def _flagged(runs: pd.DataFrame, statistic: str) -> Finding:
    flags = runs["reported_contention"].astype(bool)
    k, n = int(flags.sum()), len(flags)
    failed = int(runs.loc[flags, "status"].eq("failed").sum())
    how = f"{k} of {n} runs flagged by the original ({failed} of them a failed call)"
    return from_runs(how, k if statistic == "count" else 100 * k / n)


def _config_contention(figure: Figure, evidence: Evidence) -> Finding:
    return _flagged(evidence.config_runs([quantity(figure)[0]]), "count")


def _population_contention(figure: Figure, evidence: Evidence) -> Finding:
    return _flagged(evidence.population(), figure.statistic)


def _scenario_contention(figure: Figure, evidence: Evidence) -> Finding:
    if figure.subject == "homo sampled 3":
        return _flagged(evidence.config_runs(sampled_homo(evidence)), "rate")
    return _flagged(evidence.scenario_runs(figure.subject), "rate")


def _counted(figure: Figure, evidence: Evidence) -> Finding:
    """Sum the contended runs that the report prints for each configuration."""
    if figure.subject == "homo sampled 3":
        names = sampled_homo(evidence)
    elif figure.subject in {"population", "dual ollama"}:
        names = evidence.plan.config_ids
    else:
        names = [c.config_id for c in evidence.scenario_configs(figure.subject)]
    homes = evidence.homes
    counts = [homes[n, "contention", "count"] for n in names if (n, "contention", "count") in homes]
    k, n = sum(f.number for f in counts), evidence.repetitions * len(names)
    how = f"{k:.0f} of {n} by the {len(counts)} configurations printed"
    return arithmetic(how, k if figure.statistic == "count" else 100 * k / n)


# --- scenarios and configurations ---------------------------------------------------------------


def _scenario_mean(figure: Figure, evidence: Evidence) -> Finding:
    if figure.subject == "homo sampled 3":
        runs = evidence.config_runs(sampled_homo(evidence))
    else:
        runs = evidence.scenario_runs(figure.subject)
    how = f"mean of {len(runs)} imported runs"
    return from_runs(how, *candidates(runs, COLUMNS[figure.metric], "mean"))


def _scenario_mean_printed(figure: Figure, evidence: Evidence) -> Finding:
    names = (
        sampled_homo(evidence)
        if figure.subject == "homo sampled 3"
        else [c.config_id for c in evidence.scenario_configs(figure.subject)]
    )
    means = evidence.printed_means()
    if all(name in means for name in names):
        value = sum(means[name] for name in names) / len(names)
        return arithmetic(f"mean of the {len(names)} configuration means printed", value)
    return _implied_mean(figure, evidence)


def _implied_mean(figure: Figure, evidence: Evidence) -> Finding:
    """What the mean over all runs leaves for the scenario whose configurations are not printed."""
    population = evidence.figures.first("population", "efficiency", "mean")
    mine = len(evidence.scenario_configs(figure.subject))
    total, slack = population.number * len(evidence.plan.configurations), population.printed.unit
    slack *= len(evidence.plan.configurations) / 2
    for name in ("baseline-vs-chimera", "chimera-hetero"):
        other, n = evidence.home(name, "efficiency", "mean"), len(evidence.scenario_configs(name))
        total -= n * other.number
        slack += n * other.printed.unit / 2
    how = "what the overall mean and the other scenarios leave"
    return arithmetic(how, Candidate(total / mine, slack=slack / mine))


def _scenario_peak(figure: Figure, evidence: Evidence) -> Finding:
    sampled = figure.subject == "homo sampled 3"
    names = (
        sampled_homo(evidence)
        if sampled
        else [c.config_id for c in evidence.scenario_configs(figure.subject)]
    )
    return _best_run(evidence.config_runs(names))


def _best_run(runs: pd.DataFrame) -> Finding:
    best = runs.sort_values("reported_efficiency_pct").iloc[-1]
    where = f"{best['config_id']} run {best['run_number']}"
    return from_runs(f"best run, {where}", float(best["reported_efficiency_pct"]))


def _scenario_peak_printed(figure: Figure, evidence: Evidence) -> Finding:
    peaks = evidence.printed_peaks(None if figure.subject == "homo sampled 3" else figure.subject)
    if figure.subject == "homo sampled 3":
        peaks = {name: peaks[name] for name in sampled_homo(evidence)}
    best = max(peaks, key=lambda name: peaks[name])
    return other_figure(f"highest peak printed for its configurations, {best}", peaks[best])


def _named_peak(figure: Figure, evidence: Evidence) -> Finding:
    """A peak that is said to belong to several configurations."""
    names = [f"test{number}" for number in re.findall(r"\d{3}", figure.subject)]
    finding = _best_run(evidence.config_runs(names))
    owner = evidence.population().sort_values("reported_efficiency_pct").iloc[-1]
    where = f"{owner['config_id']} run {owner['run_number']}"
    note = f"the best of all runs is {where}, {owner['reported_efficiency_pct']:.3f}"
    return replace(finding, if_failed=note)


def _named_peak_printed(figure: Figure, evidence: Evidence) -> Finding:
    names = [f"test{number}" for number in re.findall(r"\d{3}", figure.subject)]
    peaks = {name: evidence.printed_peaks()[name] for name in names}
    best = max(peaks, key=lambda name: peaks[name])
    return other_figure(f"highest peak printed for them, {best}", peaks[best])


def _within(figure: Figure, evidence: Evidence) -> Finding:
    """Mean over configurations of the standard deviation (or CV) of their runs."""
    if figure.subject == "homo sampled 3":
        runs = evidence.config_runs(sampled_homo(evidence))
    else:
        runs = evidence.scenario_runs(figure.subject)
    groups = [
        g.to_numpy("float64") for _, g in runs.groupby("config_id")["reported_efficiency_pct"]
    ]
    scale = [100 / g.mean() if figure.statistic == "mean cv" else 1.0 for g in groups]
    found = [
        Candidate(
            float(np.mean([g.std(ddof=ddof) * s for g, s in zip(groups, scale, strict=True)])),
            f"ddof {ddof}",
        )
        for ddof in (1, 0)
    ]
    return from_runs(f"{figure.statistic} over {len(groups)} configurations", *found)


def _within_printed(figure: Figure, evidence: Evidence) -> Finding:
    mean = evidence.home(figure.subject, "efficiency", "mean").number
    wanted = "mean within-config std" if figure.statistic == "mean cv" else "mean cv"
    twin = evidence.home(figure.subject, "efficiency", wanted)
    factor = 100 / mean if figure.statistic == "mean cv" else mean / 100
    value = Candidate(factor * twin.number, slack=factor * twin.printed.unit / 2)
    return arithmetic(f"from the {wanted} {twin.value} and the mean {mean:g}", value)


def _config(figure: Figure, evidence: Evidence) -> Finding:
    config_id, metric, statistic = quantity(figure)
    runs = evidence.config_runs([config_id])
    if statistic == "peak":
        return _best_run(runs)
    how = f"{statistic} of its {len(runs)} imported runs"
    return from_runs(how, *candidates(runs, COLUMNS[metric], statistic))


def _run_value(figure: Figure, evidence: Evidence) -> Finding:
    config_id, _, number = figure.subject.partition(" run ")
    run = evidence.one_run(config_id, int(number))
    note = "" if run["status"] == "ok" else ", a run with a failed call"
    return from_runs(f"as stored for that run{note}", float(run[COLUMNS[figure.metric]]))


def _run_value_printed(figure: Figure, evidence: Evidence) -> Finding:
    """The definition, else the smallest value that the report prints for its configuration."""
    try:
        return _twin(figure, evidence)
    except Lacking:
        config_id = figure.subject.partition(" run ")[0]
        if (config_id, "efficiency", "min") in evidence.homes:
            home = evidence.home(config_id, "efficiency", "min")
            return other_figure(f"its lowest run by line {home.line}", home.number)
        lowest = evidence.home("population", "efficiency", "min")
        flagged = evidence.homes.get((config_id, "contention", "count"))
        if flagged is None or flagged.number == 0:
            raise
        return other_figure(f"lowest of all runs by line {lowest.line}", lowest.number)


CONFIG = r"test\d+|Tier \d \(test\d+\)"
SAMPLED = "baseline-vs-chimera|chimera-hetero|homo sampled 3"
SCENARIO = f"{SAMPLED}|chimera-homo all 13"
SPREAD = "min|max|mean|median|std|cv|range|peak|peak run"

RULES = (
    Rule(
        "population",
        "speedup|efficiency|throughput_delta|ttft_delta",
        SPREAD,
        _population,
        restated,
    ),
    Rule("population", "speedup|efficiency", r"p\d+", _population, _percentile),
    Rule("population", "efficiency", "modal bin|modal count", _modal_bin),
    Rule("population", "efficiency", "skew", _skew, _skew_by_words),
    Rule("population", "efficiency", "count <.*|share .*", _share, _share_by_count),
    Rule("population|dual ollama", "contention", "count|rate", _population_contention, _counted),
    Rule(SAMPLED, "contention", "rate", _scenario_contention, _counted),
    Rule(SCENARIO, "efficiency", "mean", _scenario_mean, _scenario_mean_printed),
    Rule("chimera-hetero", "efficiency", "peak", _scenario_peak, _scenario_peak_printed),
    Rule("homo sampled 3", "efficiency", "peak .*", _scenario_peak, _scenario_peak_printed),
    Rule(r"test\d+/test\d+", "efficiency", "peak", _named_peak, _named_peak_printed),
    Rule(SAMPLED, "efficiency", "mean within-config std|mean cv", _within, _within_printed),
    Rule(CONFIG, "contention", "count", _config_contention, restated),
    Rule(
        CONFIG,
        "efficiency|speedup",
        "mean|peak|min|peak config|best config|peak run|peak .run .*",
        _config,
        restated,
    ),
    Rule(r"test\d+ run \d+", "efficiency|speedup", "run value", _run_value, _run_value_printed),
)
