"""Values with their intervals, a line each, against the value that means no effect."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from dualollama_pipeline.metrics.catalog import Key
from dualollama_pipeline.report.plots.canvas import (
    PAGE,
    axes_style,
    canvas,
    cut,
    legend,
    margin,
    plain,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from dualollama_pipeline.report.plots.canvas import Palette

ROW_IN, FRAME_IN, LEGEND_IN = 0.26, 0.65, 0.3


class Series(NamedTuple):
    """One estimate of a forest: what it is called, and the mark that tells it apart."""

    key: Key
    label: str
    marker: str
    colour: str  # field of the palette
    is_filled: bool
    offset: float


RATIO = Series(Key("", ""), "", "o", "two", True, 0.0)


class Mark(NamedTuple):
    """A value with its interval; a nan is said to be missing, not left out."""

    value: float
    low: float
    high: float


class Line(NamedTuple):
    """A line of the plot: its label and a mark for each series; None for a heading."""

    label: str
    marks: tuple[Mark, ...] | None


def draw_ratios(
    groups: Mapping[str, Sequence[tuple[str, Mapping[str, Any]]]],
    axis: str,
    palette: Palette = PAGE,
) -> Figure:
    """Draw {heading: (label, row)}: one ratio a line, with its interval, against 1."""
    lines = []
    for heading, rows in groups.items():
        lines.append(Line(heading, None))
        for label, row in rows:
            lines.append(Line(label, (Mark(row["value"], row["ci_low"], row["ci_high"]),)))
    return draw_forest(lines, (RATIO,), axis, 1.0, palette)


def draw_forest(
    lines: Sequence[Line],
    series: Sequence[Series],
    axis: str,
    no_effect: float,
    palette: Palette = PAGE,
) -> Figure:
    """Draw one row for each line; headings stand alone."""
    frame_in = FRAME_IN + (LEGEND_IN if len(series) > 1 else 0)
    height_in = frame_in + ROW_IN * max(len(lines), 1)
    left = margin([line.label for line in lines if line.marks])
    with canvas(height_in) as figure:
        axes = figure.add_axes((left, 0.55 / height_in, 0.97 - left, 1 - frame_in / height_in))
        axes.set_ylim(len(lines) - 0.4, -0.6)
        axes.axvline(no_effect, color=palette.ink, linewidth=1.1, linestyle=(0, (5, 3)))
        for index, one in enumerate(series):
            _draw(axes, [(y, line.marks[index]) for y, line in enumerate(lines) if line.marks],
                  one, palette)  # fmt: skip
        _label(axes, lines, left, palette)
        _frame(axes, axis, no_effect, palette)
        if len(series) > 1:
            legend(axes, palette, loc="lower left", bbox_to_anchor=(0.2, 1), ncols=len(series))
    return figure


def _draw(axes: Any, marks: list[tuple[int, Mark]], series: Series, palette: Palette) -> None:
    colour = getattr(palette, series.colour)
    points = []
    for y, mark in marks:
        if any(map(math.isnan, mark)):
            axes.text(
                0.01, y + series.offset * 1.6, _missing(series), size=7,
                color=palette.ink, style="italic", transform=axes.get_yaxis_transform(),
                va="center",
            )  # fmt: skip
        else:
            points.append((y + series.offset, mark))
    axes.errorbar(
        [mark.value for _, mark in points], [y for y, _ in points],
        xerr=[[max(mark.value - mark.low, 0) for _, mark in points],
              [max(mark.high - mark.value, 0) for _, mark in points]],
        fmt=series.marker, color=colour, markerfacecolor=colour if series.is_filled else "none",
        markersize=5.2, markeredgewidth=1.3, elinewidth=1.5, capsize=3, label=series.label,
    )  # fmt: skip


def _missing(series: Series) -> str:
    return f"{series.label}: no interval (see table)" if series.label else "no interval (see table)"


def _label(axes: Any, lines: Sequence[Line], left: float, palette: Palette) -> None:
    """Name the lines. Names are foreign text: no formula in `$`, no sign the font lacks."""
    for y, line in enumerate(lines):
        heading = line.marks is None
        axes.text(
            -(left - 0.01) / (0.97 - left) if heading else -0.012, y, cut(plain(line.label)),
            transform=axes.get_yaxis_transform(), va="center", ha="left" if heading else "right",
            weight="bold" if heading else "normal", color=palette.ink, parse_math=False,
        )  # fmt: skip
        if not heading:
            axes.axhline(y, color=palette.soft, linewidth=0.5, zorder=0)


def _frame(axes: Any, axis: str, no_effect: float, palette: Palette) -> None:
    axes.set_yticks([])
    low, high = axes.get_xlim()
    room = 0.02 * max(abs(no_effect), high - low)
    axes.set_xlim(min(low, no_effect - room), max(high, no_effect + room))
    axes.set_xlabel(axis, loc="right")
    axes_style(axes, palette, sides=("bottom",))
