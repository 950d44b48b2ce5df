"""Values far from the others of their configuration: what they are, why, and what they move."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dualollama_pipeline.metrics.catalog import key_of
from dualollama_pipeline.report import cells
from dualollama_pipeline.report.model import Cell, Section
from dualollama_pipeline.report.sections.chapter import Chapter, absent, chapter, evidence_in
from dualollama_pipeline.report.wording import Words
from dualollama_pipeline.tables.rows import grouped, plain_rows

if TYPE_CHECKING:
    from dualollama_pipeline.report.inputs import ReportInputs
    from dualollama_pipeline.report.model import Summary
    from dualollama_pipeline.tables.rows import Row

ID, TITLE = "outliers", "Outliers and their causes"
MOST_ROWS = 40
LABELS = (
    "Configuration", "Metric", "Value#", "Usual (median)#", "Cause", "Rule",
    "Estimate with → without#",
)  # fmt: skip


def build(inputs: ReportInputs, summary: Summary) -> Chapter:
    """List the values that move their estimate the most."""
    outliers = inputs.table("outliers")
    if outliers is None:
        why = (
            "No value lies far from the others of its configuration, or the table `outliers` is "
            "not there yet (`dualollama report` makes it)."
        )
        return absent(ID, TITLE, why)
    rows = plain_rows(outliers)
    rows.sort(key=_weight, reverse=True)
    causes = ", ".join(
        f"{len(group)} {cause}" for (cause,), group in grouped(rows, "cause").items()
    )
    n_moving = sum(bool(row["moves_result"]) for row in rows)
    shown = rows[:MOST_ROWS]
    rest = f" The {len(shown)} that move it most are listed." if len(rows) > len(shown) else ""
    section = Section(
        id=ID,
        title=TITLE,
        evidence=evidence_in(rows),
        paragraphs=(
            (
                f"{len(rows)} values are labelled; none is dropped. Causes: {causes}. "
                f"{n_moving} move the estimate of their configuration by more than 10 %.{rest}"
            ),
        ),
        tables=(
            cells.table(
                "outliers",
                "Rules: ten robust standard deviations from the median (14.826 MAD), 3 IQR beyond "
                "the quartiles (from n = 10), and the report's own, balance below 95 %.",
                LABELS,
                [_row(row, Words(summary.n_agents)) for row in shown],
                is_sortable=True,
            ),
        ),
    )
    return chapter(section)


def _weight(row: Row) -> float:
    return 0.0 if math.isnan(row["change_pct"]) else abs(row["change_pct"])


def _row(row: Row, words: Words) -> list[Cell]:
    rules = {
        f"{row['mad_score']:.0f} MAD from the median": row["is_mad_outlier"],
        "beyond 3 IQR": row["is_tukey_outlier"],
        "balance below 95 %": row["is_below_95_pct"],
    }
    before, after = (
        cells.figure(row[name], row["unit"]).text for name in ("value_with", "value_without")
    )
    moved = Cell(reason="not enough values without it", unit=row["unit"])
    if before and after:
        moved = Cell(
            text=f"{before} → {after}", detail=f"{row['change_pct']:+.2f} %",
            value=row["change_pct"], unit="%", n=int(row["n"]),
        )  # fmt: skip
    counts = "" if row["counts"] else ", not counted"
    return [
        Cell(text=row["config_id"], detail=f"block {row['block']:.0f}{counts}"),
        Cell(text=words.label(key_of(row))),
        cells.figure(row["value"], row["unit"]),
        cells.figure(row["median"], row["unit"], n=row["n"], of="values", reason="no value counts"),
        Cell(text=row["cause"], detail=cells.words(row["cause_detail"]).text),
        Cell(text="; ".join(name for name, holds in rules.items() if holds)),
        moved,
    ]
