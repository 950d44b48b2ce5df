"""What a person has to look at: cells that may not count, and metrics that have moved."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dualollama_pipeline.tables.guards import advice
from dualollama_pipeline.tables.store import TableStore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

HEADER = "| configuration | arm | why it does not count | what to do |\n|---|---|---|---|\n"


class Listing(NamedTuple):
    """How many cells there are, and as a Markdown table the INVALID ones and damaged partitions."""

    n_cells: int
    n_invalid: int
    n_warned: int
    n_damaged: int
    markdown: str


def invalid_cells(tables: Path, config_ids: Sequence[str]) -> Listing:
    """List the cells of all configurations that hold a trial which is INVALID.

    A cell counts as INVALID when it is so as a whole, or when one of its trials is.

    Raises:
        TableError: nothing has been measured yet, or a table is damaged.
    """
    store = TableStore(tables)
    cells, without_cells = store.load_all("cell_table", list(config_ids))
    runs, without_runs = store.load_all("run_table", list(config_ids))
    left_out = without_cells | without_runs
    damaged = {name: why for name, why in left_out.items() if why.startswith("damaged")}
    bad = runs[runs["validity"].eq("INVALID")]
    why = {
        (str(config_id), str(arm)): "; ".join(
            dict.fromkeys("; ".join(group["validity_reasons"]).split("; "))
        )
        for (config_id, arm), group in bad.groupby(["config_id", "arm"], sort=False)
    }
    why |= {
        (str(cell["config_id"]), str(cell["arm"])): str(cell["validity_reasons"])
        for cell in cells[cells["validity"].eq("INVALID")].to_dict("records")
    }
    lines = [
        f"| {config_id} | {arm} | {_escaped(reasons)} | {_escaped(advice(reasons))} |"
        for (config_id, arm), reasons in sorted(why.items())
    ] + [
        f"| {config_id} | all | {_escaped(reason)} | dualollama report --from-journals |"
        for config_id, reason in sorted(damaged.items())
    ]
    markdown = HEADER + "\n".join(lines) if lines else "All cells may count."
    n_warned = int(cells["validity"].eq("WARN").sum())
    return Listing(len(cells), len(why), n_warned, len(damaged), markdown)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def raised_alarms(tables: Path) -> dict[str, str]:
    """Return the alarms of the latest `trend`: a key (what, since which batch) and a sentence each.

    Raises:
        TableError: there is no trend yet, or it is damaged.
    """
    rows = TableStore(tables).load("trend")
    rows = rows[rows["alarm"].fillna(value=False).astype(bool)]
    alarms = {}
    for row in rows.to_dict("records"):
        unit = "%" if row["unit"] == "x" else row["unit"]
        origin = "" if row["origin"] == "measured" else f" ({row['origin']})"
        alarms[f"{row['config_id']}/{row['metric']}/{row['last_batch']}"] = (
            f"{row['config_id']}: {row['metric']} moved by {row['change']:+.2f} {unit} in batch "
            f"{row['last_batch']}{origin}, {100 * row['level']:.0f} % interval "
            f"{row['change_low']:+.2f} to {row['change_high']:+.2f}, tolerated "
            f"{row['tolerated']:.2f}, {row['n_nights']} nights"
        )
    return alarms
