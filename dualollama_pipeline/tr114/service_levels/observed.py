"""What a service level can be held against: quantities with their intervals, from each source.

A source is what was measured here over all nights, what was imported, or the report's own costs.
No threshold stands here.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import stats

from dualollama_pipeline.core.study import APART
from dualollama_pipeline.core.units import MS_PER_S
from dualollama_pipeline.metrics.catalog import APART_SECONDS, APART_SPEEDUP, BY_NAME, Key, key_of
from dualollama_pipeline.statistics.description import LEAST_N
from dualollama_pipeline.statistics.estimate import codes, origin_of
from dualollama_pipeline.statistics.intervals import (
    LEVEL,
    Interval,
    bounded_interval_of,
    interval_of,
    proportion_interval,
)
from dualollama_pipeline.statistics.means import NAN, mean_of, sample
from dualollama_pipeline.statistics.verdicts import evidence_of
from dualollama_pipeline.tables.validity import is_usable

QUANTITIES = {
    "balance_speedup": "mean over dual trials of the report's speedup",
    "weighted_speedup": "geometric mean over blocks of sum(1 / slowdown), two servers",
    "true_speedup": "geometric mean of one after the other / together",
    "balance_efficiency_pct": "mean over dual trials of the report's efficiency",
    "agent_tok_per_s": "mean over dual trials and agents of the decode rate",
    "ttft_p50_s": "50th percentile of the TTFT of the calls of dual trials",
    "ttft_p95_s": "95th percentile of the TTFT of the calls of dual trials",
    "ttft_p99_s": "99th percentile of the TTFT of the calls of dual trials",
    "largest_ttft_delta_ms": "largest |TTFT_A - TTFT_B| of a dual trial",
    "contention_pct": "share of dual trials flagged by the report's rule",
    "error_pct": "share of the calls of dual trials that failed, every attempt counted",
    "timeout_pct": "share of those calls that ran into a deadline",
    "pair_wall_p95_s": "95th percentile of the dual trials' wall time",
    "machines_share_pct": "machines of Rust in percent of Python's",
    "cost_share_pct": "infrastructure of Rust in percent of Python's",
    "hybrid_tco_share_pct": "TCO of the hybrid in percent of Rust's",
    "infrastructure_usd_per_month": "machines and GPUs of Rust, a month",
    "usd_per_1000_executions": "infrastructure of Rust for 1000 executions",
    "n_machines": "machines of Rust that run agents",
}
COSTS = frozenset(list(QUANTITIES)[-6:])
TIMEOUTS = "timeout"


@dataclass(frozen=True)
class ObservedValue:
    """A value with interval and n; no configuration gets below `lowest` or above `highest`.

    `batches` where they are others than those of its source.
    """

    interval: Interval
    n: int
    lowest: float | None = None
    highest: float | None = None
    why: str = ""
    batches: str = ""


@dataclass(frozen=True)
class Observed:
    """Everything that one source says. `stretches`: its trials in their order (see slo.py)."""

    origin: str
    evidence: str
    quantities: dict[str, ObservedValue]
    batches: str = ""
    stretches: tuple[tuple[tuple[float, float], ...], ...] = field(default=())


def observe(
    runs: pd.DataFrame,
    agents: pd.DataFrame,
    calls: pd.DataFrame,
    population: pd.DataFrame,
    costs: pd.DataFrame,
) -> Observed:
    """Return what was measured (or simulated) here: the tables of these names, of all nights.

    `population` is population_statistics, `costs` is cost_model.
    """
    origin = origin_of(runs) if len(runs) else "measured"
    rates = _mean_rates(agents[agents["arm"].eq(APART)])
    apart = runs[runs["arm"].eq(APART)].join(
        rates.rename("agent_tok_per_s"), on=["batch_id", "trial_id"]
    )
    sound = apart[is_usable(apart)]
    own = calls[calls["arm"].eq(APART)]
    alone = runs.loc[runs["n_agents"].eq(1) & runs["status"].eq("ok"), "wall_s"].dropna()
    shortest = float(alone.min()) if len(alone) else None
    flags = sound["ttft_contention"].dropna()
    n_agents = int(runs["n_agents"].max()) if len(runs) else 2
    found = _of_trials(sound, n_agents) | _of_calls(own) | _costs(costs, origin, "derived")
    found |= {
        "weighted_speedup": _speedup(population, APART_SPEEDUP, n_agents),
        "true_speedup": _speedup(population, APART_SECONDS, n_agents),
        "contention_pct": _rate(int(flags.sum()), len(flags)),
        "pair_wall_p95_s": _percentile(
            sound["wall_s"], 95, shortest,
            "" if shortest is None else f"one agent alone takes at least {shortest:.2f} s",
        ),
    }  # fmt: skip
    batches = sorted(map(str, runs["batch_id"].unique()))
    started = calls.groupby(["batch_id", "trial_id"])["started_at"].min().rename("started_at")
    in_order = apart.join(started, on=["batch_id", "trial_id"]).sort_values("started_at")
    return Observed(
        origin,
        evidence_of(origin),
        found,
        " ".join(batches),
        _stretches(in_order, "batch_id"),
    )


def observe_imported(
    imported_runs: pd.DataFrame, imported_calls: pd.DataFrame, costs: pd.DataFrame
) -> Observed:
    """Return what imported runs say: no agent was alone, so no true speedup."""
    flags = imported_runs["reported_contention"].dropna()
    rates = imported_runs[["collector_tok_per_s", "insight_tok_per_s"]]
    imported_runs = imported_runs.assign(agent_tok_per_s=rates.mean(axis=1, skipna=False))
    found = _of_trials(imported_runs) | _of_calls(imported_calls)
    found |= _costs(costs, "imported", "derived")
    own_times = imported_runs[["collector_s", "insight_s"]].min(axis=1).dropna()
    shortest = float(own_times.min()) if len(own_times) else None
    found |= {
        "contention_pct": _rate(int(flags.sum()), len(flags)),
        "pair_wall_p95_s": _percentile(
            imported_runs["wall_s"], 95, shortest,
            "" if shortest is None else f"the shorter agent of any run takes {shortest:.2f} s",
        ),
    }  # fmt: skip
    ordered = imported_runs.sort_values("ended_at")
    return Observed("imported", "imported", found, "", _stretches(ordered, "source"))


def observe_report(costs: pd.DataFrame) -> Observed:
    """Return the costs as the report assumes them."""
    return Observed("published", "assumed", _costs(costs, "published", "report"))


def _of_trials(trials: pd.DataFrame, n_agents: int = 2) -> dict[str, ObservedValue]:
    """Means over sound trials of run_table or imported_runs, which share these columns."""
    deltas = trials["ttft_delta_ms"].abs().dropna()
    return {
        "balance_speedup": _mean(
            trials, trials["balance_speedup"], float(n_agents), f"{n_agents} by definition"
        ),
        "balance_efficiency_pct": _mean(
            trials, trials["balance_efficiency_pct"], 100.0, "100 by definition"
        ),
        "agent_tok_per_s": _mean(trials, trials["agent_tok_per_s"]),
        "largest_ttft_delta_ms": ObservedValue(
            Interval(float(deltas.max()) if len(deltas) else NAN, NAN, NAN, ""), len(deltas)
        ),
    }


def _mean_rates(agents: pd.DataFrame) -> pd.Series:
    """Return the mean of the agents' rates by batch and trial; a loop over trials takes minutes."""
    trial = ["batch_id", "trial_id"]
    places = agents.groupby(trial).ngroup().to_numpy()
    order = np.argsort(places, kind="stable")
    starts = np.flatnonzero(np.diff(places[order], prepend=-1))
    rates = agents["mean_decode_tok_per_s"].to_numpy("float64", na_value=np.nan)[order]
    means = np.add.reduceat(rates, starts) / np.diff(starts, append=len(order))
    firsts = agents.iloc[order[starts]]
    return pd.Series(means, index=pd.MultiIndex.from_frame(firsts[trial]))


