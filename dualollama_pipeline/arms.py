"""What `dualollama measure` shows at the end: the four arms, and the answer with its interval."""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from dualollama_pipeline.statistics.estimate import config_statistics
from dualollama_pipeline.statistics.samples import collect_samples
from dualollama_pipeline.tables.build import build_tables
from dualollama_pipeline.tables.guards import GUARDS

if TYPE_CHECKING:
    from collections.abc import Iterator

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
SHOWN = (
    "dual_weighted_speedup",
    "single_weighted_speedup",
    "dual_true_speedup",
    "single_true_speedup",
    "balance_efficiency_pct",
)


def print_arms(journal: Journal) -> int:
    """Print the four arms, why trials do not count, and estimates; return how many blocks count.

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
    for line in (*_reasons(runs), *_estimates(runs, blocks)):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    counting = blocks["in_dual_estimate"] | blocks["in_single_estimate"]
    return int(counting.sum())


def _arms(runs: pd.DataFrame) -> Table:
    table = Table(caption="medians over trials that count; tok/s by the server's counters")
    table.add_column("arm", no_wrap=True)
    for column in ("count", "wall s", *(f"{role}\n{what}" for role in ROLES for what in WHAT)):
        table.add_column(column, justify="right")
    for arm, words in ARMS.items():
        rows = runs[runs["arm"] == arm]
        sound = rows[rows["status"].eq("ok") & rows["validity"].ne("INVALID")]
        names = [f"{role}_{name}" for role in ROLES for name in ("tok_per_s", "ttft_ms")]
        values = (_median(sound, name) for name in ("wall_s", *names))
        table.add_row(f"{arm} ({words})", f"{len(sound)}/{len(rows)}", *values)
    return table


def _median(rows: pd.DataFrame, name: str) -> str:
    known = rows[name].dropna()
    return "-" if known.empty else f"{known.median():.1f}"


def _reasons(runs: pd.DataFrame) -> Iterator[str]:
    """Say why trials do not count, each reason once with its advice; then what is a footnote."""
    invalid = runs["validity"].eq("INVALID")
    for word, rows in (("does not count", runs[invalid]), ("counts, but", runs[~invalid])):
        told = [
            (str(arm), reason)
            for arm, reasons in zip(rows["arm"], rows["validity_reasons"], strict=True)
            for reason in str(reasons).split("; ")
            if reason
        ]
        for (arm, reason), n in Counter(told).items():
            times = f" ({n} trials)" if n > 1 else ""
            yield f"{arm} {word}{times}: {reason}"
        for guard in dict.fromkeys(reason.split(": ", 1)[0] for _, reason in told):
            yield f"  way out ({guard}): {GUARDS[guard].advice}"


def _estimates(runs: pd.DataFrame, blocks: pd.DataFrame) -> Iterator[str]:
    for _, row in config_statistics(collect_samples(runs, blocks)).iterrows():
        if row["metric"] in SHOWN:
            yield _sentence(row)


def _sentence(row: pd.Series) -> str:
    name = f"{row['metric']} [{row['unit']}], n {row['n']}, {row['n_left_out']} left out"
    if math.isnan(row["value"]):
        return f"{name}: {row['null_reason']}"
    if row["null_reason"]:
        return f"{name}: {row['value']:.4g}, no interval: {row['null_reason']}"
    interval = f"{100 * row['level']:.0f} % interval {row['ci_low']:.4g} to {row['ci_high']:.4g}"
    return f"{name}: {row['value']:.4g}, {interval}"
