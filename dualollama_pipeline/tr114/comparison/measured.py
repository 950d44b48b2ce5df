"""Rows of the comparison that this machine measured (or simulated, and then they say so)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dualollama_pipeline.core.study import APART, PAIR
from dualollama_pipeline.metrics.catalog import (
    ALL,
    APART_AGAINST_SHARED,
    APART_SECONDS,
    BALANCE,
    SHARED_SECONDS,
    Key,
    key_of,
)
from dualollama_pipeline.statistics.samples import of_key
from dualollama_pipeline.tables.rows import Row

if TYPE_CHECKING:
    import pandas as pd

NAN = float("nan")
SHOWN = (
    APART_SECONDS,
    SHARED_SECONDS,
    APART_AGAINST_SHARED,
    Key("throughput_scaling", APART),
    *(Key("slowdown", APART, agent.name) for agent in PAIR),
    BALANCE,
    Key("tok_per_s_delta", APART),
    Key("ttft_delta_ms", APART),
)
BESIDE = {APART_SECONDS: "true speedup"}


def measured_rows(
    critique: pd.DataFrame, config_statistics: pd.DataFrame, population_statistics: pd.DataFrame
) -> list[Row]:
    """This machine's figures, and beside the true speedup what the imported runs suggest."""
    rows = []
    for key in SHOWN:
        found = population_statistics
        if not found.empty:
            found = of_key(found, key)
        if not found.empty and key == APART_AGAINST_SHARED:
            rows.append(_two_against_one(found.iloc[0]))
        elif not found.empty:
            rows.append(_row(found.iloc[0], critique))
    best = _best(config_statistics)
    return [*rows, best] if best else rows


def _named(key: Key) -> str:
    """Name an estimate: its metric, arm and agent, if it is of one."""
    return ", ".join((key.metric, key.arm) if key.agent == ALL else key)


def _row(estimate: pd.Series, critique: pd.DataFrame) -> Row:
    key, origin = key_of(estimate), str(estimate["origin"])
    row = {
        "origin": origin,
        "topic": "this machine",
        "metric": _named(key),
        "unit": str(estimate["unit"]),
        "level": f"blocks, n {estimate['n']}; the interval is that of the value",
        "left": f"this machine (Python, asyncio; {origin})",
        "left_value": _number(estimate["value"]),
        "ci_low": _number(estimate["ci_low"]),
        "ci_high": _number(estimate["ci_high"]),
        "obstacle": _why(origin),
    }
    other = critique
    if not other.empty:
        other = critique[critique["finding"].eq(BESIDE.get(key, ""))]
    if other.empty:
        return row
    rust = other.iloc[0]
    return {
        **row,
        "right": f"Rust (TR114), estimated from its runs: {_interval(rust)}",
        "right_value": _number(rust["value"]),
        "obstacle": f"{_why(origin)}, other workload; no difference is formed",
    }


def _two_against_one(estimate: pd.Series) -> Row:
    """Two servers against one, both sides measured here: the one contest that can have a winner."""
    origin = str(estimate["origin"])
    names = {"difference": "value", "ci_low": "ci_low", "ci_high": "ci_high"}
    return {
        "origin": origin,
        "topic": "this machine",
        "metric": _named(APART_AGAINST_SHARED),
        "unit": "x",
        "level": f"configurations without reloads, n {estimate['n']}; weighted speedup",
        "left": "two agents on one server",
        "left_value": 1.0,
        "right": "two agents on two servers",
        "right_value": _number(estimate["value"]),
        **{name: 100 * (_number(estimate[column]) - 1) for name, column in names.items()},
        "difference_unit": "%",
        "obstacle": "no winner: simulated, an illustration" if origin == "simulated" else "",
    }


def _why(origin: str) -> str:
    if origin == "simulated":
        return "no winner: simulated, an illustration; TR114 ran on another machine"
    return "no winner: TR114 ran on another machine"


def _interval(row: pd.Series) -> str:
    if row["ci_low"] != row["ci_low"]:
        return "no interval"
    return f"95 % interval {row['ci_low']:.3f} to {row['ci_high']:.3f}"


def _number(value: Any) -> float:
    return NAN if value is None else float(value)


def _best(config_statistics: pd.DataFrame) -> Row | None:
    """The best configuration here, by the report's own figure: what TR110 and TR114 lead with."""
    rows = config_statistics
    if not rows.empty:
        rows = of_key(rows, BALANCE)
    if rows.empty or rows["value"].isna().all():
        return None
    rows = rows[rows["value"].notna()]
    best = rows.sort_values("value").iloc[-1]
    row = _row(best, rows.iloc[:0])
    return {
        **row,
        "level": f"best of {len(rows)} configurations, {best['config_id']}, n {best['n']}; the "
        "interval is that of the value",
        "obstacle": f"{row['obstacle']}; the best of several is larger by chance",
    }
