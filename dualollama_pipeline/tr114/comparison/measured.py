"""Rows of the comparison that this machine measured (or simulated, and then they say so)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

NAN = float("nan")
Row = dict[str, Any]
SHOWN = (
    "dual_true_speedup",
    "single_true_speedup",
    "dual_against_single",
    "dual_throughput_scaling",
    "dual_collector_slowdown",
    "dual_insight_slowdown",
    "balance_efficiency_pct",
    "collector_minus_insight_tok_per_s",
    "ttft_delta_ms",
)
BESIDE = {"dual_true_speedup": "true speedup"}


def measured_rows(
    critique: pd.DataFrame, config_statistics: pd.DataFrame, population_statistics: pd.DataFrame
) -> list[Row]:
    """This machine's figures, and beside the true speedup what the imported runs suggest."""
    rows = []
    for name in SHOWN:
        found = _where(population_statistics, "metric", name)
        if not found.empty and name == "dual_against_single":
            rows.append(_two_against_one(found.iloc[0]))
        elif not found.empty:
            rows.append(_row(found.iloc[0], critique))
    best = _best(config_statistics)
    return [*rows, best] if best else rows


def _where(table: pd.DataFrame, column: str, value: str) -> pd.DataFrame:
    """Return the rows with a value; a table without rows may be without columns, too."""
    return table if table.empty else table[table[column].eq(value)]


def _row(estimate: pd.Series, critique: pd.DataFrame) -> Row:
    name, origin = str(estimate["metric"]), str(estimate["origin"])
    row = {
        "origin": origin,
        "topic": "this machine",
        "metric": name,
        "unit": str(estimate["unit"]),
        "level": f"blocks, n {estimate['n']}; the interval is that of the value",
        "left": f"this machine (Python, asyncio; {origin})",
        "left_value": _number(estimate["value"]),
        "ci_low": _number(estimate["ci_low"]),
        "ci_high": _number(estimate["ci_high"]),
        "obstacle": _why(origin),
    }
    other = _where(critique, "finding", BESIDE.get(name, ""))
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
        "metric": "dual_against_single",
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
    rows = _where(config_statistics, "metric", "balance_efficiency_pct")
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
