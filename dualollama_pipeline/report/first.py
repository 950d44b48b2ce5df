"""The first screen: on what, the answer in seconds, since last night, and how much counts."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from dualollama_pipeline.core.study import APART
from dualollama_pipeline.metrics.catalog import ALL, APART_SECONDS, Key
from dualollama_pipeline.report.model import find
from dualollama_pipeline.report.wording import counted, number, percent, shorten
from dualollama_pipeline.statistics.samples import BLOCK

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from dualollama_pipeline.report.inputs import ReportInputs
    from dualollama_pipeline.report.model import Estimate, Provenance, Verdict

MOST_REASONS = 2
IDEAL = Key("ideal_speedup", APART)
SIDES: dict[Verdict, str] = {"faster": "sooner", "slower": "later"}


def strip(inputs: ReportInputs, source: Provenance) -> tuple[str, ...]:
    """Say on what it was measured: models, machine, servers, when, how much."""
    facts = inputs.pair.facts if inputs.pair is not None else ()
    models = ", ".join(dict.fromkeys(server.model for server in source.servers))
    versions = ", ".join(dict.fromkeys(server.version for server in source.servers))
    n_nights = _n_nights(inputs)
    night = f", night {n_nights}" if n_nights > 1 else ""
    n_blocks = len(inputs.blocks[BLOCK].drop_duplicates())
    n = inputs.blocks["config_id"].nunique()
    return tuple(
        filter(
            None,
            (
                *(facts or (models,)),
                f"server {versions}" if versions else "",
                f"{(source.last_started_at or '')[:10]}{night}",
                f"{counted(n, 'configuration')}, {counted(n_blocks, 'block')}" if n_blocks else "",
            ),
        )
    )


def _n_nights(inputs: ReportInputs) -> int:
    trend = inputs.table("trend")
    return 0 if trend is None else int(trend.loc[trend["scope"].eq(ALL), "n_nights"].max())


def mean_seconds(blocks: pd.DataFrame) -> tuple[float, float] | None:
    """Return the mean wall seconds together and one after the other, of blocks that count.

    The mean of the configurations' means, so that none weighs more for having more blocks.
    """
    apart = blocks[blocks["arm"].eq(APART) & blocks["counts"] & blocks["in_turn_s"].notna()]
    if apart.empty:
        return None
    means = apart.groupby("config_id", observed=True)[["wall_s", "in_turn_s"]].mean().mean()
    return float(means["wall_s"]), float(means["in_turn_s"])


def in_seconds(blocks: pd.DataFrame, population: Sequence[Estimate]) -> str:
    """Return the answer in seconds: the time together, in turn, and what that is in percent.

    Empty where nothing has both times. The interval is the true speedup's, where it has one.
    """
    found, true = mean_seconds(blocks), find(population, APART_SECONDS)
    if found is None or true is None or true.value is None:
        return ""
    together, in_turn = (number(each, "s") for each in found)
    said = f"Together {together}, one after the other {in_turn}"
    gain, ends = time_change(true.value, true)
    if ends is None:
        gain = found[0] / found[1] - 1
        side = "later" if gain > 0 else "sooner"
        return f"{said}: {percent(abs(gain))} {side} (a point estimate, without an interval)."
    low, high = (percent(abs(end)).removesuffix(" %") for end in ends)
    if ends[0] * ends[1] < 0:
        return f"{said}: the difference is not sure ({100 * true.level:.0f} %: up to {high} %)."
    side = "later" if gain > 0 else "sooner"
    return f"{said}: {percent(abs(gain))} {side} ({100 * true.level:.0f} %: {low} to {high})."


def at_best(blocks: pd.DataFrame, population: Sequence[Estimate]) -> tuple[str, ...]:
    """Return what a second GPU could bring at most: the time of agents that share nothing."""
    found, ideal = mean_seconds(blocks), find(population, IDEAL)
    if found is None or ideal is None or ideal.value is None:
        return ()
    time = number(found[1] / ideal.value, "s")
    said = "Without any disturbance between the agents, as at best with a GPU for each, together"
    return (f"{said} would take {time} (computed from the baselines, not measured).",)


def time_change(value: float, true: Estimate) -> tuple[float, tuple[float, float] | None]:
    """Return by what share more time is taken together than in turn, and its interval's ends.

    `value` is the true speedup: 1 / it - 1. The end that is nearer to no change stands first.
    """
    gain = 1 / value - 1
    if true.ci_low is None or true.ci_high is None:
        return gain, None
    near, far = sorted((1 / true.ci_low - 1, 1 / true.ci_high - 1), key=abs)
    return gain, (near, far)


def driven_by_length(verdict: Verdict, seconds: str, blocks: pd.DataFrame) -> tuple[str, ...]:
    """Say so where answers of different length drive seconds and rates apart (METHOD section 2)."""
    side = SIDES.get(verdict)
    if side is None or not seconds or f" {side}" in seconds:
        return ()
    counting = blocks[blocks["counts"] & blocks["arm"].eq(APART)]
    share = 1 - float(counting["window_share"].mean())
    said = f"Answers differ in length: {percent(share)} of the time not all agents were running, "
    return (said + "which moves the seconds and not the rates that the verdict rests on.",)


def since_last_night(inputs: ReportInputs) -> str:
    """Say what changed since the night before, over the configurations of both; else nothing."""
    if inputs.since is None:
        return ""
    day, change = inputs.since
    night = f"Since the night before ({day})"
    if change.ratio.reason:
        return f"{night}: not known, {change.ratio.reason}."
    percents = [f"{100 * (each - 1):+.1f}" for each in change.ratio[:3]]
    word = "the weighted speedup changed" if change.is_shown else "nothing changed that matters"
    return f"{night}: {word} ({percents[0]} %, 95 %: {percents[1]} to {percents[2]} %)."


def blocks_that_count(blocks: pd.DataFrame) -> str:
    """Say how many blocks count in every arm."""
    each = blocks.groupby(BLOCK, observed=True)["counts"].all()
    n, counting = len(each), int(each.sum())
    if n == 1:
        return f"The one block {'counts' if counting else 'does not count'}."
    return f"All {n} blocks count." if counting == n else f"{counting} of {n} blocks count."


def how_much_counts(inputs: ReportInputs) -> tuple[str, ...]:
    """Say how many blocks count, and the commonest reasons why the others do not."""
    blocks = inputs.blocks
    if blocks.empty:
        return ()
    lines = [blocks_that_count(blocks)]
    lines += [*_reasons(blocks), *without_speedup(blocks)]
    if inputs.missing:
        names = list(inputs.missing)
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""  # noqa: PLR2004
        lines.append(f"Not in this report: {', '.join(names[:3])}{more}.")
    return tuple(map(shorten, lines))


def without_speedup(blocks: pd.DataFrame) -> list[str]:
    """Say why blocks that count have no weighted speedup, the commonest reason first."""
    bare = blocks[blocks["counts"] & blocks["weighted_speedup"].isna()]
    why = Counter(filter(None, bare["null_reason"]))
    return [f"Without a speedup ({n} times): {each}." for each, n in why.most_common(MOST_REASONS)]


def _reasons(blocks: pd.DataFrame) -> Iterator[str]:
    once = blocks[[*BLOCK, "exclusion_reason"]].drop_duplicates()  # of a block, not of each arm
    why = Counter(filter(None, once["exclusion_reason"]))
    for reason, n in why.most_common(MOST_REASONS):
        yield f"Left out ({counted(n, 'block')}): {reason}."
