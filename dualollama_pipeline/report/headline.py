"""The answer in plain words: is it faster together, by how much, how sure?

Every word follows from an interval's place against 1. From simulated data the words say
"illustration" and never that something is supported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dualollama_pipeline.core.study import APART
from dualollama_pipeline.metrics.catalog import (
    APART_AGAINST_SHARED,
    APART_SECONDS,
    APART_SPEEDUP,
    SHARED_SPEEDUP,
)
from dualollama_pipeline.report.first import time_change
from dualollama_pipeline.report.model import find
from dualollama_pipeline.report.wording import PAIR, Words, counted, in_a_sentence, percent
from dualollama_pipeline.statistics.contrasts import headline_verdicts
from dualollama_pipeline.statistics.verdicts import MARGIN_RATIO

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from dualollama_pipeline.metrics.catalog import Key
    from dualollama_pipeline.report.model import (
        Estimate,
        PooledEstimate,
        ReportOrigin,
        Verdict,
    )

SOUND_BLOCKS = 15
WITHIN = f", within {100 * (MARGIN_RATIO - 1):.0f} %"
OF_A_CONTRAST: dict[str, Verdict] = {
    "better": "faster", "worse": "slower", "equivalent": "equivalent",
    "no difference shown": "no difference shown",
}  # fmt: skip
ANSWERS: dict[Verdict, str] = {
    "faster": "{Agents} at once on {servers} finish sooner than one after the other.",
    "slower": "{Agents} at once on {servers} finish later than one after the other.",
    "equivalent": f"{{Agents}} at once on {{servers}} are as fast as one after the other{WITHIN}.",
    "no difference shown": "No difference is shown: {agents} at once on {servers}, or one after "
    "the other.",
    "undetermined": "Whether {agents} at once are faster is not determined yet.",
}
NOTHING_SURE = "Why, and what to do about it, stands below; nothing here is a result."
ONE_SERVER: dict[Verdict, str] = {
    "faster": "{Both} agents on one server also beat one after the other",
    "slower": "{Both} agents on one server are slower than one after the other",
    "equivalent": f"{{Both}} agents on one server are as fast as one after the other{WITHIN}",
    "no difference shown": "{Both} agents on one server: no difference to one after the other "
    "shown",
    "undetermined": "{Both} agents on one server: not determined",
}
AGAINST: dict[Verdict, str] = {
    "faster": "Within the same blocks, {servers} beat one server",
    "slower": "Within the same blocks, {servers} lose against one server",
    "equivalent": f"Within the same blocks, {{servers}} and one server are equally fast{WITHIN}",
    "no difference shown": "Within the same blocks, {servers} against one: no difference shown",
    "undetermined": "{Servers} against one: not determined",
}
STANDING: dict[ReportOrigin, str] = {
    "simulated": "These numbers come from a simulator, in whole or in part: an illustration of the "
    "method, which supports no statement about real servers.",
    "measured": "Measured on the servers, model and options named under Provenance; it speaks for "
    "those.",
    "imported": "Taken over from runs that others made; conditions are as they recorded them.",
    "none": "There are no rows to speak of.",
    "mixed": "Rows of different origins are pooled here: do not read it as one measurement.",
}


class Answer(NamedTuple):
    """Verdict, its sentence, and the sentences that carry the numbers."""

    verdict: Verdict
    headline: str
    explanation: tuple[str, ...]


def judge_against_one(estimate: Estimate | None) -> Verdict:
    """Say on which side of 1 the whole interval lies."""
    if estimate is None or estimate.ci_low is None or estimate.ci_high is None:
        return "undetermined"
    if estimate.ci_low > 1:
        return "faster"
    return "slower" if estimate.ci_high < 1 else "no difference shown"


def judged(contrasts: pd.DataFrame | None, population: Sequence[Estimate]) -> dict[Key, Verdict]:
    """Return the verdicts on the population: those that were stored, corrected for their family.

    Where nothing was compared, as in a study of another shape, by the interval's side of 1.
    """
    stored = {} if contrasts is None else headline_verdicts(contrasts)
    return {
        key: OF_A_CONTRAST.get(stored[key], "undetermined")
        if key in stored
        else judge_against_one(find(population, key))
        for key in (APART_SPEEDUP, SHARED_SPEEDUP, APART_AGAINST_SHARED)
    }


def answer(
    population: Sequence[PooledEstimate],
    verdicts: Mapping[Key, Verdict],
    origin: ReportOrigin,
    n_reloading: int,
    nothing: str = "",
    words: Words = PAIR,
) -> Answer:
    """Answer the first question of a reader from the population's estimates.

    `nothing` is the headline where nothing can be compared: then there is only that to say.
    `n_reloading` counts the configurations that make the one server reload its model: they are not
    pooled into the one-server figures, and the reader must know (METHOD 2).
    """
    apart = find(population, APART_SPEEDUP)
    shared = find(population, SHARED_SPEEDUP)
    seconds = find(population, APART_SECONDS)
    against = find(population, APART_AGAINST_SHARED)
    verdict = verdicts[APART_SPEEDUP]
    if nothing:
        return Answer("undetermined", nothing, (NOTHING_SURE, STANDING[origin]))
    aside = _stand_apart(n_reloading)
    one_server = words.fill(ONE_SERVER[verdicts[SHARED_SPEEDUP]])
    one_server += f": {in_a_sentence(shared)}."
    against_one = words.fill(AGAINST[verdicts[APART_AGAINST_SHARED]])
    against_one += f": {in_a_sentence(against)}."
    lead = "Simulated illustration. " if origin == "simulated" else ""
    return Answer(
        verdict=verdict,
        headline=lead + words.fill(ANSWERS[verdict]),
        explanation=(
            _how_sure(verdict, apart),
            f"Weighted speedup on {words.servers}: {in_a_sentence(apart)}.",
            *_in_seconds(seconds),
            *(
                (one_server + aside, against_one)
                if shared is not None  # a study may leave the one server out
                else ()
            ),
            STANDING[origin],
        ),
    )


def how_often_stopped(calls: pd.DataFrame, blocks: pd.DataFrame) -> tuple[str, ...]:
    """Say how many answers ended by themselves, and what that does to intervals of few blocks.

    Simulated with 20 % of such calls (benchmarks/coverage.py), the 95 % interval of 5 blocks covers
    90 %, of 15 blocks 94 %: no level mends it, since some nights hold no stop at all.
    """
    ended = calls.loc[calls["status"].eq("ok"), "done_reason"]
    n_stopped = int(ended.eq("stop").sum())
    if not n_stopped:
        return ()
    apart = blocks[blocks["arm"].eq(APART)]
    fewest = int(apart.groupby("config_id", observed=True)["counts"].sum().min())
    few = (
        f" The 95 % interval of a configuration then covers about 90 % below {SOUND_BLOCKS} "
        f"blocks: measure {SOUND_BLOCKS}, or set `hold_length`."
    )
    said = f"{n_stopped} of {len(ended)} answers ended before their length limit."
    return (said + (few if fewest < SOUND_BLOCKS else ""),)


def _stand_apart(n_reloading: int) -> str:
    """Say which configurations the pooled one-server figures leave aside."""
    if n_reloading == 0:
        return ""
    return (
        f" In {counted(n_reloading, 'configuration')} the agents make the one "
        "server reload its model; these are not pooled here, their rows are below."
    )


def _how_sure(verdict: Verdict, found: Estimate | None) -> str:
    """Say where the interval of the weighted speedup, which carries the verdict, lies."""
    if found is None or found.value is None or found.ci_low is None or found.ci_high is None:
        why = f": {found.null_reason}" if found is not None and found.null_reason else ""
        return f"Without an interval nothing is claimed{why}."
    if verdict == "equivalent":
        return f"The difference lies{WITHIN.removeprefix(',')}, whatever its side."
    if found.ci_low <= 1 <= found.ci_high:
        return "The interval contains 1, so neither a gain nor a loss is shown."
    if verdict not in {"faster", "slower"}:
        return "Corrected for all that was compared, neither a gain nor a loss is shown."
    side = "above" if verdict == "faster" else "below"
    return f"The whole interval of the weighted speedup lies {side} 1."


def _in_seconds(true: Estimate | None) -> tuple[str, ...]:
    """Say what the work of the pair took, against one after the other."""
    if true is None or true.value is None:
        return ()
    gain, ends = time_change(true.value, true)
    word = "less" if gain < 0 else "more"
    said = f"In seconds, together takes {percent(abs(gain))} {word} time for the same work"
    if ends is None:
        why = f" ({true.null_reason})" if true.null_reason else ""
        return (f"{said}{why}.",)
    if ends[0] * ends[1] < 0:
        return (f"{said}; the interval contains no change.",)
    low, high = (percent(abs(end)) for end in ends)
    said += f" ({100 * true.level:.0f} % interval {low} to {high})"
    return (f"{said}: true speedup {in_a_sentence(true)}.",)
