"""What should I run? Sentences that follow from the verdicts, and from nothing else."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dualollama_pipeline.core.study import SHARED
from dualollama_pipeline.core.units import MS_PER_S
from dualollama_pipeline.metrics.catalog import (
    APART_AGAINST_SHARED,
    APART_SPEEDUP,
    SHARED_SPEEDUP,
    key_of,
)
from dualollama_pipeline.report.headline import WITHIN
from dualollama_pipeline.report.wording import PAIR, Words, counted
from dualollama_pipeline.statistics.contrasts import AGAINST_ONE
from dualollama_pipeline.tables.rows import plain_rows

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from dualollama_pipeline.metrics.catalog import Key
    from dualollama_pipeline.report.inputs import ReportInputs
    from dualollama_pipeline.report.model import ReportOrigin, Verdict

RELOADING = f"{AGAINST_ONE[APART_AGAINST_SHARED][0]}, reloading classes"
NO_SECOND = "does not pay"
NO_GAIN: dict[Verdict, str] = {
    "equivalent": f"{{both}} at once are no faster{WITHIN}",
    "no difference shown": "nothing shows that {both} at once finish sooner",
}
IF_MEASURED = "If these numbers were measured: "


def advise(
    inputs: ReportInputs,
    verdicts: Mapping[Key, Verdict],
    origin: ReportOrigin,
    reloading: Collection[str],
    words: Words = PAIR,
) -> tuple[str, ...]:
    """Say what to run; from simulated numbers only what one would say had they been measured.

    `reloading` are the configurations that make the one server load its model again.
    """
    keys = (APART_SPEEDUP, SHARED_SPEEDUP, APART_AGAINST_SHARED)
    apart, shared, against = (verdicts[key] for key in keys)
    what = _what_to_run(apart, shared, against, words)
    if reloading and what.endswith(NO_SECOND):
        what += ", where no model has to be loaded again"
    lead = IF_MEASURED if origin == "simulated" else ""
    first = lead + (what[:1].lower() + what[1:] if lead else what) + "."
    if apart == "undetermined":
        return (first,)
    return (
        first,
        *(_where_it_queued(inputs, words) if origin != "simulated" else ()),
        *_equal_enough(shared, words),
        *_where_it_reloads(inputs, reloading, words),
        *_which(inputs, apart, words),
    )


def _what_to_run(apart: Verdict, shared: Verdict, against: Verdict, words: Words) -> str:
    if apart == "undetermined":
        return (
            "Nothing can be advised yet: measure more complete blocks, at least 5 of a "
            "configuration (`dualollama run --blocks 10`)"
        )
    if apart == "faster" and (shared != "faster" or against in {"faster", "undetermined"}):
        return f"Run {words.both} agents at once, each on its own server"
    if apart == "faster":
        worse = {"slower": "finishes sooner there", "equivalent": f"as fast{WITHIN}"}.get(
            against, "no difference is shown"
        )
        return f"Run {words.both} agents at once on one server: against {words.servers}, {worse}"
    if shared == "faster":
        return f"Run {words.both} agents at once on one server; {words.second} {NO_SECOND}"
    if apart in NO_GAIN:
        return "Run the agents one after the other: " + words.fill(NO_GAIN[apart])
    more = "a second" if words.is_pair else "one for each"
    enough = f"; one server is enough, {more} {NO_SECOND}"
    return "Run the agents one after the other" + ("" if shared == "undetermined" else enough)


def _where_it_queued(inputs: ReportInputs, words: Words) -> tuple[str, ...]:
    """Say so where the one server had no chance: with one slot it takes turns by construction."""
    modes = inputs.runs.loc[inputs.runs["status"].eq("ok"), "shared_mode"].dropna()
    queued = int(modes.eq("queued").sum())
    if 2 * queued <= len(modes):
        return ()
    return (
        (
            f"The one server answered one after the other in {queued} of {len(modes)} trials: it "
            "has one slot (OLLAMA_NUM_PARALLEL, by default 1). Start it with "
            f"`OLLAMA_NUM_PARALLEL={words.n_agents}` and measure again before you keep "
            f"{words.second}."
        ),
    )


def _where_it_reloads(
    inputs: ReportInputs, reloading: Collection[str], words: Words
) -> tuple[str, ...]:
    """Bound the advice where one server loads a model again inside its trials.

    To take turns was measured with a server for each agent, its model on it.
    """
    calls = inputs.calls
    mine = calls["arm"].eq(SHARED) & calls["config_id"].isin(reloading)
    loads_s = calls.loc[mine & calls["is_reload"].fillna(value=False), "load_ms"] / MS_PER_S
    if not reloading or loads_s.empty:
        return ()
    n = inputs.blocks["config_id"].nunique()
    return (
        (
            f"In {len(reloading)} of {n} configurations the one server loads a model again inside "
            f"its trials, because the agents ask for different options (median "
            f"{loads_s.median():.1f} s).{_range_against_one(inputs, words)} "
            f"{words.second.capitalize()} may pay there."
        ),
    )


def _range_against_one(inputs: ReportInputs, words: Words) -> str:
    """Say how far the groups of equal options lie apart; each stands in its own row below."""
    contrasts = inputs.table("contrasts")
    rows = [] if contrasts is None else plain_rows(contrasts)
    found = [row for row in rows if row["family"] == RELOADING and not math.isnan(row["value"])]
    if not found:
        return ""
    low, high = (pick(found, key=lambda row: row["value"]) for pick in (min, max))
    groups = f"{counted(len(found), 'group')} of equal options"
    return (
        f" {words.both.capitalize()} at once, {words.servers} against one: "
        f"{low['value']:.3f}× to {high['value']:.3f}× in {groups}, by what they load."
    )


def _equal_enough(shared: Verdict, words: Words) -> tuple[str, ...]:
    """Say so where one server together is as good as one after the other, by the tested margin."""
    if shared != "equivalent":
        return ()
    return (
        (
            f"{words.both.capitalize()} at once on one server are as fast as one after the "
            f"other{WITHIN} (where no model has to be reloaded)."
        ),
    )


def _which(inputs: ReportInputs, apart: Verdict, words: Words) -> tuple[str, ...]:
    """Name the best configuration on two servers, with the places that the data allow."""
    ranked = [
        row
        for row in plain_rows(inputs.config_statistics)
        if key_of(row) == APART_SPEEDUP
        and not math.isnan(row["rank"])
        and not math.isnan(row["ci_low"])
    ]
    if len(ranked) < 2 or apart != "faster":  # noqa: PLR2004 one alone is no choice
        return ()  # what is advised against has no best
    best = min(ranked, key=lambda row: (row["rank"], row["config_id"]))
    said = (
        f"On {words.servers} {best['config_id']} gains most ({best['value']:.3f}×, "
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
