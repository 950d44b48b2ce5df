"""Entries of tables: text and the number behind it, made together so that they cannot differ.

How a number is written is wording.py's; here it becomes a Cell, with n, interval, unit and reason.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dualollama_pipeline.report.model import Cell, Column, Table, TableRow
from dualollama_pipeline.report.wording import number, one_line, shorten, show

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from dualollama_pipeline.report.model import Estimate

LEVEL = 0.95
NO_REASON = "no reason was recorded"


def words(text: object) -> Cell:
    """Make a cell of a text (untrusted or not); None is an empty one."""
    return Cell(text="" if text is None else shorten(str(text)))


def configuration(config_id: str) -> Cell:
    """Make a cell of a configuration's name, which leads to its evidence."""
    return Cell(text=shorten(config_id), target=f"c-{config_id}")


def count(n: float | None, noun: str = "") -> Cell:
    """Make a cell of a whole number."""
    if n is None or math.isnan(n):
        return Cell(reason="not known")
    return Cell(text=f"{n:,.0f}", value=int(n), unit=noun)


def figure(  # noqa: PLR0913 a number and all that it needs to be believed
    value: float | None,
    unit: str,
    *,
    low: float | None = None,
    high: float | None = None,
    n: float | None = None,
    of: str = "",
    level: float = LEVEL,
    reason: str = "",
    remark: str = "",
    method: str = "",
) -> Cell:
    """Make a cell of a number with its interval and n (`of` says what is counted).

    Without a value, `reason` stands in its place; beside a value, `remark` says why it has no
    interval, if that needs a word.
    """
    point, *ends = (_known(each) for each in (value, low, high))
    size = None if n is None or math.isnan(n) else int(n)
    counted = "" if size is None else f"n {size:,}{' ' + of if of else ''}"
    if point is None:
        return Cell(reason=one_line(reason) or NO_REASON, detail=counted, unit=unit, n=size)
    interval = _interval(unit, point, ends, level)
    details = (interval, counted, one_line(remark) if not interval else "")
    return Cell(
        text=number(point, unit, *ends),
        detail="; ".join(filter(None, details)),
        value=point,
        unit=unit,
        n=size,
        ci_low=ends[0],
        ci_high=ends[1],
        level=level if interval else None,
        method=method,
    )


def _interval(unit: str, point: float, ends: list[float | None], level: float) -> str:
    """Write an interval; one that n leaves open on a side says so, none is an empty text."""
    low, high = (
        None if end is None else number(end, unit, point, *ends, with_unit=False) for end in ends
    )
    if low is None and high is None:
        return ""
    if low is None or high is None:
        words = f"at most {high}" if low is None else f"at least {low}"
        return f"{100 * level:.0f} %: {words}, open on the other side"
    return f"{100 * level:.0f} %: {low} to {high}"


def estimate(found: Estimate | None) -> Cell:
    """Make a cell of an estimate."""
    shown = show(found)
    if found is None or shown.reason:
        return Cell(
            reason=shown.reason, detail=shown.counts, unit="" if found is None else found.unit,
            n=None if found is None else found.n,
        )  # fmt: skip
    return Cell(
        text=shown.value, detail=f"{100 * found.level:.0f} %: {shown.interval}; {shown.counts}",
        value=found.value, unit=found.unit, n=found.n, ci_low=found.ci_low, ci_high=found.ci_high,
        level=found.level, method=found.method,
    )  # fmt: skip


def hover(cell: Cell) -> str:
    """Say all that is known of a number: exact value, interval, n, method; else why it is none."""
    exact = "" if cell.value is None else f"{cell.value:.10g} {cell.unit}".strip()
    return "; ".join(filter(None, (exact, cell.reason, cell.detail, cell.method)))


def columns(*labels: str) -> tuple[Column, ...]:
    """Make columns; a label that ends in `#` heads numbers."""
    return tuple(Column(label=each.rstrip("#"), is_number=each.endswith("#")) for each in labels)


def table(
    name: str,
    caption: str,
    labels: Sequence[str],
    rows: Iterable[Sequence[Cell] | TableRow],
    *,
    is_sortable: bool = False,
) -> Table:
    """Make a table; rows are lists of cells, or rows with notes."""
    made = tuple(row if isinstance(row, TableRow) else TableRow(cells=tuple(row)) for row in rows)
    return Table(
        name=name, caption=caption, columns=columns(*labels), rows=made, is_sortable=is_sortable
    )


def _known(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
