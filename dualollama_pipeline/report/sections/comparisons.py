"""How a comparison of the statistics stands in a row: effect, test, what it could have found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.report import cells
from dualollama_pipeline.report.model import Cell
from dualollama_pipeline.report.sections.chapter import verdict_words
from dualollama_pipeline.report.wording import number, probability

if TYPE_CHECKING:
    from dualollama_pipeline.tables.rows import Row

COMPARISON_LABELS = ("Effect#", "Verdict", "p, corrected#", "Smallest effect it would find#")


def comparison_cells(row: Row) -> list[Cell]:
    """Return the cells of COMPARISON_LABELS for a row of contrasts or factor_effects."""
    effect = cells.figure(
        row["value"], row["unit"], low=row["ci_low"], high=row["ci_high"], n=row["n"],
        of=f"values, {row['n_left_out']:.0f} left out", level=row["level"],
        reason=row["null_reason"], remark=row["null_reason"],
    )  # fmt: skip
    verdict = Cell(text=verdict_words(row), detail=row["verdict_reason"])
    p_value = Cell(
        text=probability(row["p_adjusted"]),
        detail=f"of {row['n_family']:.0f} ({row['correction'].title()}), against {row['alpha']:g}",
        value=_or_none(row["p_adjusted"]),
        unit="p",
    )
    if p_value.value is None:
        p_value = Cell(reason=row["verdict_reason"] or "no test")
    return [effect, verdict, p_value, _detectable(row)]


def _detectable(row: Row) -> Cell:
    """Write the smallest effect that power 0.8 would find, beside what counts as equal."""
    margin = f"counts as equal: {number(row['margin'], row['unit'])}"
    if row["mde"] != row["mde"]:
        return Cell(reason="no variance to tell from", detail=margin)
    power = f"now {100 * row['power_at_margin']:.0f} % likely to find that"
    needed = row["n_needed"]
    enough = f", n {needed:.0f} would be enough" if needed == needed else ""  # noqa: PLR0124 nan
    return Cell(
        text=number(row["mde"], row["unit"]), detail=f"power 0.8; {margin}, {power}{enough}",
        value=row["mde"], unit=row["unit"], n=int(row["n"]),
    )  # fmt: skip


def _or_none(value: float) -> float | None:
    return None if value != value else value  # noqa: PLR0124 nan
