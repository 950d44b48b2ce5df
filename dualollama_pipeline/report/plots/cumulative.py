"""Share of values at or below each point: whole distributions, no bins to choose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dualollama_pipeline.report.plots.canvas import PAGE, axes_style, canvas, legend

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from dualollama_pipeline.report.plots.canvas import Palette

HEIGHT_IN = 3.0
MOST_POINTS = 400
WIDE = 10
LINES = ("Solid", "Dashed", "Dotted", "Dashes and dots")  # what DASHES are called
DASHES: tuple[Any, ...] = ("solid", (0, (4, 2)), (0, (1, 1.5)), (0, (5, 1, 1, 1)))
COLOURS = ("ink", "two", "one", "ink")
WIDTHS = (1.2, 2.0, 1.6, 1.0)


class Sample(NamedTuple):
    """The values of one group; `label` is ours, not foreign text."""

    label: str
    values: NDArray[np.float64]


def draw_cumulative(samples: Sequence[Sample], axis: str, palette: Palette = PAGE) -> Figure:
    """Draw one step line for each sample; values must be above zero."""
    with canvas(HEIGHT_IN) as figure:
        axes = figure.add_axes((0.09, 0.17, 0.88, 0.7))
        for index, sample in enumerate(samples):
            shares = np.linspace(0, 100, min(MOST_POINTS, len(sample.values) + 1))
            axes.plot(
                np.percentile(sample.values, shares, method="inverted_cdf"), shares,
                drawstyle="steps-post", color=getattr(palette, COLOURS[index % len(COLOURS)]),
                linestyle=DASHES[index % len(DASHES)], linewidth=WIDTHS[index % len(WIDTHS)],
                label=sample.label,
            )  # fmt: skip
        if is_wide(samples):
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter("")
        axes.set_ylim(0, 102)
        axes.set_xlabel(axis)
        axes.set_ylabel("% of calls at or below")
        axes_style(axes, palette)
        legend(axes, palette, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(samples))
    return figure


def is_wide(samples: Sequence[Sample]) -> bool:
    """Say whether the values span so much that the axis is logarithmic."""
    lowest = min(float(sample.values.min()) for sample in samples)
    return max(float(sample.values.max()) for sample in samples) > WIDE * lowest
