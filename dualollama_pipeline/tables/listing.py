"""The cells that may not count, in plain language: which, why, and what to do."""

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
