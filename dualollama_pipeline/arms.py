"""What `dualollama measure` shows at the end: the four arms, and the answer with its interval."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from dualollama_pipeline.statistics.estimate import config_statistics
from dualollama_pipeline.statistics.samples import collect_samples
from dualollama_pipeline.tables.build import build_tables

if TYPE_CHECKING:
    import pandas as pd

    from dualollama_pipeline.worker.journal import Journal

ARMS = {
    "solo_a": "collector",
    "solo_b": "insight",
    "dual": "2 servers",
    "single": "1 server",
}
ROLES = ("collector", "insight")
WHAT = ("tok/s", "TTFT ms")
SHOWN = ("dual_true_speedup", "single_true_speedup", "balance_efficiency_pct")


def print_arms(journal: Journal) -> None:
    """Print wall time, rates and TTFT of the four arms, then the estimates of this configuration.

    Raises:
        JournalError: the journal holds no trial.
        TableError: a table of it breaks its schema.
    """
    tables = build_tables(journal)
    runs, blocks = tables.run_table, tables.block_table
    console = Console()
    if journal.origin == "simulated":
        console.print("SIMULATED: these numbers come from a simulator", style="bold")
    console.print(_arms(runs))
    for _, row in config_statistics(collect_samples(runs, blocks)).iterrows():
        if row["metric"] in SHOWN:
            console.print(_sentence(row), markup=False, highlight=False)


def _arms(runs: pd.DataFrame) -> Table:
    table = Table(caption="medians over trials that are ok; tok/s by the server's counters")
    table.add_column("arm", no_wrap=True)
    for column in ("ok", "wall s", *(f"{role}\n{what}" for role in ROLES for what in WHAT)):
        table.add_column(column, justify="right")
    for arm, words in ARMS.items():
        rows = runs[runs["arm"] == arm]
        ok = rows[rows["status"] == "ok"]
        names = [f"{role}_{name}" for role in ROLES for name in ("tok_per_s", "ttft_ms")]
        values = (_median(ok, name) for name in ("wall_s", *names))
        table.add_row(f"{arm} ({words})", f"{len(ok)}/{len(rows)}", *values)
    return table


def _median(rows: pd.DataFrame, name: str) -> str:
    known = rows[name].dropna()
    return "-" if known.empty else f"{known.median():.1f}"


def _sentence(row: pd.Series) -> str:
    name = f"{row['metric']} [{row['unit']}], n {row['n']}, {row['n_left_out']} left out"
    if row["null_reason"]:
        return f"{name}: no interval, {row['null_reason']}"
    interval = f"{100 * row['level']:.0f} % interval {row['ci_low']:.4g} to {row['ci_high']:.4g}"
    return f"{name}: {row['value']:.4g}, {interval}"