def _of_calls(calls: pd.DataFrame) -> dict[str, ObservedValue]:
    known = calls[calls["status"].isin(["ok", "failed"])]
    failed = known["status"].eq("failed")
    late = known["failure_kind"].str.startswith(TIMEOUTS).fillna(value=False)
    seconds = known.loc[~failed, "ttft_ms"] / MS_PER_S
    return {
        "error_pct": _rate(int(failed.sum()), len(known)),
        "timeout_pct": _rate(int(late.sum()), len(known)),
        **{f"ttft_p{share}_s": _percentile(seconds, share) for share in (50, 95, 99)},
    }


def _mean(
    trials: pd.DataFrame, values: pd.Series, upper: float | None = None, why: str = ""
) -> ObservedValue:
    """Mean over trials, stratified by configuration, over nights where there are several."""
    known = values.dropna()
    rows = trials.loc[known.index]
    nights = codes(rows["batch_id"]) if "batch_id" in rows else ()
    mean = mean_of(sample(known.to_numpy("float64"), codes(rows["config_id"]), nights))
    found = interval_of(mean) if upper is None else bounded_interval_of(mean, upper)
    return ObservedValue(found, len(known), highest=upper, why=why)


def _rate(n_events: int, n: int) -> ObservedValue:
    found = proportion_interval(n_events, n)
    return ObservedValue(
        Interval(100 * found.value, 100 * found.low, 100 * found.high, found.reason), n
    )


