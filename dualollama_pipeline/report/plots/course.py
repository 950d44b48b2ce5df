"""One block in time: who ran when in each arm, and the tokens of the pair as they arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dualollama_pipeline.report.model import Plot
from dualollama_pipeline.report.plots.canvas import (
    PAGE,
    axes_style,
    canvas,
    cut,
    legend,
    margin,
    plain,
)
from dualollama_pipeline.report.wording import number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from dualollama_pipeline.report.pair import CallSpan, Lane, PairBlock
    from dualollama_pipeline.report.plots.canvas import Palette

TOKENS_IN, LANE_IN, AXIS_IN = 2.3, 0.33, 0.5
MOST_IN_LEGEND = 3
DASHES: tuple[Any, ...] = ("solid", (0, (4, 2)), (0, (1, 1.5)))
COLOURS = ("two", "one", "ink")


def draw_lanes(pair: PairBlock, palette: Palette = PAGE) -> Figure:
    """Draw who ran when in each arm, with the end of each lane."""
    lanes = [lane for lane in pair.lanes if lane.calls]
    height_in = LANE_IN * len(lanes) + AXIS_IN
    left = margin([f"{lane.label}......" for lane in lanes])
    with canvas(height_in) as figure:
        axes = figure.add_axes((left, AXIS_IN / height_in, 0.93 - left, 1 - AXIS_IN / height_in))
        _lanes(axes, lanes, pair, palette)
        gap_s = 0.01 * axes.get_xlim()[1]
        for y, lane in enumerate(lanes):
            end_s = lane.calls[-1].end_s
            axes.text(end_s + gap_s, y, number(end_s, "s"), va="center", color=palette.ink)
        axes.set_xlabel("seconds")
        axes_style(axes, palette, sides=("bottom",))
    return figure


def draw_course(pair: PairBlock, palette: Palette = PAGE) -> Figure:
    """Draw lanes above, tokens of the pair over time below, on one time axis."""
    colour = _colours(pair)
    lanes = [lane for lane in pair.lanes if lane.calls]
    lanes_in = LANE_IN * len(lanes)
    whole_in = lanes_in + TOKENS_IN
    with canvas(whole_in) as figure:
        left = margin([f"{lane.label}......" for lane in lanes])
        share = lanes_in / whole_in
        above = figure.add_axes((left, 1 - 0.99 * share, 0.98 - left, 0.97 * share))
        below = figure.add_axes((left, 0.5 / whole_in, 0.98 - left, 1.6 / whole_in), sharex=above)
        _lanes(above, lanes, pair, palette)
        above.tick_params(labelbottom=False)
        for index, (agent, arrivals) in enumerate(pair.arrivals_s.items()):
            below.step(
                [0.0, *arrivals], range(len(arrivals) + 1), where="post", linewidth=1.6,
                color=getattr(palette, colour[agent]), linestyle=DASHES[index % len(DASHES)],
                label=f"{plain(agent)}, two servers".replace("$", ""),
            )  # fmt: skip
        below.set_ylabel("records with text")
        below.set_xlabel("seconds after the first request")
        axes_style(above, palette, sides=("bottom",))
        axes_style(below, palette)
        if len(pair.agents) <= MOST_IN_LEGEND:  # of more, the lanes above tell the colours
            legend(below, palette, loc="upper left")
    return figure


def _colours(pair: PairBlock) -> dict[str, str]:
    return {agent: COLOURS[index % len(COLOURS)] for index, agent in enumerate(pair.agents)}


def _lanes(axes: Any, lanes: Sequence[Lane], pair: PairBlock, palette: Palette) -> None:
    colour = _colours(pair)
    for y, lane in enumerate(lanes):
        axes.text(
            -0.015, y, plain(cut(lane.label)), transform=axes.get_yaxis_transform(), ha="right",
            va="center", color=palette.ink, parse_math=False,
        )  # fmt: skip
        for call in lane.calls:
            _bar(axes, y, call, getattr(palette, colour[call.agent]), palette)
    axes.set_ylim(len(lanes) - 0.4, -0.6)
    axes.set_yticks([])
    axes.set_xlim(0, max(call.end_s for lane in lanes for call in lane.calls) * 1.02)


def _bar(axes: Any, y: int, call: CallSpan, colour: str, palette: Palette) -> None:
    """Draw a call: hatched while it waits for its first token, filled while it decodes."""
    axes.barh(
        y, call.first_s - call.sent_s, left=call.sent_s, height=0.5, facecolor="none",
        edgecolor=palette.ink, hatch="////", linewidth=0.8,
    )  # fmt: skip
    axes.barh(
        y, call.end_s - call.first_s, left=call.first_s, height=0.5, facecolor=colour,
        edgecolor=palette.ink, linewidth=0.8, alpha=None,
    )  # fmt: skip


def course_in_words(pair: PairBlock) -> Plot:
    """Put the plot into words: when each lane began and ended."""
    spans = [_lane_in_words(lane) for lane in pair.lanes if lane.calls]
    tokens = "; ".join(
        f"{agent}: {len(arrivals)} records, the last after {arrivals[-1]:.2f} s"
        for agent, arrivals in pair.arrivals_s.items()
        if arrivals
    )
    return Plot(
        name="course",
        title=f"One block in time: {pair.config_id}, block {pair.block}",
        description=f"{' '.join(spans)} Text as it arrived on two servers: {tokens}.",
        caption=(
            "Above: every call of the block; hatched while it waits for its first token, filled "
            "while it decodes. One after the other, each agent starts when the one before it has "
            "ended (measured alone, put in sequence). Below: records with text as they "
            "arrived in the pair on two servers; a record is about a token, its counts are in the "
            "table."
        ),
    )


def _lane_in_words(lane: Lane) -> str:
    return (
        f"{lane.label}: {len(lane.calls)} calls from {lane.calls[0].sent_s:.2f} s to "
        f"{lane.calls[-1].end_s:.2f} s."
    )


def lanes_in_words(pair: PairBlock) -> Plot:
    """Put the first screen's picture into words."""
    spans = [_lane_in_words(lane) for lane in pair.lanes if lane.calls]
    return Plot(
        name="lanes",
        title=f"One block in time: {pair.config_id}",
        description=" ".join(spans),
        caption="Hatched: waiting for the first token. Filled: the answer. The block whose true "
        "speedup is the median one.",
    )
