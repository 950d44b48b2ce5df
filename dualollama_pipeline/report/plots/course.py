"""The tokens of a pair as they arrived, over time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dualollama_pipeline.report.model import Plot
from dualollama_pipeline.report.plots.canvas import PAGE, axes_style, canvas, legend, plain
from dualollama_pipeline.report.wording import Words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dualollama_pipeline.report.pair import PairBlock
    from dualollama_pipeline.report.plots.canvas import Palette

HEIGHT_IN = 2.3
DASHES: tuple[Any, ...] = ("solid", (0, (4, 2)), (0, (1, 1.5)))
COLOURS = ("two", "one", "ink")


def draw_course(pair: PairBlock, palette: Palette = PAGE) -> Figure:
    """Draw how many records with text of each agent had arrived by when."""
    with canvas(HEIGHT_IN) as figure:
        axes = figure.add_axes((0.08, 0.5 / HEIGHT_IN, 0.9, 1.7 / HEIGHT_IN))
        for index, (agent, arrivals) in enumerate(pair.arrivals_s.items()):
            axes.step(
                [0.0, *arrivals], range(len(arrivals) + 1), where="post", linewidth=1.6,
                color=getattr(palette, COLOURS[index % len(COLOURS)]),
                linestyle=DASHES[index % len(DASHES)], label=plain(agent).replace("$", ""),
            )  # fmt: skip
        axes.set_ylabel("records with text")
        axes.set_xlabel("seconds after the first request")
        axes_style(axes, palette)
        legend(axes, palette, loc="upper left")
    return figure


def course_in_words(pair: PairBlock) -> Plot:
    """Put the plot into words: how much arrived, and when the last of it did."""
    tokens = "; ".join(
        f"{agent}: {len(arrivals)} records, the last after {arrivals[-1]:.2f} s"
        for agent, arrivals in pair.arrivals_s.items()
        if arrivals
    )
    servers = Words(len(pair.arrivals_s)).servers
    return Plot(
        name="course",
        title=f"Text as it arrived: {pair.choice.config_id}, block {pair.choice.block}",
        description=f"Text as it arrived on {servers}: {tokens}.",
        caption=(
            f"Records with text as they arrived on {servers}; a record is about a token. Every "
            "call of the block stands with its configuration, above."
        ),
    )
