"""How many agents fit: throughput, TTFT and weighted speedup by their number, and where it ends."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from dualollama_pipeline.core.study import APART, SHARED, TOGETHER
from dualollama_pipeline.core.units import MS_PER_S
from dualollama_pipeline.metrics.catalog import Key
from dualollama_pipeline.statistics.estimate import config_statistics
from dualollama_pipeline.statistics.intervals import interval_of
from dualollama_pipeline.statistics.means import difference, mean_of, sample
from dualollama_pipeline.statistics.samples import collect_samples, of_key
from dualollama_pipeline.tables.conform import conform
from dualollama_pipeline.tables.validity import is_usable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from dualollama_pipeline.core.specs import ServiceLevels
    from dualollama_pipeline.tables.build import Tables

    Row = dict[str, Any]

NAN = float("nan")
MIN_CALLS = 40  # of a 95th percentile (METHOD section 3)


class Option(NamedTuple):
    """A way to run agents at once: an arm; with as many slots as agents, or as the server is."""

    arm: str
    has_slots: bool = False

    @property
    def words(self) -> str:
        """What the option is called."""
        if self.arm == APART:
            return "a server each"
        return "one server, a slot each" if self.has_slots else "one server, as it is"


OPTIONS = (Option(APART), Option(SHARED), Option(SHARED, has_slots=True))


def capacity_table(
    measured: Iterable[tuple[Tables, int | None]], levels: ServiceLevels
) -> pd.DataFrame:
    """Return the table `capacity`: a row for each number of agents and way to run them.

    `measured`: the tables of a configuration, with the slots of the shared server if it was started
    with a number of them. One agent alone stands at the beginning of every way.
    """
    rows: list[Row] = []
    rates: dict[tuple[Option, int], NDArray[np.float64]] = {}
    for tables, n_slots in measured:
        runs = tables.run_table
        n_agents = int(runs["n_agents"].max())
        if n_agents == 1:
            rows.append(_row(tables, str(runs["arm"].iloc[0]), 1, None, levels))
            rates |= dict.fromkeys(((option, 1) for option in OPTIONS), _rates(runs))
            continue
        for arm in TOGETHER:
            if arm == APART and n_slots is not None:  # a server each: measured without slots, too
                continue
            rows.append(_row(tables, arm, n_agents, n_slots, levels))
            option = Option(arm, n_slots is not None)
            rates[option, n_agents] = _rates(runs[runs["arm"].eq(arm)])
    for row in rows:
        option = Option(row["arm"], row["n_slots"] is not None)
        row["gains"] = _gains(rates.get((option, row["n_agents"])),
                              rates.get((option, row["n_agents"] - 1)))  # fmt: skip
    rows.sort(key=lambda row: (row["arm"] == SHARED, row["n_slots"] is not None, row["n_agents"]))
    return conform("capacity", pd.DataFrame(rows))


def _rates(runs: pd.DataFrame) -> NDArray[np.float64]:
    """Return tokens of all agents / wall time of each trial that counts."""
    sound = runs[is_usable(runs)]
    rates = sound["n_tokens"].astype("float64") / sound["wall_s"]
    return rates.to_numpy(dtype=np.float64)


def _gains(now: NDArray[np.float64] | None, before: NDArray[np.float64] | None) -> bool | None:
    """Say whether the whole interval of the ratio of two throughputs lies above 1."""
    if now is None or before is None or not len(now) or not len(before):
        return None
    found = interval_of(mean_of(difference(sample(np.log(now)), sample(np.log(before)))))
    return None if math.isnan(found.low) else found.low > 0


def _row(
    tables: Tables, arm: str, n_agents: int, n_slots: int | None, levels: ServiceLevels
) -> Row:
    trials = tables.run_table
    runs = trials[trials["arm"].eq(arm) & is_usable(trials)]
    mine = set(runs["trial_id"])
    calls = tables.call_table[tables.call_table["trial_id"].isin(mine)]
    calls = calls[calls["status"].eq("ok")]
    agents = tables.agent_table[tables.agent_table["trial_id"].isin(mine)]
    rates = _rates(runs)
    found = interval_of(mean_of(sample(np.log(rates))))
    ttft_ms = calls["ttft_ms"].dropna()
    slowest = agents.groupby("agent")["mean_decode_tok_per_s"].mean().min()
    row: Row = {
        "origin": trials["origin"].iloc[0],
        "model": calls["model"].iloc[0] if len(calls) else "not known",
        "n_agents": n_agents,
        "arm": arm,
        "n_slots": n_slots,
        "n_blocks": len(runs),
        **_ends("tok_per_s", *(math.exp(end) for end in found[:3])),
        **_speedup(tables, arm, n_agents),
        "n_calls": len(calls),
        "ttft_p95_ms": ttft_ms.quantile(0.95) if len(ttft_ms) >= MIN_CALLS else NAN,
        "ttft_max_ms": ttft_ms.max() if len(ttft_ms) else NAN,
        "agent_tok_per_s": slowest,
    }
    fits, why = _within(row, levels)
    return {**row, "fits": fits, "why": why}


def _ends(name: str, value: float, low: float, high: float) -> Row:
    return {name: value, f"{name}_low": low, f"{name}_high": high}


def _speedup(tables: Tables, arm: str, n_agents: int) -> Row:
    if n_agents == 1:
        return _ends("weighted_speedup", 1.0, NAN, NAN)
    every = config_statistics(
        collect_samples(tables.run_table, tables.agent_table, tables.block_table)
    )
    found = of_key(every, Key("weighted_speedup", arm)).iloc[0]
    return _ends("weighted_speedup", found["value"], found["ci_low"], found["ci_high"])


def _within(row: Row, levels: ServiceLevels) -> tuple[bool | None, str]:
    """Hold a row against the levels; where a percentile has too few calls, all must be within."""
    few = math.isnan(row["ttft_p95_ms"])
    name = f"TTFT of all {row['n_calls']} calls" if few else "TTFT P95"
    ttft_ms, rate = row["ttft_max_ms"] if few else row["ttft_p95_ms"], row["agent_tok_per_s"]
    if not row["n_blocks"] or math.isnan(ttft_ms) or math.isnan(rate):
        return None, "no trial counts, or its times are not known"
    missed = []
    if ttft_ms > levels.ttft_p95_ms:
        limit_s = levels.ttft_p95_ms / MS_PER_S
        missed.append(f"{name}: {ttft_ms / MS_PER_S:.2f} s, at most {limit_s:g} s")
    if rate < levels.tok_per_s:
        missed.append(f"slowest agent {rate:.1f} tok/s, at least {levels.tok_per_s:g}")
    return not missed, "; ".join(missed)


class Limit(NamedTuple):
    """Where a way to run agents ends: `fit` agents are within the levels (0: not even one).

    `knee`: from this number on one agent more brings no throughput that shows; None if none of
    those measured does, which `is_known` only where each step has an interval. `most` is the
    largest number that was measured.
    """

    option: Option
    fit: int
    knee: int | None
    most: int
    why: str
    tok_per_s: float  # of all that fit
    is_known: bool


def limits(table: pd.DataFrame) -> list[Limit]:
    """Return for each way that was measured how many agents fit, and the knee."""
    made = []
    alone = table[table["n_agents"].eq(1)]
    for option in OPTIONS:
        is_slots = table["n_slots"].notna() == option.has_slots
        mine = table[table["n_agents"].gt(1) & table["arm"].eq(option.arm) & is_slots]
        if mine.empty:
            continue
        rows = [*_records(alone), *_records(mine)]
        unfit = next((row for row in rows if row["fits"] is not True), None)
        fit = rows[-1]["n_agents"] if unfit is None else unfit["n_agents"] - 1
        idle = next((row["n_agents"] for row in rows[1:] if row["gains"] is False), None)
        made.append(
            Limit(
                option,
                int(fit),
                None if idle is None else int(idle) - 1,
                int(rows[-1]["n_agents"]),
                "" if unfit is None else str(unfit["why"]),
                max([row["tok_per_s"] for row in rows if row["n_agents"] == fit], default=0.0),
                all(row["gains"] is not None for row in rows[1:]),
            )
        )
    return made


def _records(rows: pd.DataFrame) -> list[Row]:
    """Return rows in the order of their agents; a flag is True, False or None."""
    made: list[Row] = [
        {str(name): value for name, value in row.items()}
        for row in rows.sort_values("n_agents").to_dict("records")
    ]
    for row in made:
        row |= {flag: None if pd.isna(row[flag]) else bool(row[flag]) for flag in ("fits", "gains")}
    return made


def in_words(found: Sequence[Limit], levels: ServiceLevels) -> list[str]:
    """Return the answer: how many agents fit, then each way with its knee."""
    if not found:
        return ["Nothing was measured with two agents or more."]
    best = max(found, key=lambda limit: (limit.fit, limit.tok_per_s))
    at_least = "At least " if best.fit == best.most else ""
    level = f"TTFT P95 {levels.ttft_p95_ms / MS_PER_S:g} s, {levels.tok_per_s:g} tok/s an agent"
    lines = [f"{at_least}{best.fit} agents fit here ({level}): {best.option.words}."]
    for limit in found:
        knee = (
            f"throughput still grows with {limit.most}"
            if limit.knee is None and limit.is_known
            else "whether throughput still grows is not known (below 5 blocks)"
            if limit.knee is None
            else f"no more throughput than with {limit.knee} shows"
        )
        why = f" ({limit.why})" if limit.why else ""
        lines.append(f"{limit.option.words}: {limit.fit} of {limit.most} agents fit{why}; {knee}.")
    return lines
