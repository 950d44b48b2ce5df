"""Rules for statements about causes and choices: factors, anti-patterns, targets, triggers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from dualollama_pipeline.tr114.audit.rule import (
    Lacking,
    Rule,
    arithmetic,
    from_runs,
    other_figure,
)
from dualollama_pipeline.tr114.audit.verdict import Recomputed, Way

if TYPE_CHECKING:
    from collections.abc import Callable

    from dualollama_pipeline.core.study import Configuration
    from dualollama_pipeline.tr114.audit.evidence import Sources
    from dualollama_pipeline.tr114.audit.figures import Figure

    Among = Callable[[Configuration], bool]

LEVEL = 0.95
WORST_BELOW_PCT = 97.0  # the limit of the table that lists the worst configurations
HIGH_GPU, LOW_GPU, NEXT_GPU, LOW_TEMPERATURE = 120, 60, 80, 0.8
SHORT_CTX, LONG_CTX = 512, 1024


# --- bounds over configuration means ------------------------------------------------------------


def _means(evidence: Sources) -> pd.Series:
    return evidence.population().groupby("config_id")["reported_efficiency_pct"].mean()


def _named(figure: Figure) -> list[str]:
    return [f"test{part.removeprefix('test')}" for part in figure.subject.split("/")]


def _lowest_mean(figure: Figure, evidence: Sources) -> Recomputed:
    names = _named(figure)
    means = evidence.config_runs(names).groupby("config_id")["reported_efficiency_pct"].mean()
    return from_runs(f"lowest of {len(means)} configuration means", float(means.min()))


def _lowest_mean_printed(figure: Figure, evidence: Sources) -> Recomputed:
    means = evidence.printed_means()
    names = _named(figure)
    return other_figure("lowest of their means printed", min(means[name] for name in names))


def _others_lowest(_: Figure, evidence: Sources) -> Recomputed:
    """All configurations but those that the same table lists as worst."""
    means = _means(evidence)
    worst = [c for c, mean in evidence.printed_means().items() if mean < WORST_BELOW_PCT]
    return from_runs(f"lowest mean without {' and '.join(worst)}", float(means.drop(worst).min()))


def _mean_range(_: Figure, evidence: Sources) -> Recomputed:
    means = _means(evidence)
    how = f"smallest and largest of {len(means)} configuration means"
    return from_runs(how, Way(float(means.min()), high=float(means.max())))


def _context_gains(means: dict[str, float], evidence: Sources) -> list[float]:
    """Gain of 1024 over 512 tokens of context at equal num_gpu, baseline against chimera."""
    cells: dict[tuple[int | None, int | None], float] = {}
    for c in evidence.scenario_configs("baseline-vs-chimera"):
        cells.setdefault((c.of("insight").num_gpu, c.of("insight").num_ctx), means[c.config_id])
    return [
        cells[gpu, LONG_CTX] - value
        for (gpu, ctx), value in cells.items()
        if ctx == SHORT_CTX and (gpu, LONG_CTX) in cells
    ]


def _context(figure: Figure, evidence: Sources) -> Recomputed:
    runs = evidence.scenario_runs("baseline-vs-chimera")
    means = runs.groupby("config_id")["reported_efficiency_pct"].mean()
    gains = _context_gains({str(k): float(v) for k, v in means.items()}, evidence)
    return from_runs("gains at equal num_gpu, " + _listed(gains), _end(figure, gains))


def _context_printed(figure: Figure, evidence: Sources) -> Recomputed:
    gains = _context_gains(evidence.printed_means("baseline-vs-chimera"), evidence)
    return arithmetic("gains at equal num_gpu, " + _listed(gains), _end(figure, gains))


def _listed(gains: list[float]) -> str:
    return ", ".join(f"{gain:.2f}" for gain in gains) + " pp"


def _end(figure: Figure, gains: list[float]) -> float:
    return min(gains) if figure.statistic.endswith("low") else max(gains)


def _differential(figure: Figure, evidence: Sources) -> Recomputed:
    gaps = [
        abs((c.of("insight").num_gpu or 0) - (c.of("collector").num_gpu or 0))
        for c in evidence.scenario_configs("chimera-hetero")
    ]
    gaps = [gap for gap in gaps if gap]
    how = f"differences of the {len(gaps)} unequal pairs; {figure.printed.high:g} was never run"
    return arithmetic(how, Way(min(gaps), high=max(gaps)))


# --- does a factor do what is said of it? -------------------------------------------------------


def _worse(evidence: Sources, said_worse: Among, against: Among, what: str) -> Recomputed:
    """Compare two groups of clean runs; the statement holds if the interval says so.

    Failed calls, loops and cold loads are accidents: they are left out on both sides.
    """
    groups = [
        [c.config_id for c in evidence.plan.configurations if among(c)]
        for among in (said_worse, against)
    ]
    samples = []
    for names in groups:
        runs = evidence.config_runs(names)
        clean = runs[runs["status"].eq("ok") & runs["n_degenerate_calls"].eq(0)]
        samples.append(clean["balance_efficiency_pct"].to_numpy("float64"))
    result = stats.ttest_ind(samples[1], samples[0], equal_var=False)
    interval = result.confidence_interval(LEVEL)
    difference = float(np.mean(samples[1]) - np.mean(samples[0]))
    how = (
        f"{what}: {difference:+.2f} pp, 95 % interval {interval.low:+.2f} to {interval.high:+.2f} "
        f"(n {len(samples[1])} and {len(samples[0])}, failed calls and loops left out)"
    )
    return Recomputed("imported runs", how, holds=bool(interval.low > 0))


def _is_mixed(c: Configuration) -> bool:
    return c.scenario == "baseline_vs_chimera"


def _is_homo(c: Configuration) -> bool:
    return c.scenario == "chimera_homo"


def _high_gpu(_: Figure, evidence: Sources) -> Recomputed:
    return _worse(
        evidence,
        lambda c: _is_mixed(c) and (c.of("insight").num_gpu or 0) >= HIGH_GPU,
        lambda c: _is_mixed(c) and (c.of("insight").num_gpu or 0) < HIGH_GPU,
        "num_gpu below 120 less 120, mixed pairs",
    )


def _low_temperature(_: Figure, evidence: Sources) -> Recomputed:
    return _worse(
        evidence,
        lambda c: _is_homo(c) and (c.of("insight").temperature or 1) < LOW_TEMPERATURE,
        lambda c: _is_homo(c) and (c.of("insight").temperature or 0) >= LOW_TEMPERATURE,
        "temperature from 0.8 less below, equal pairs",
    )


def _equal_low_gpu(_: Figure, evidence: Sources) -> Recomputed:
    return _worse(
        evidence,
        lambda c: _is_homo(c) and c.of("insight").num_gpu == LOW_GPU,
        lambda c: (c.of("collector").num_gpu, c.of("insight").num_gpu) == (LOW_GPU, NEXT_GPU),
        "60/80 less 60/60",
    )


def _hetero_best(_: Figure, evidence: Sources) -> Recomputed:
    return _worse(
        evidence, _is_homo, lambda c: c.scenario == "chimera_hetero", "unequal less equal pairs"
    )


def _without_its_worst(evidence: Sources, config_id: str, worst: float) -> float:
    n = evidence.repetitions
    return (n * evidence.home(config_id, "efficiency", "mean").number - worst) / (n - 1)


def _one_run_high_gpu(_: Figure, evidence: Sources) -> Recomputed:
    """The whole case rests on one run: what do the other four of its configuration give?"""
    name = _contended(evidence)
    worst = evidence.figures.number("population", "efficiency", "min")
    rest = _without_its_worst(evidence, name, worst)
    others = [
        value
        for other, value in evidence.printed_means("baseline-vs-chimera").items()
        if (evidence.plan.get(other).of("insight").num_gpu or 0) < HIGH_GPU
    ]
    how = (
        f"it rests on one run of {name} ({worst:g} %); its other four average {rest:.2f} %, the "
        f"configurations with fewer layers {min(others):g} to {max(others):g} %"
    )
    return Recomputed("internal arithmetic", how, holds=rest < min(others))


def _one_run_low_temperature(_: Figure, evidence: Sources) -> Recomputed:
    cool = [
        (c, evidence.homes[c, "efficiency", "min"].number)
        for c in evidence.printed_means("chimera-homo")
        if (c, "efficiency", "min") in evidence.homes
    ]
    if not cool:
        raise Lacking("no lowest run of an equal pair is printed")
    name, worst = cool[0]
    rest = _without_its_worst(evidence, name, worst)
    others = [v for c, v in evidence.printed_means("chimera-homo").items() if c != name]
    how = (
        f"it rests on one run of {name} ({worst:g} %); its other four average {rest:.2f} %, the "
        f"other equal pairs printed {min(others):g} to {max(others):g} %"
    )
    return Recomputed("internal arithmetic", how, holds=max(others) - rest > 1)


def _contended(evidence: Sources) -> str:
    """Return the configuration that the report calls contended."""
    for config_id in evidence.plan.config_ids:
        home = evidence.homes.get((config_id, "contention", "count"))
        if home is not None and home.number > 0:
            return config_id
    raise Lacking("no configuration is printed as contended")


def _cause(figure: Figure, evidence: Sources) -> Recomputed:
    """Which agent failed in the flagged runs, and had it asked for the layers that are blamed?"""
    runs = evidence.config_runs([figure.subject])
    flagged = runs[runs["reported_contention"].astype(bool)]
    if flagged.empty:
        return Recomputed("imported runs", "no run of it is flagged", holds=False)
    calls = evidence.calls_of(flagged)
    bad = calls[calls["status"].eq("failed") | calls["is_degenerate"].astype(bool)]
    if bad.empty:
        how = f"{len(flagged)} flagged run(s) without a failed call or loop"
        return Recomputed("imported runs", how, holds=True)
    call = bad.iloc[0]
    asked = "the server's default" if pd.isna(call["num_gpu"]) else f"num_gpu {call['num_gpu']}"
    how = (
        f"run {call['run_number']}: the {call['role']}'s {call['stage']} call, which asked for "
        f"{asked}, has {call['failure_text'] or 'an answer that ends in a loop'}"
    )
    return Recomputed(
        "imported runs",
        how,
        holds=not pd.isna(call["num_gpu"]) and int(call["num_gpu"]) == HIGH_GPU,
    )


MEANS = r"[test\d+, efficiency, mean]"
RULES = (
    Rule(r"test\d+(/\d+)+", "efficiency", "min of means", _lowest_mean, _lowest_mean_printed),
    Rule("other 25 configs", "efficiency", "min mean", _others_lowest),
    Rule("config means", "efficiency", "range", _mean_range, f"min({MEANS}) to max({MEANS})"),
    Rule("ctx 1024 vs 512", "efficiency", "delta (low|high)", _context, _context_printed),
    Rule("hetero pairs", "gpu differential", "claim", printed=_differential),
    Rule(r"test\d+", "root cause", "claim", _cause, _one_run_high_gpu),
    Rule("gpu 120 mixed", "advice", "rule", _high_gpu, _one_run_high_gpu),
    Rule("temp 0.6", "advice", "rule", _low_temperature, _one_run_low_temperature),
    Rule("gpu 60/60 vs 60/80", "efficiency", "ranking", _equal_low_gpu),
    Rule(
        "chimera-hetero", "claim", "optimal", _hetero_best,
        words="highest scenario mean printed, without an interval",
        printed="[chimera-hetero, efficiency, mean]"
        " >= max([baseline-vs-chimera|chimera-homo all 13, efficiency, mean])",
    ),
)  # fmt: skip