def _percentile(
    values: pd.Series, share: int, lowest: float | None = None, why: str = ""
) -> ObservedValue:
    """Percentile with its interval from order statistics (Conover 1999, section 3.2).

    Null below the n of METHOD section 3; an end that n cannot give is nan.
    """
    known = np.sort(values.dropna().to_numpy("float64"))
    least = LEAST_N.get(share, 1)
    if len(known) < least:
        reason = f"the {share}th percentile needs n = {least}, there are {len(known)}"
        return ObservedValue(Interval(NAN, NAN, NAN, reason), len(known), lowest, why=why)
    value = float(np.quantile(known, share / 100))
    ends = stats.quantile_test(known, q=value, p=share / 100).confidence_interval(LEVEL)
    return ObservedValue(
        Interval(value, float(ends.low), float(ends.high), ""), len(known), lowest, why=why
    )


def _speedup(population: pd.DataFrame, key: Key, n_agents: int) -> ObservedValue:
    rows = {key_of(row): row for row in population.to_dict("records")}
    if key not in rows:
        return ObservedValue(Interval(NAN, NAN, NAN, "no block counts"), 0)
    row, best = rows[key], float(n_agents) if BY_NAME[key.metric].by_agents else NAN
    if key == APART_SECONDS:
        best = float(rows[Key("ideal_speedup", APART)]["ci_high"])
    found = Interval(row["value"], row["ci_low"], row["ci_high"], row["null_reason"])
    n, batches = int(row["n"]), str(row["batches"])
    if np.isnan(best):
        return ObservedValue(found, n, batches=batches)
    why = f"agents that did not disturb each other would reach {best:.3f}"
    return ObservedValue(found, n, highest=best, why=why, batches=batches)


def _costs(costs: pd.DataFrame, origin: str, basis: str) -> dict[str, ObservedValue]:
    """Read the quantities of COSTS from cost_model; of one origin and basis."""
    mine = costs[costs["origin"].eq(origin) & costs["basis"].eq(basis) & costs["against"].eq("")]
    values = {(row["variant"], row["quantity"]): row for row in mine.to_dict("records")}

    def of(variant: str, quantity: str) -> float:
        row = values.get((variant, quantity))
        return NAN if row is None else float(row["value"])

    def share(variant: str, against: str, quantity: str) -> float:
        other = of(against, quantity)
        return 100 * of(variant, quantity) / other if other else NAN

    monthly = "infrastructure_usd_per_month"
    found = {
        "machines_share_pct": share("rust", "python", "n_instances"),
        "cost_share_pct": share("rust", "python", monthly),
        "hybrid_tco_share_pct": share("hybrid", "rust", "tco_usd"),
        monthly: of("rust", monthly),
        "usd_per_1000_executions": of("rust", "usd_per_1000_executions"),
        "n_machines": of("rust", "n_instances"),
    }
    return {
        name: ObservedValue(Interval(value, NAN, NAN, ""), 0)
        for name, value in found.items()
        if not np.isnan(value)
    }


def _stretches(trials: pd.DataFrame, by: str) -> tuple[tuple[tuple[float, float], ...], ...]:
    """Return for each night its (wall_s, balance efficiency) in order; nan where a trial failed."""
    pairs = trials[["wall_s", "balance_efficiency_pct"]].astype("float64")
    return tuple(
        tuple((float(wall), float(value)) for wall, value in part.itertuples(index=False))
        for _, part in pairs.groupby(trials[by].to_numpy(), sort=False)
    )
