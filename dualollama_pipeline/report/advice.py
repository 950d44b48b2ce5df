"""What should I run? Sentences that follow from the verdicts, and from nothing else."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dualollama_pipeline.core.units import MS_PER_S
from dualollama_pipeline.report.headline import judge_against_one
from dualollama_pipeline.report.model import find
from dualollama_pipeline.tables.rows import plain_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dualollama_pipeline.report.inputs import ReportInputs
    from dualollama_pipeline.report.model import (
        ConfigurationSummary,
        PooledEstimate,
        ReportOrigin,
        Verdict,
    )
    from dualollama_pipeline.tables.rows import Row

RELOADING = "dual against single, reloading"
IF_MEASURED = "If these numbers were measured: "


def advise(
    inputs: ReportInputs,
    population: Sequence[PooledEstimate],
    origin: ReportOrigin,
    configurations: Sequence[ConfigurationSummary],
) -> tuple[str, ...]:
    """Say what to run; from simulated numbers only what one would say had they been measured."""
    names = ("dual_true_speedup", "single_true_speedup", "dual_against_single")
    dual, single, against = (judge_against_one(find(population, name)) for name in names)
    n_reloading = sum(each.n_single_reloads > 0 for each in configurations)
    what = _what_to_run(dual, single, against) + _where(n_reloading, dual, single)
    lead = IF_MEASURED if origin == "simulated" else ""
    first = lead + (what[:1].lower() + what[1:] if lead else what) + "."
    apart = _where_it_reloads(inputs, n_reloading, len(configurations))
    return (first, *_equal_enough(inputs, single), *apart, *_which(inputs, dual))


def _what_to_run(dual: Verdict, single: Verdict, against: Verdict) -> str:
    if dual == "undetermined":
        return (
            "Nothing can be advised yet: measure at least 5 complete blocks of a configuration "
            "(`dualollama run`)"
        )
    if dual == "faster" and (single != "faster" or against in {"faster", "undetermined"}):
        return "Run both agents at once, each on its own server"
    if dual == "faster":
        worse = "finishes sooner there" if against == "slower" else "no difference is shown"
        return f"Run both agents at once on one server: against two servers, {worse}"
    if single == "faster":
        return "Run both agents at once on one server; a second server does not pay"
    if dual == "no difference shown":
        return "Run the agents one after the other: nothing shows that both at once finish sooner"
    return "Run the agents one after the other; one server is enough, a second does not pay"


def _where(n_reloading: int, dual: Verdict, single: Verdict) -> str:
    """Bound an advice against a second server: it holds where one server can serve both agents."""
    speaks_against_two = single == "faster" or dual == "slower"
    return ", where no model has to be reloaded" if n_reloading and speaks_against_two else ""


def _where_it_reloads(
    inputs: ReportInputs, n_reloading: int, n_configurations: int
) -> tuple[str, ...]:
    """Say what one server costs where the agents' options do not go together.

    The advice to take turns rests on agents that each had a server with their model on it.
    """
    calls = inputs.calls
    loads = calls.loc[calls["arm"].eq("single") & calls["is_reload"].fillna(value=False), "load_ms"]
    if not n_reloading or loads.empty:
        return ()
    return (
        (
            f"In {n_reloading} of {n_configurations} configurations the agents' options do not go "
            "together: one server reloads its model when the agent changes, "
            f"{loads.median() / MS_PER_S:.1f} s each time (median of {len(loads)} calls). There, "
            "keep a server for each agent, also if they take turns: no arm measures turns on one "
            f"server, where each change would load again.{_saved(inputs)}"
        ),
    )


def _saved(inputs: ReportInputs) -> str:
    contrasts = inputs.table("contrasts")
    for row in () if contrasts is None else plain_rows(contrasts):
        if row["scope"] == "all" and row["family"] == RELOADING and not math.isnan(row["ci_low"]):
            return (
                f" Both at once, two servers against one: {row['value']:.3f}× "
                f"({100 * row['level']:.0f} % interval {row['ci_low']:.3f} to "
                f"{row['ci_high']:.3f}, n {row['n']:.0f})."
            )
    return ""


def _equal_enough(inputs: ReportInputs, single: Verdict) -> tuple[str, ...]:
    """Say so where one server together is as good as one after the other, by the tested margin."""
    contrasts = inputs.table("contrasts")
    if contrasts is None or single == "faster":
        return ()
    for row in plain_rows(contrasts):
        is_headline = row["scope"] == "all" and row["family"] == "headline"
        if is_headline and row["metric"] == "single_true_speedup" and _is_equal(row):
            margin = 100 * (row["margin"] - 1)
            return (
                (
                    "Starting both at once on one server costs nothing that matters: the "
                    "difference to one after the other is within the tested margin of "
                    f"{margin:.0f} % (where no model has to be reloaded)."
                ),
            )
    return ()


def _is_equal(row: Row) -> bool:
    return bool(row["p_equivalence"] < row["alpha"])


def _which(inputs: ReportInputs, dual: Verdict) -> tuple[str, ...]:
    """Name the best configuration on two servers, with the places that the data allow."""
    ranked = [
        row
        for row in plain_rows(inputs.config_statistics)
        if row["metric"] == "dual_true_speedup"
        and not math.isnan(row["rank"])
        and not math.isnan(row["ci_low"])
    ]
    if len(ranked) < 2 or dual == "undetermined":  # noqa: PLR2004 one alone is no choice
        return ()
    best = min(ranked, key=lambda row: (row["rank"], row["config_id"]))
    better = "gains most" if dual == "faster" else "loses least"
    said = (
        f"On two servers {best['config_id']} {better} ({best['value']:.3f}×, "
        f"{100 * best['level']:.0f} % interval {best['ci_low']:.3f} to {best['ci_high']:.3f}, "
        f"n {best['n']:.0f} blocks)"
    )
    if math.isnan(best["rank_high"]):
        return (f"{said}; its place among {best['n_ranked']:.0f} has no interval.",)
    if best["rank_high"] == 1:
        return (
            f"{said}, the first of {best['n_ranked']:.0f} configurations, clear of the second.",
        )
    return (
        (
            f"{said}, but the data allow it any place from {best['rank_low']:.0f} to "
            f"{best['rank_high']:.0f} of {best['n_ranked']:.0f}: the choice of options matters "
            "little here, or was not separated."
        ),
    )
