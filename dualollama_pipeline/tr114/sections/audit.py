"""The published figures, recomputed: how many stand, and which do not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.report import cells
from dualollama_pipeline.report.model import Cell, Section
from dualollama_pipeline.report.sections.chapter import Chapter, chapter, not_made
from dualollama_pipeline.tables.rows import grouped, plain_rows

if TYPE_CHECKING:
    from dualollama_pipeline.report.inputs import TablesByName
    from dualollama_pipeline.tables.rows import Row

ID, TITLE = "audit", "Audit of the published figures"
MEANING = {
    "reproduced": "recomputed to its last printed digit",
    "rounding": "recomputed but for rounding, or padded with zeros",
    "contradicted": "runs or sources say something else",
    "internally inconsistent": "the report's own arithmetic says something else",
    "normative": "a target, trigger or rollout step: set, not found",
    "not checkable": "its sources are not at hand",
}
WRONG = ("contradicted", "internally inconsistent")
LABELS = ("Section", "Figure", "Printed", "Recomputed", "Verdict", "Explanation")


def build(tables: TablesByName) -> Chapter:
    """Count the verdicts and list the figures that do not stand."""
    audit = tables.table("claim_audit")
    if audit is None:
        return not_made(ID, TITLE, "claim_audit")
    rows = plain_rows(audit)
    by_verdict = grouped(rows, "verdict")
    counts = [
        [
            Cell(text=verdict),
            cells.count(len(by_verdict.get((verdict,), [])), "figures"),
            Cell(text=meaning),
        ]
        for verdict, meaning in MEANING.items()
    ]
    wrong = [row for row in rows if row["verdict"] in WRONG]
    bases = ", ".join(
        f"{len(each)} by {basis}" for (basis,), each in grouped(rows, "basis").items()
    )
    section = Section(
        id=ID,
        title=TITLE,
        evidence="published",
        paragraphs=(
            (
                f"{len(rows)} figures of the report, each recomputed where its sources are at hand "
                f"(basis: {bases}). The {len(wrong)} that do not stand are listed; all are in "
                "the table `claim_audit`, and `dualollama audit` prints them."
            ),
        ),
        tables=(
            cells.table("audit_counts", "Verdicts.", ("Verdict", "Figures#", "Meaning"), counts),
            cells.table(
                "audit", "Figures that do not stand.", LABELS, map(_row, wrong), is_sortable=True
            ),
        ),
    )
    return chapter(section)


def _row(row: Row) -> list[Cell]:
    bound = row["bound"].replace("_", " ")
    return [
        Cell(text=row["section"], detail=f"line {row['line']:.0f}"),
        Cell(text=row["subject"], detail=f"{row['metric']}, {row['statistic']}"),
        Cell(text=f"{bound} {row['value']} {row['unit']}".strip()),
        _recomputed(row),
        Cell(text=row["verdict"]),
        cells.words(row["explanation"]),
    ]


def _recomputed(row: Row) -> Cell:
    if not row["recomputed_text"]:
        return Cell(reason="no value of its own", detail=row["basis"])
    detail = "; ".join(filter(None, (row["basis"], row["convention"])))
    return Cell(text=row["recomputed_text"], detail=detail)
