"""What all plots share: palette, style, and the way from a figure to `<svg>` or Markdown image.

Marks differ by shape, filling or dash, never by colour alone. In the page, colours are left to its
style sheet (CSS variables), so that one drawing serves light, dark and paper.
"""

from __future__ import annotations

import base64
import io
import re
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from dualollama_pipeline.report.model import Plot

WIDTH_IN = 7.2
STYLE: Any = {  # matplotlib types it by the names of all its settings
    "svg.hashsalt": "dualollama",
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
}
NO_DATE = dict.fromkeys(("Date", "Creator", "Format", "Type"))
DOTS_PER_INCH = 110
MOST_LETTERS = 44  # of the label of a line


class Palette(NamedTuple):
    """Colours by what they stand for."""

    ink: str
    soft: str
    two: str
    one: str


# matplotlib knows no CSS: it draws in colours that stand for a variable and are exchanged after
PAGE = Palette("#010101", "#020202", "#030303", "#040404")
VARIABLES = dict(
    zip(PAGE, ("currentColor", "var(--soft)", "var(--two)", "var(--one)"), strict=True)
)
PAPER = Palette("#1d1f22", "#dedbd5", "#0b62a8", "#a8480c")


@contextmanager
def canvas(height_in: float, width_in: float = WIDTH_IN) -> Iterator[Figure]:
    """Yield an empty figure; whatever is drawn inside has the report's style."""
    with mpl.rc_context(STYLE):
        yield Figure(figsize=(width_in, height_in))


def cut(label: str) -> str:
    """Return the label of a line, shortened if the plot would have no room beside it."""
    return label if len(label) <= MOST_LETTERS else f"{label[: MOST_LETTERS - 1]}…"


def margin(labels: Iterable[str]) -> float:
    """Return how much of the width the labels of lines need, on their left."""
    return 0.05 + 0.0105 * min(max(map(len, labels), default=0), MOST_LETTERS)


def plain(text: str) -> str:
    """Return foreign text as the plots' font can show it."""
    return text.encode("ascii", "replace").decode()


def axes_style(axes: Any, palette: Palette, *, sides: tuple[str, ...] = ("bottom", "left")) -> None:
    """Leave only the given sides, and draw everything in the palette's ink."""
    axes.set_facecolor("none")
    for side, spine in axes.spines.items():
        spine.set_visible(side in sides)
        spine.set_color(palette.ink)
    axes.tick_params(which="both", color=palette.ink, labelcolor=palette.ink)
    for axis in (axes.xaxis, axes.yaxis):
        axis.label.set_color(palette.ink)
        axis.offsetText.set_color(palette.ink)


def legend(axes: Any, palette: Palette, **where: Any) -> None:
    """Set the legend in plain ink."""
    axes.legend(frameon=False, labelcolor=palette.ink, borderaxespad=0.2, **where)


def to_svg(figure: Figure, plot: Plot) -> str:
    """Return a figure drawn with PAGE as an `<svg>` element with title and description."""
    sink = io.StringIO()
    with mpl.rc_context(STYLE):  # a hash salt that is set now, not while drawing
        figure.savefig(sink, format="svg", transparent=True, metadata=NO_DATE)
    svg = sink.getvalue()
    element = re.sub(r"<style.*?</style>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    element = _own_ids(element, plot.name)
    for stand_in, colour in VARIABLES.items():
        element = element.replace(stand_in, colour)
    head, body = element.split(">", 1)
    title, text = f"plot-{plot.name}-title", f"plot-{plot.name}-desc"
    return (
        f'{head} role="img" aria-labelledby="{title} {text}">'
        f'<title id="{title}">{escape(plot.title)}</title>'
        f'<desc id="{text}">{escape(plot.description)}</desc>{body.strip()}'
    )


def _own_ids(svg: str, name: str) -> str:
    """Drop the ids that nothing refers to, and keep the others apart from those of other plots."""
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', svg))

    def renamed(match: re.Match[str]) -> str:
        return f' id="{name}-{match[1]}"' if match[1] in used else ""

    svg = re.sub(r' id="([^"]*)"', renamed, svg)
    return re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", svg)


def to_markdown(figure: Figure, plot: Plot) -> str:
    """Return a figure drawn with PAPER as a Markdown image that holds its own bytes."""
    sink = io.BytesIO()
    with mpl.rc_context(STYLE):
        figure.savefig(sink, format="png", dpi=DOTS_PER_INCH, facecolor="white")
    content = base64.b64encode(sink.getvalue()).decode()
    words = escape(plot.description, quote=False)
    return f"![{plot.title}](data:image/png;base64,{content})\n\n{words}"
