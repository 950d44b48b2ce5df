"""What it costs: the report's cost model recomputed, derived from demand, and what it hangs on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.report import cells
from dualollama_pipeline.report.model import Cell, Section
from dualollama_pipeline.report.sections.chapter import Chapter, chapter, evidence_in, not_made
from dualollama_pipeline.report.wording import number
from dualollama_pipeline.tables.rows import plain_rows

if TYPE_CHECKING:
    from dualollama_pipeline.report.inputs import TablesByName
    from dualollama_pipeline.report.model import Table
    from dualollama_pipeline.tables.rows import Row

ID, TITLE = "costs", "What it costs"
MOST_INPUTS = 20
WALL_TIMES = {"illustration": "simulated"}
LABELS = ("Quantity", "Deployment", "Value#", "Printed in the report#", "How", "Remark")
SENSITIVITY_LABELS = (
    "Input", "Comparison", "Tried", "Saving at its value#", "At the lowest#", "At the highest#",
    "Changes the answer",
)  # fmt: skip


def build(tables: TablesByName) -> Chapter:
    """Show the cost model and its sensitivity."""
    model = tables.table("cost_model")
    if model is None:
        return not_made(ID, TITLE, "cost_model")
    rows = plain_rows(model)
    wrong = sum(row["agrees"] is False for row in rows)
    section = Section(
        id=ID,
        title=TITLE,
        evidence=evidence_in(rows),
        paragraphs=(
            (
                "Two bases: the report's, with the instances that it assumes, and one derived "
                f"from the demand. {wrong} printed figures are not what the report's own inputs "
                "give. Prices and instance counts are assumptions of data/cost.yaml: they have "
                "no n and no interval unless one is printed."
            ),
        ),
        tables=(
            cells.table("costs", "Cost model.", LABELS, map(_row, rows), is_sortable=True),
            *_sensitivity(tables),
        ),
    )
    return chapter(section)


def _row(row: Row) -> list[Cell]:
    against = f" against {row['against']}" if row["against"] else ""
    agrees = {True: "agrees", False: "does not agree"}.get(row["agrees"], "")
    printed = cells.figure(row["printed"], row["unit"], reason="not printed")
    return [
        Cell(text=row["quantity"].replace("_", " "), detail=_basis(row)),
        Cell(text=f"{row['variant']}{against}"),
        cells.figure(row["value"], row["unit"], low=row["ci_low"], high=row["ci_high"],
                     reason=row["null_reason"]),
        printed.model_copy(update={"detail": agrees}) if printed.text else printed,
        cells.words(row["formula"]),
        cells.words(row["remark"]),
    ]  # fmt: skip


def _basis(row: Row) -> str:
    """Say which instances are counted, and for demand whose wall time it is computed from."""
    if row["basis"] == "report":
        return "basis: report"
    return f"basis: {row['basis']}; wall time: {WALL_TIMES.get(row['evidence'], row['evidence'])}"


def _sensitivity(tables: TablesByName) -> list[Table]:
    sensitivity = tables.table("cost_sensitivity")
    if sensitivity is None:
        return []
    rows = sorted(plain_rows(sensitivity), key=lambda row: (row["place"], row["basis"]))
    caption = "One input changed at a time, all others as they are; those that matter most."
    made = [_input(row) for row in rows[:MOST_INPUTS]]
    return [cells.table("cost_sensitivity", caption, SENSITIVITY_LABELS, made, is_sortable=True)]


def _input(row: Row) -> list[Cell]:
    ends = " to ".join(number(row[name], row["unit"]) for name in ("low", "high"))
    flips = "no"
    if row["flips"]:
        at = row["flips_at"]
        flips = "yes" if at != at else f"yes, at {number(at, row['unit'])}"  # noqa: PLR0124 nan
    return [
        Cell(text=row["input"], detail=_basis(row)),
        Cell(text=f"{row['variant']} against {row['against']}"),
        Cell(text=ends, detail=row["range_reason"]),
        *(
            cells.figure(row[f"saving_{name}_usd"], "USD", reason="not computable")
            for name in ("base", "low", "high")
        ),
        Cell(text=flips),
    ]
