"""Published against measured: other programs' figures beside this machine's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.report import cells
from dualollama_pipeline.report.model import Cell, Section, Table
from dualollama_pipeline.report.sections.chapter import Chapter, absent, chapter, evidence_in
from dualollama_pipeline.tables.rows import grouped, plain_rows

if TYPE_CHECKING:
    from dualollama_pipeline.report.inputs import TablesByName
    from dualollama_pipeline.tables.rows import Row

ID, TITLE = "published", "Published against measured (appendix B)"
HOW_TO_IMPORT = (
    "No runs of others are imported: `dualollama import DIR` reads their run folders, and then "
    "stand here the true speedup behind the published efficiency, its accidents, and a comparison "
    "that has n and intervals."
)
LABELS = ("Metric", "Left#", "Right#", "Difference#", "Winner, or why none")


def build(tables: TablesByName) -> Chapter:
    """Show runtime_comparison by topic, and what the imported runs say of the method."""
    comparison = tables.table("runtime_comparison")
    critique = tables.table("method_critique")
    if comparison is None:
        why = f"The table `runtime_comparison` is empty or not there yet. {HOW_TO_IMPORT}"
        return absent(ID, TITLE, why)
    rows = plain_rows(comparison)
    paragraphs = [
        (
            "A winner is named only where both sides' runs are at hand, in the same unit, and "
            "the interval of the difference excludes 0. Figures that were only printed have no "
            "n and no interval; they stand here as printed."
        )
    ]
    if critique is None:
        paragraphs.append(HOW_TO_IMPORT)
    section = Section(
        id=ID,
        title=TITLE,
        evidence=evidence_in(rows),
        paragraphs=tuple(paragraphs),
        tables=(*map(_table, grouped(rows, "topic").items()), *_critique(tables)),
    )
    return chapter(section)


def _table(topic: tuple[tuple[str, ...], list[Row]]) -> Table:
    (name,), rows = topic
    place = f"published_{'_'.join(name.split())}"
    simulated = any(row["origin"] == "simulated" for row in rows)
    caption = f"{name[:1].upper()}{name[1:]}{' (simulated: an illustration)' if simulated else ''}."
    return cells.table(place, caption, LABELS, map(_row, rows))


def _row(row: Row) -> list[Cell]:
    of_left = row["difference"] != row["difference"]
    ends = {"low": row["ci_low"], "high": row["ci_high"]}
    left = cells.figure(
        row["left_value"], row["unit"], **(ends if of_left else {}), reason="no value"
    )
    right = cells.figure(row["right_value"], row["unit"], reason="no second value")
    difference = cells.figure(
        row["difference"], row["difference_unit"] or row["unit"], **({} if of_left else ends),
        reason="none is formed", remark="no interval: printed figures only",
    )  # fmt: skip
    winner = {"left": row["left"], "right": row["right"]}.get(row["winner"], "none")
    return [
        Cell(text=row["metric"], detail=row["level"]),
        _beside(left, row["left"]),
        _beside(right, row["right"]),
        difference,
        Cell(text=cells.words(winner).text, detail=row["reason"]),
    ]


def _beside(cell: Cell, who: str) -> Cell:
    detail = "; ".join(filter(None, (cells.words(who).text, cell.detail)))
    return cell.model_copy(update={"detail": detail})


def _critique(tables: TablesByName) -> list[Table]:
    critique = tables.table("method_critique")
    if critique is None:
        return []
    rows = [
        [
            Cell(text=row["finding"], detail=cells.words(row["item"]).text),
            cells.figure(
                row["value"], row["unit"], low=row["ci_low"], high=row["ci_high"], n=row["n"],
                reason="" if row["value"] == row["value"] else "no value",
            ),
            cells.words(row["statement"]),
        ]
        for row in plain_rows(critique)
    ]  # fmt: skip
    caption = "What the imported runs say of the published method."
    return [
        cells.table("critique", caption, ("Finding", "Value#", "Statement"), rows, is_sortable=True)
    ]
