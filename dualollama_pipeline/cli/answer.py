"""What `dualollama measure` shows at the end: the arms, and the answer with its interval."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from dualollama_pipeline.core.study import APART, SHARED, TOGETHER
from dualollama_pipeline.report.configuration import tell
from dualollama_pipeline.tables.build import agents_of, build_tables
from dualollama_pipeline.tables.guards import GUARDS
from dualollama_pipeline.tables.validity import is_usable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from dualollama_pipeline.worker.journal import Journal

MOST_ABREAST = 2  # agents: 80 columns hold no more
WHAT = ("tok/s", "TTFT ms")
COLUMNS = ("mean_decode_tok_per_s", "mean_ttft_ms")


def print_arms(journal: Journal) -> int:
    """Print the arms, why trials do not count, and estimates; return how many blocks count.

    Of one agent alone: how many of its trials do.

    Raises:
        JournalError: the journal holds no trial.
        TableError: a table of it breaks its schema.
    """
    tables = build_tables(journal)
    runs, agents, blocks = tables.run_table, tables.agent_table, tables.block_table
    console = Console()
    if journal.origin == "simulated":
        console.print("SIMULATED: these numbers come from a simulator", style="bold")
    console.print(_arms(runs, agents, agents_of(journal)))
    for line in (*_reasons(runs), *tell(tables).sentences):
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    if blocks.empty:  # one agent, alone
        console.print("one agent: there is nobody to compare it with")
        return int(is_usable(runs).sum())
    return int(blocks.loc[blocks["counts"], "block"].nunique())


def _arms(runs: pd.DataFrame, agents: pd.DataFrame, names: Sequence[str]) -> Table:
    """Lay out a row for each arm; of more agents than fit side by side, for each agent of it."""
    table = Table(caption="medians over trials that count; tok/s by the server's counters")
    table.add_column("arm", no_wrap=True)
    is_wide = len(names) <= MOST_ABREAST
    own = (f"{name}\n{what}" for name in names for what in WHAT) if is_wide else ("agent", *WHAT)
    for column in ("count", "wall s", *own):
        table.add_column(column, justify="right", overflow="fold")
    words = {APART: f"{len(names)} servers", SHARED: "1 server"}
    measured = set(runs["arm"].unique())
    for arm in (*sorted(measured - {*TOGETHER}), *(arm for arm in TOGETHER if arm in measured)):
        rows = runs[runs["arm"] == arm]
        sound = rows[is_usable(rows)]
        mine = agents[agents["trial_id"].isin(sound["trial_id"])]
        values = {
            name: [_median(mine[mine["agent"].eq(name)], column) for column in COLUMNS]
            for name in names
        }
        first = [
            f"{arm} ({words[arm]})" if arm in words else arm if is_wide else "alone",
            f"{len(sound)}/{len(rows)}",
            _median(sound, "wall_s"),
        ]
        if is_wide:
            table.add_row(*first, *(value for each in values.values() for value in each))
            continue
        for name in sorted(_agents_in(agents, arm)):
            table.add_row(*first, name, *values[name])
            first = ["", "", ""]
    return table


def _agents_in(agents: pd.DataFrame, arm: str) -> set[str]:
    """Return the agents of an arm."""
    return set(agents.loc[agents["arm"].eq(arm), "agent"].astype(str))


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
