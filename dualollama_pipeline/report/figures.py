"""The plot of the report: true speedup of every configuration, as an SVG that needs no colour.

Only drawing lives here, from the Summary alone. Marks differ by shape and filling; colours are
left to the page's style sheet (CSS variables), so that one picture serves light, dark and paper.
"""

from __future__ import annotations

import io
import re
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

import matplotlib as mpl
from matplotlib.figure import Figure

from dualollama_pipeline.report.headline import judge_against_one
from dualollama_pipeline.report.model import find
from dualollama_pipeline.report.prose import scenario_name
from dualollama_pipeline.report.wording import show

if TYPE_CHECKING:
    from dualollama_pipeline.report.model import ConfigurationSummary, Estimate, Summary, Verdict

# matplotlib knows no CSS: it draws in colours that stand for a variable and are exchanged after
INK, SOFT, TWO, ONE = "#010101", "#020202", "#030303", "#040404"
VARIABLES = {INK: "currentColor", SOFT: "var(--soft)", TWO: "var(--two)", ONE: "var(--one)"}
WIDTH_IN, ROW_IN, FRAME_IN = 6.8, 0.26, 0.95
STYLE: Any = {  # matplotlib types it by the names of all its settings
    "svg.hashsalt": "dualollama",
    "svg.fonttype": "none",
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
}
PLACES: dict[Verdict, str] = {
    "slower": "below 1",
    "no difference shown": "with 1 inside",
    "faster": "above 1",
    "undetermined": "not determined",
}
NO_DATE = dict.fromkeys(("Date", "Creator", "Format", "Type"))


class Series(NamedTuple):
    """One metric of the plot: what it is called, and the mark that tells it apart."""

    metric: str
    label: str
    marker: str
    colour: str
    face: str
    offset: float


SERIES = (
    Series("dual_true_speedup", "two servers", "o", TWO, TWO, -0.16),
    Series("single_true_speedup", "one server", "D", ONE, "none", 0.16),
)


def plot_speedups(summary: Summary) -> str:
    """Draw the true speedups as an `<svg>` element with a text alternative."""
    rows = _rows(summary)
    height_in = FRAME_IN + ROW_IN * len(rows)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(WIDTH_IN, height_in))
        axes = figure.add_axes(
            (0.15, 0.55 / height_in, 0.83, 1 - FRAME_IN / height_in), facecolor="none"
        )
        axes.set_ylim(len(rows) - 0.4, -0.6)
        axes.axvline(1, color=INK, linewidth=1.1, linestyle=(0, (5, 3)))
        for series in SERIES:
            _draw(axes, rows, series)
        _frame(axes, rows)
        sink = io.StringIO()
        figure.savefig(sink, format="svg", transparent=True, metadata=NO_DATE)
    return _accessible(sink.getvalue(), _describe(summary))


def _rows(summary: Summary) -> list[ConfigurationSummary | str]:
    """Return the lines of the plot: a scenario's name, then its configurations."""
    rows: list[ConfigurationSummary | str] = []
    scenario = None
    for configuration in summary.configurations:
        if configuration.scenario != scenario:
            scenario = configuration.scenario
            rows.append(scenario_name(scenario))
        rows.append(configuration)
    return rows


def _draw(axes: Any, rows: list[ConfigurationSummary | str], series: Series) -> None:
    """Draw the intervals of one metric; what has none says so on its line."""
    points: list[tuple[float, Estimate]] = []
    for line, row in enumerate(rows):
        if isinstance(row, str):
            continue
        estimate = find(row.estimates, series.metric)
        if estimate is None or show(estimate).reason:
            text = f"{series.label}: no interval (see table)"
            axes.text(
                0.01, line + series.offset * 1.6, text, size=7, color=INK, style="italic",
                transform=axes.get_yaxis_transform(), va="center",
            )  # fmt: skip
        else:
            points.append((line + series.offset, estimate))
    lows = [estimate.value - estimate.ci_low for _, estimate in points]  # type: ignore[operator]
    highs = [estimate.ci_high - estimate.value for _, estimate in points]  # type: ignore[operator]
    axes.errorbar(
        [estimate.value for _, estimate in points], [y for y, _ in points], xerr=[lows, highs],
        fmt=series.marker, color=series.colour, markerfacecolor=series.face, markersize=5.2,
        markeredgewidth=1.3, elinewidth=1.5, capsize=3, label=series.label,
    )  # fmt: skip


def _frame(axes: Any, rows: list[ConfigurationSummary | str]) -> None:
    """Name lines and axis. Names are foreign text: no formula in `$`, no sign the font lacks."""
    for line, row in enumerate(rows):
        heading = isinstance(row, str)
        text = row if isinstance(row, str) else row.config_id + "*" * (row.n_single_reloads > 0)
        axes.text(
            -0.18 if heading else -0.012, line, text.encode("ascii", "replace").decode(),
            transform=axes.get_yaxis_transform(), va="center", ha="left" if heading else "right",
            weight="bold" if heading else "normal", color=INK, parse_math=False,
        )  # fmt: skip
        if not heading:
            axes.axhline(line, color=SOFT, linewidth=0.5, zorder=0)
    axes.set_yticks([])
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, 0.9), max(high, 1.1))
    axes.tick_params(axis="x", color=INK, labelcolor=INK)
    axes.set_xlabel("true speedup (×), 95 % interval; dashed line: 1 = no gain", color=INK)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "bottom")
        spine.set_color(INK)
    axes.legend(
        loc="lower left", bbox_to_anchor=(0.3, 1), ncols=2, frameon=False, labelcolor=INK,
        borderaxespad=0.2,
    )  # fmt: skip


def _describe(summary: Summary) -> str:
    """Put the plot into words: counts by verdict; the numbers stand in the tables below it."""
    sentences = []
    for series in SERIES:
        verdicts = [
            judge_against_one(find(configuration.estimates, series.metric))
            for configuration in summary.configurations
        ]
        counts = ", ".join(
            f"{verdicts.count(verdict)} {words}" for verdict, words in PLACES.items()
        )
        sentences.append(f"{series.label}: intervals {counts}.")
    return (
        f"One line for each of {len(summary.configurations)} configurations, grouped by scenario; "
        f"filled circles are two servers, open diamonds one server. {' '.join(sentences)} "
        "The numbers are in the tables below."
    )


def _accessible(svg: str, description: str) -> str:
    """Cut the file down to its element, exchange the colours, add title and description."""
    element = re.sub(r"<style.*?</style>", "", svg[svg.index("<svg") :], flags=re.DOTALL)
    for stand_in, colour in VARIABLES.items():
        element = element.replace(stand_in, colour)
    head, body = element.split(">", 1)
    return (
        f'{head} role="img" aria-labelledby="plot-title plot-desc">'
        f'<title id="plot-title">True speedup of every configuration</title>'
        f'<desc id="plot-desc">{escape(description)}</desc>{body.strip()}'
    )
