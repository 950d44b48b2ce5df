"""What one configuration's tables say: figures for Dagster's plots, sentences for everybody."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from dualollama_pipeline.core.study import TOGETHER
from dualollama_pipeline.metrics.catalog import (
    APART_SECONDS,
    APART_SPEEDUP,
    BALANCE,
    BY_NAME,
    SHARED_SECONDS,
    SHARED_SPEEDUP,
    key_of,
)
from dualollama_pipeline.report.first import blocks_that_count, in_seconds, without_speedup
from dualollama_pipeline.report.model import Estimate
from dualollama_pipeline.report.wording import one_line
from dualollama_pipeline.statistics.estimate import config_statistics
from dualollama_pipeline.statistics.samples import collect_samples
from dualollama_pipeline.tables.rows import plain_rows
from dualollama_pipeline.tables.validity import is_usable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pandas as pd

    from dualollama_pipeline.tables.build import Tables
    from dualollama_pipeline.tables.rows import Row

SHOWN = (APART_SPEEDUP, SHARED_SPEEDUP, APART_SECONDS, SHARED_SECONDS, BALANCE)
NUMBERS = ("value", "ci_low", "ci_high", "mean", "median", "sd", "cv_pct", "min", "max")
TEXTS = ("origin", "metric", "arm", "agent", "unit", "method", "null_reason")
METRICS = tuple(dict.fromkeys(BY_NAME[key.metric] for key in SHOWN))
OF_AGENTS = {"decode_tok_per_s": "mean_decode_tok_per_s", "ttft_ms": "mean_ttft_ms"}


class Told(NamedTuple):
    """Figures by name (a missing one is not there), and the answer in sentences."""

    figures: dict[str, float]
    sentences: tuple[str, ...]


def tell(tables: Tables) -> Told:
    """Estimate from one configuration's tables; no sentence where there is one agent alone."""
    runs, agents, blocks = tables.run_table, tables.agent_table, tables.block_table
    found = dict(_medians(runs, agents))
    if blocks.empty:
        return Told(found, ())
    rows = plain_rows(config_statistics(collect_samples(runs, agents, blocks, metrics=METRICS)))
    counting = blocks.groupby("block", observed=True)["counts"].all()
    found |= {"blocks": float(len(counting)), "blocks_counted": float(counting.sum())}
    shown = [row for row in rows if key_of(row) in SHOWN]
    said = [_sentence(row) for row in shown]
    if seconds := in_seconds(blocks, [estimate_of(row) for row in rows]):
        said.append(seconds)
    return Told(
        figures_of(shown) | found,
        (*said, blocks_that_count(blocks), *without_speedup(blocks)),
    )


def figures_of(rows: Iterable[Row]) -> dict[str, float]:
    """Return estimates as figures: `weighted_speedup_apart`, the ends of its interval, its n."""
    rows = list(rows)
    ends = {"": "value", "_low": "ci_low", "_high": "ci_high"}
    named = {
        f"{row['metric']}_{row['arm']}{end}": float(row[column])
        for row in rows
        for end, column in ends.items()
    }
    known = {name: rounded(value) for name, value in named.items() if not math.isnan(value)}
    return known | {f"{row['metric']}_{row['arm']}_n": float(row["n"]) for row in rows}


def rounded(value: float) -> float:
    """Return four significant digits: what a plot or a table of Dagster's can show."""
    return float(f"{value:.4g}")


def figures_of_answers(estimates: pd.DataFrame) -> dict[str, float]:
    """Return the estimates that answers are given with, of a table of them."""
    return figures_of(row for row in plain_rows(estimates) if key_of(row) in SHOWN)


def _medians(runs: pd.DataFrame, agents: pd.DataFrame) -> Iterator[tuple[str, float]]:
    """Return medians over trials that count: wall seconds by arm, rates and TTFT by agent."""
    for arm in TOGETHER:
        sound = runs[runs["arm"].eq(arm) & is_usable(runs)]
        yield from _median(f"wall_s_{arm}", sound["wall_s"])
        mine = agents[agents["trial_id"].isin(sound["trial_id"])]
        for agent in mine["agent"].astype(str).unique():
            for name, column in OF_AGENTS.items():
                yield from _median(
                    f"{name}_{arm}_{agent}", mine.loc[mine["agent"].eq(agent), column]
                )


def _median(name: str, values: pd.Series) -> Sequence[tuple[str, float]]:
    known = values.dropna()
    return [] if known.empty else [(name, rounded(float(known.median())))]


def _sentence(row: Row) -> str:
    name = (
        f"{row['metric']}, {row['arm']} [{row['unit']}], n {row['n']}, {row['n_left_out']} left out"
    )
    if math.isnan(row["value"]):
        return f"{name}: {row['null_reason']}"
    if row["null_reason"]:
        return f"{name}: {row['value']:.4g}, no interval: {row['null_reason']}"
    interval = f"{100 * row['level']:.0f} % interval {row['ci_low']:.4g} to {row['ci_high']:.4g}"
    return f"{name}: {row['value']:.4g}, {interval}"


def estimate_of(row: Row) -> Estimate:
    """Return an estimate of config_statistics."""
    return Estimate(**estimate_fields(row))


def estimate_fields(row: Row) -> dict[str, Any]:
    """Return what all estimates have; what is not known is None."""
    return {
        **{name: None if math.isnan(row[name]) else row[name] for name in NUMBERS},
        **{name: one_line(row[name]) for name in TEXTS},
        "level": row["level"],
        "n": int(row["n"]),
        "n_left_out": int(row["n_left_out"]),
        "batches": tuple(row["batches"].split()),
    }
