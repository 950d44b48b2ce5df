"""Rules for what the report says it measured: population, scenarios, configurations, runs."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from dualollama_pipeline.tr114.audit.conventions import PERCENTILES, candidates
from dualollama_pipeline.tr114.audit.evidence import COLUMNS, quantity
from dualollama_pipeline.tr114.audit.rule import (
    Lacking,
    Rule,
    arithmetic,
    from_runs,
    other_figure,
)
from dualollama_pipeline.tr114.audit.verdict import Recomputed, Way, judge

if TYPE_CHECKING:
    import pandas as pd

    from dualollama_pipeline.tr114.audit.evidence import Sources
    from dualollama_pipeline.tr114.audit.figures import Figure

LOW_EFFICIENCY_PCT = 95.0
ONE_IS_WRONG = "the two cannot both hold, and only the runs say which does"


def _twin(figure: Figure, evidence: Sources) -> Recomputed:
    """Check a home figure by the definition: efficiency = 50 x speedup, cv = 100 sd / mean."""
    subject, metric, statistic = quantity(figure)
    if metric not in {"efficiency", "speedup"}:
        raise Lacking("no other figure of the report checks it")
    if statistic == "cv":
        sd = evidence.home(subject, metric, "std")
        mean = evidence.home(subject, metric, "mean")
        slack = 100 * sd.printed.unit / 2 / mean.number
        value = Way(100 * sd.number / mean.number, slack=slack)
        return arithmetic(f"100 x {sd.value} / {mean.value}", value)
    other, factor = ("speedup", 50.0) if metric == "efficiency" else ("efficiency", 0.02)
    twin = evidence.home(subject, other, statistic)
    value = Way(factor * twin.number, slack=factor * twin.printed.unit / 2)
    how = f"{factor:g} x the {other} {twin.value} of line {twin.line}"
    return Recomputed("internal arithmetic", how, (value,), if_failed=ONE_IS_WRONG)


def restated(figure: Figure, evidence: Sources) -> Recomputed:
    """Compare a figure with the printing that states it; check that one by the definition.

    A statement that breaks the definition is inconsistent wherever it is repeated.
    """
    home = evidence.home(*quantity(figure))
    if home is figure:
        return _twin(figure, evidence)
    stated = Way(home.number, slack=home.printed.unit / 2)
    try:
        check = _twin(home, evidence)
    except Lacking:
        check = None
    if check is not None and judge(home, check).word == "internally inconsistent":
        how = f"line {home.line} states {home.value}, against {check.how}"
        return Recomputed(
            "internal arithmetic", how, check.candidates, holds=False, if_failed=ONE_IS_WRONG
        )
    return other_figure(f"line {home.line} (section {home.section}) states", stated)


# --- population ---------------------------------------------------------------------------------


def _population(figure: Figure, evidence: Sources) -> Recomputed:
    _, metric, statistic = quantity(figure)
    runs = evidence.population()
    how = f"{statistic} of the {len(runs)} imported runs"
    if metric == "throughput_delta":
        return from_runs(how, *_both_signs(runs, COLUMNS[metric], statistic))
    return from_runs(how, *candidates(runs, COLUMNS[metric], statistic))


def _both_signs(runs: pd.DataFrame, column: str, statistic: str) -> list[Way]:
    """The report defines collector - insight; its program stored insight - collector."""
    stated = candidates(runs.assign(**{column: -runs[column]}), column, statistic)
    stored = candidates(runs, column, statistic)
    return [
        Way(c.low, f"{sign}, {c.convention}")
        for sign, group in (("collector - insight", stated), ("insight - collector", stored))
        for c in group
    ]


def _percentile(figure: Figure, evidence: Sources) -> Recomputed:
    """Few runs lie below 95 %: so said, a low percentile cannot."""
    _, metric, statistic = quantity(figure)
    if PERCENTILES[statistic] > PERCENTILES["p10"]:
        return restated(figure, evidence)
    total = evidence.figures.number("campaign", "runs", "count")
    low = evidence.figures.number("population", "efficiency", "count <95")
    least = LOW_EFFICIENCY_PCT * (0.02 if metric == "speedup" else 1)
    how = f"only {low:.0f} of {total:.0f} runs are said to lie below 95 %, so it is at least"
    holds = figure.number >= least or low / total >= PERCENTILES[statistic] / 100
    return Recomputed("internal arithmetic", how, (Way(least),), holds=holds)


def _efficiency(evidence: Sources) -> pd.Series:
    return evidence.population()["reported_efficiency_pct"].astype("float64")


def _modal_bin(_: Figure, evidence: Sources) -> Recomputed:
    low = int(np.floor(_efficiency(evidence)).astype(int).value_counts().index[0])
    return from_runs("fullest 1 pp bin", Way(low, high=low + 1))


def _modal_count(_: Figure, evidence: Sources) -> Recomputed:
    """Runs in the bin that is printed beside the count, whether it is the fullest or not."""
    printed = evidence.figures.first("population", "efficiency", "modal bin")
    low, high = printed.printed.low, printed.printed.high
    inside = _efficiency(evidence).between(low, high, inclusive="left")
    return from_runs(f"runs in the printed bin, {printed.value} %", int(inside.sum()))


def _skew(_: Figure, evidence: Sources) -> Recomputed:
    skewness = float(stats.skew(_efficiency(evidence)))
    how = f"said to be skewed right; skewness of the runs {skewness:.2f}, a tail to the left"
    return Recomputed("imported runs", how, holds=skewness > 0)


def _share(figure: Figure, evidence: Sources) -> Recomputed:
    values = _efficiency(evidence)
    limits = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", figure.statistic)]
    if figure.statistic.startswith("count <"):
        return from_runs(f"runs below {limits[0]:g} %", int((values < limits[0]).sum()))
    inside = values > limits[0] if len(limits) == 1 else values.between(limits[0], limits[1])
    return from_runs(
        f"share of runs {figure.statistic.removeprefix('share ')} %", 100 * inside.mean()
    )


def _listed_low(figure: Figure, evidence: Sources) -> Recomputed:
    listed = [
        f.number
        for f in evidence.figures.select(metric="efficiency", statistic="run value")
        if f.section == figure.section and f.number < LOW_EFFICIENCY_PCT
    ]
    return other_figure("runs below 95 % that the same line lists", len(listed))


# --- contention ---------------------------------------------------------------------------------


def _flagged(runs: pd.DataFrame, statistic: str) -> Recomputed:
    flags = runs["reported_contention"].astype(bool)
    k, n = int(flags.sum()), len(flags)
    failed = int(runs.loc[flags, "status"].eq("failed").sum())
    how = f"{k} of {n} runs flagged by the original ({failed} of them a failed call)"
    return from_runs(how, k if statistic == "count" else 100 * k / n)


def _config_contention(figure: Figure, evidence: Sources) -> Recomputed:
    return _flagged(evidence.config_runs([quantity(figure)[0]]), "count")


def _population_contention(figure: Figure, evidence: Sources) -> Recomputed:
    return _flagged(evidence.population(), figure.statistic)


def _scenario_contention(figure: Figure, evidence: Sources) -> Recomputed:
    return _flagged(evidence.scenario_runs(figure.subject), "rate")


# --- scenarios and configurations ---------------------------------------------------------------


def _scenario_mean(figure: Figure, evidence: Sources) -> Recomputed:
    runs = evidence.scenario_runs(figure.subject)
    how = f"mean of {len(runs)} imported runs"
    return from_runs(how, *candidates(runs, COLUMNS[figure.metric], "mean"))


def _scenario_peak(figure: Figure, evidence: Sources) -> Recomputed:
    return _best_run(evidence.scenario_runs(figure.subject))


def _best_run(runs: pd.DataFrame) -> Recomputed:
    best = runs.sort_values("reported_efficiency_pct").iloc[-1]
    where = f"{best['config_id']} run {best['run_number']}"
    return from_runs(f"best run, {where}", float(best["reported_efficiency_pct"]))


def _named_peak(figure: Figure, evidence: Sources) -> Recomputed:
    """A peak that is said to belong to several configurations."""
    names = [f"test{number}" for number in re.findall(r"\d{3}", figure.subject)]
    finding = _best_run(evidence.config_runs(names))
    owner = evidence.population().sort_values("reported_efficiency_pct").iloc[-1]
    where = f"{owner['config_id']} run {owner['run_number']}"
    note = f"the best of all runs is {where}, {owner['reported_efficiency_pct']:.3f}"
    return replace(finding, if_failed=note)


def _named_peak_printed(figure: Figure, evidence: Sources) -> Recomputed:
    names = [f"test{number}" for number in re.findall(r"\d{3}", figure.subject)]
    peaks = {name: evidence.printed_peaks()[name] for name in names}
    best = max(peaks, key=lambda name: peaks[name])
    return other_figure(f"highest peak printed for them, {best}", peaks[best])


def _within(figure: Figure, evidence: Sources) -> Recomputed:
    """Mean over configurations of the standard deviation (or CV) of their runs."""
    runs = evidence.scenario_runs(figure.subject)
    groups = [
        g.to_numpy("float64") for _, g in runs.groupby("config_id")["reported_efficiency_pct"]
    ]
    scale = [100 / g.mean() if figure.statistic == "mean cv" else 1.0 for g in groups]
    found = [
        Way(
            float(np.mean([g.std(ddof=ddof) * s for g, s in zip(groups, scale, strict=True)])),
            f"ddof {ddof}",
        )
        for ddof in (1, 0)
    ]
    return from_runs(f"{figure.statistic} over {len(groups)} configurations", *found)


def _within_printed(figure: Figure, evidence: Sources) -> Recomputed:
    mean = evidence.home(figure.subject, "efficiency", "mean").number
    wanted = "mean within-config std" if figure.statistic == "mean cv" else "mean cv"
    twin = evidence.home(figure.subject, "efficiency", wanted)
    factor = 100 / mean if figure.statistic == "mean cv" else mean / 100
    value = Way(factor * twin.number, slack=factor * twin.printed.unit / 2)
    return arithmetic(f"from the {wanted} {twin.value} and the mean {mean:g}", value)


def _config(figure: Figure, evidence: Sources) -> Recomputed:
    config_id, metric, statistic = quantity(figure)
    runs = evidence.config_runs([config_id])
    if statistic == "peak":
        return _best_run(runs)
    how = f"{statistic} of its {len(runs)} imported runs"
    return from_runs(how, *candidates(runs, COLUMNS[metric], statistic))


def _run_value(figure: Figure, evidence: Sources) -> Recomputed:
    config_id, _, number = figure.subject.partition(" run ")
    run = evidence.one_run(config_id, int(number))
    note = "" if run["status"] == "ok" else ", a run with a failed call"
    return from_runs(f"as stored for that run{note}", float(run[COLUMNS[figure.metric]]))


def _run_value_printed(figure: Figure, evidence: Sources) -> Recomputed:
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


def _best_config(figure: Figure, evidence: Sources) -> Recomputed:
    """The best configuration mean: of a scenario, or of all where another subject quotes it."""
    scenario = figure.subject if evidence.scenario_configs(figure.subject) else None
    runs = evidence.scenario_runs(scenario) if scenario else evidence.population()
    means = runs.groupby("config_id")["reported_efficiency_pct"].mean().sort_values()
    return from_runs(
        f"best configuration mean of the runs, {means.index[-1]}", float(means.iloc[-1])
    )


CONFIG = r"test\d+|Tier \d \(test\d+\)"
SAMPLED = "baseline-vs-chimera|chimera-hetero|homo sampled 3"
SCENARIO = f"{SAMPLED}|chimera-homo all 13"
SPREAD = "min|max|mean|median|std|cv|range|peak|peak run"
FLAGGED, RUNS = r"sum([test\d+, contention, count])", "[campaign, runs, count]"
PEAK = "max([@{subject}, efficiency, peak])"

RULES = (
    Rule(
        "population", "speedup|efficiency|throughput_delta|ttft_delta", SPREAD,
        _population, restated,
    ),
    Rule("population", "speedup|efficiency", r"p\d+", _population, _percentile),
    Rule("population", "efficiency", "modal bin", _modal_bin),
    Rule("population", "efficiency", "modal count", _modal_count),
    Rule(
        "population", "efficiency", "skew", _skew,
        words="skewed to the right, the mean lies above the median",
        printed="[population, efficiency, mean] > [population, efficiency, median]",
    ),
    Rule("population", "efficiency", "count <.*", _share, _listed_low),
    Rule(
        "population", "efficiency", r"share >[0-8]\d", _share, words="runs said to lie from 95 %",
        printed=f"100 * ({RUNS} - [population, efficiency, count <95]) / {RUNS}",
    ),
    Rule("population", "efficiency", "share .*", _share),
    Rule("population|dual ollama", "contention", "count", _population_contention, FLAGGED),
    Rule(
        "population|dual ollama", "contention", "rate",
        _population_contention, f"100 * {FLAGGED} / {RUNS}",
    ),
    Rule(
        SAMPLED, "contention", "rate", _scenario_contention,
        "100 * sum([@{subject}, contention, count])"
        " / (count([@{subject}, contention, count]) * [campaign, runs per config, count])",
    ),
    Rule(SCENARIO, "efficiency", "mean", _scenario_mean, "mean([@{subject}, efficiency, mean])"),
    Rule("chimera-hetero|homo sampled 3", "efficiency", "peak.*", _scenario_peak, PEAK),
    Rule(
        "chimera-homo", "efficiency", "best config",
        _best_config, "max([@{subject} printed, efficiency, mean])",
    ),
    Rule("rust cost", "efficiency", "config", _best_config, r"max([test\d+, efficiency, mean])"),
    Rule(r"test\d+/test\d+", "efficiency", "peak", _named_peak, _named_peak_printed),
    Rule(SAMPLED, "efficiency", "mean within-config std|mean cv", _within, _within_printed),
    Rule(CONFIG, "contention", "count", _config_contention, restated),
    Rule(
        CONFIG, "efficiency|speedup",
        "mean|peak|min|peak config|best config|peak run|peak .run .*", _config, restated,
    ),
    Rule(r"test\d+ run \d+", "efficiency|speedup", "run value", _run_value, _run_value_printed),
)  # fmt: skip
