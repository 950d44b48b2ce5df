"""Who ran when in each arm, as plain SVG: text keeps its size from a phone to a wide screen.

Drawn by hand and not by matplotlib: there is one for every configuration.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from dualollama_pipeline.report.model import Plot
from dualollama_pipeline.report.wording import counted, number

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dualollama_pipeline.report.lanes import CallSpan, Lane

LANE_PX, TEXT_PX, BAR_PX = 40, 13, 13  # a lane: its label, and its bar below
WIDE_PCT = 85  # of the width for the longest lane; the rest is for its end
COLOURS = ("var(--two)", "var(--one)", "currentColor")
CAPTION = (
    "Open: waiting for the first token, its thick edge while a model is loaded. Filled: the answer."
)


def timeline(lanes: Sequence[Lane], plot: Plot) -> str:
    """Draw lanes that have calls, each with its end in seconds, as an `<svg>` element."""
    longest_s = max(call.end_s for lane in lanes for call in lane.calls)
    agents = sorted({call.agent for lane in lanes for call in lane.calls})
    colours = {agent: COLOURS[index % len(COLOURS)] for index, agent in enumerate(agents)}
    per_s = WIDE_PCT / longest_s
    parts = []
    for index, lane in enumerate(lanes):
        y, end_s = index * LANE_PX, lane.calls[-1].end_s
        parts.append(f'<text y="{y + TEXT_PX}">{escape(lane.label)}</text>')
        parts += [_call(call, y + TEXT_PX + 5, per_s, colours[call.agent]) for call in lane.calls]
        parts.append(
            f'<text x="{per_s * end_s:.2f}%" dx="5" y="{y + TEXT_PX + BAR_PX + 4}">'
            f"{number(end_s, 's')}</text>"
        )
    title, told = f"plot-{plot.name}-title", f"plot-{plot.name}-desc"
    return (
        f'<svg class="timeline" width="100%" height="{len(lanes) * LANE_PX}" role="img" '
        f'aria-labelledby="{title} {told}"><title id="{title}">{escape(plot.title)}</title>'
        f'<desc id="{told}">{escape(plot.description)}</desc>{"".join(parts)}</svg>'
    )


def _call(call: CallSpan, y: int, per_s: float, colour: str) -> str:
    told = (
        f"{call.agent}, {call.stage}: sent {call.sent_s:.2f} s, first token {call.first_s:.2f} s, "
        f"end {call.end_s:.2f} s, {call.n_tokens} tokens"
    )
    loaded_s = min(call.load_s, call.first_s - call.sent_s)
    bars = (
        (call.sent_s, loaded_s, "currentColor", 4),
        (call.sent_s, call.first_s - call.sent_s, "none", BAR_PX),
        (call.first_s, call.end_s - call.first_s, colour, BAR_PX),
    )
    drawn = "".join(
        f'<rect x="{per_s * start_s:.2f}%" y="{y}" width="{per_s * width_s:.2f}%" height="{high}" '
        f'fill="{fill}"/>'
        for start_s, width_s, fill, high in bars
        if width_s
    )
    return f"<g><title>{escape(told)}</title>{drawn}</g>"


def timeline_in_words(name: str, title: str, lanes: Sequence[Lane], more: str = "") -> Plot:
    """Put it into words: when each lane began and ended; `more` is said below it."""
    spans = (
        f"{lane.label}: {counted(len(lane.calls), 'call')} from {lane.calls[0].sent_s:.2f} s to "
        f"{lane.calls[-1].end_s:.2f} s."
        for lane in lanes
    )
    return Plot(name=name, title=title, description=" ".join(spans), caption=CAPTION + more)
