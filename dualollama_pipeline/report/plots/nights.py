"""Weighted speedup night after night: value and interval of each batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.report.plots.canvas import PAGE, axes_style, canvas, legend
from dualollama_pipeline.statistics.samples import of_key

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from dualollama_pipeline.report.plots.canvas import Palette
    from dualollama_pipeline.report.plots.forest import Series

HEIGHT_IN = 3.2
MOST_DATES = 8


def draw_nights(
    nights: pd.DataFrame, series: tuple[Series, ...], palette: Palette = PAGE
) -> Figure:
    """Draw estimates of the nights, in order: batch_id, date, key, value, ci_low and ci_high."""
    days = dict(zip(nights["batch_id"], nights["date"], strict=True))
    order, step = list(days), -(-len(days) // MOST_DATES)
    with canvas(HEIGHT_IN) as figure:
        axes = figure.add_axes((0.09, 0.17, 0.88, 0.7))
        for one in series:
            mine = of_key(nights, one.key)
            mine = mine[mine["ci_low"].notna()]
            colour = getattr(palette, one.colour)
            axes.errorbar(
                [order.index(batch) + 1 + one.offset for batch in mine["batch_id"]], mine["value"],
                yerr=[mine["value"] - mine["ci_low"], mine["ci_high"] - mine["value"]],
                fmt=one.marker, color=colour, markersize=4.5, elinewidth=1.1,
                markerfacecolor=colour if one.is_filled else "none", label=one.label,
            )  # fmt: skip
        axes.axhline(1, color=palette.ink, linewidth=1.1, linestyle=(0, (5, 3)))
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, 0.97), max(high, 1.03))
        axes.set_xlim(0.4, len(order) + 0.6)
        shown = range(len(order) - 1, -1, -step)  # the last night always
        axes.set_xticks([at + 1 for at in shown], [days[order[at]] for at in shown])
        axes.set_xlabel("night")
        axes.set_ylabel("weighted speedup (×)")
        axes_style(axes, palette)
        legend(axes, palette, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(series))
    return figure
