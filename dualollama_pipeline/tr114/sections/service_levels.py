"""Service levels, rollback triggers and gates of the report, held against what was observed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.report import cells
from dualollama_pipeline.report.model import Cell, Section
from dualollama_pipeline.report.sections.chapter import Chapter, chapter, evidence_in, not_made
from dualollama_pipeline.tables.rows import grouped, plain_rows

if TYPE_CHECKING:
    from dualollama_pipeline.report.inputs import TablesByName
    from dualollama_pipeline.tables.rows import Row

ID, TITLE = "service-levels", "Service levels"
LABELS = ("Item", "Asks for", "Observed#", "Status", "Why")


def build(tables: TablesByName) -> Chapter:
    """Show every item with its status."""
    levels = tables.table("slo_evaluation")
    if levels is None:
        return not_made(ID, TITLE, "slo_evaluation")
    rows = plain_rows(levels)
    counts = ", ".join(f"{len(group)} {word}" for (word,), group in grouped(rows, "status").items())
    section = Section(
        id=ID,
        title=TITLE,
        evidence=evidence_in(rows),
        paragraphs=(f"{len(rows)} items of the report's operations chapter: {counts}.",),
        tables=(
            cells.table("service_levels", "Items.", LABELS, map(_row, rows), is_sortable=True),
        ),
    )
    return chapter(section)


def _row(row: Row) -> list[Cell]:
    mild = " (illustration)" if row["evidence"] == "illustration" else ""
    sure = {True: "the whole interval agrees", False: "the interval holds both"}
    return [
        Cell(text=row["name"], detail=f"{row['kind']}, section {row['section']}"),
        cells.words(row["statement"]),
        cells.figure(row["value"], row["unit"], low=row["ci_low"], high=row["ci_high"], n=row["n"],
                     reason="not observed here" if row["value"] != row["value"] else ""),
        Cell(text=f"{row['status']}{mild}", detail=sure.get(row["is_sure"], "")),
        cells.words(row["reason"]),
    ]  # fmt: skip
