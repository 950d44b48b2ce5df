"""Weighted speedup of every configuration: two servers and one, with intervals, by scenario."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dualollama_pipeline.core.study import APART, SHARED
from dualollama_pipeline.metrics.catalog import APART_SPEEDUP, SHARED_SPEEDUP
from dualollama_pipeline.report.headline import judge_against_one
from dualollama_pipeline.report.model import Plot, find
from dualollama_pipeline.report.plots.canvas import PAGE
from dualollama_pipeline.report.plots.forest import Line, Mark, Series, draw_forest
from dualollama_pipeline.report.prose import scenario_name
from dualollama_pipeline.report.wording import PAIR, Words, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from dualollama_pipeline.report.model import ConfigurationSummary, Estimate, Verdict
    from dualollama_pipeline.report.plots.canvas import Palette

NAN = float("nan")
PLACES: dict[Verdict, str] = {
    "slower": "below 1",
    "no difference shown": "with 1 inside",
    "faster": "above 1",
    "undetermined": "not determined",
}


def series_of(words: Words) -> tuple[Series, ...]:
    """Return how each arm is drawn, wherever both are."""
    return (
        Series(APART_SPEEDUP, words.arm(APART), "o", "two", True, -0.16),
        Series(SHARED_SPEEDUP, words.arm(SHARED), "D", "one", False, 0.16),
    )


class SpeedupRow(NamedTuple):
    """What the plot needs of a configuration."""

    config_id: str
    scenario: str
    is_reloading: bool
    estimates: Sequence[Estimate]


def rows_of(configurations: Sequence[ConfigurationSummary]) -> list[SpeedupRow]:
    """Return the rows of the summary's configurations."""
    return [
        SpeedupRow(each.config_id, each.scenario, each.n_reloads > 0, each.estimates)
        for each in configurations
    ]


def draw_speedups(
    rows: Sequence[SpeedupRow], words: Words = PAIR, palette: Palette = PAGE
) -> Figure:
    """Draw one line for each configuration; an asterisk marks those that reload their model."""
    lines, series = [], series_of(words)
    scenario = None
    for each in rows:
        if each.scenario != scenario:
            scenario = each.scenario
            lines.append(Line(scenario_name(scenario), None))
        marks = tuple(_mark(find(each.estimates, one.key)) for one in series)
        lines.append(Line(each.config_id + "*" * each.is_reloading, marks))
    axis = "weighted speedup (×), 95 % interval; dashed line: 1 = no gain"
    return draw_forest(lines, series, axis, 1.0, palette)


def speedups_in_words(rows: Sequence[SpeedupRow], words: Words = PAIR) -> Plot:
    """Put the plot into words: counts by verdict; the numbers stand in the table."""
    sentences = []
    for series in series_of(words):
        verdicts = [judge_against_one(find(each.estimates, series.key)) for each in rows]
        counts = ", ".join(f"{verdicts.count(word)} {place}" for word, place in PLACES.items())
        sentences.append(f"{series.label}: intervals {counts}.")
    return Plot(
        name="speedups",
        title="Weighted speedup of every configuration",
        description=(
            f"One line for each of {len(rows)} configurations, grouped by scenario; "
            f"filled circles are {words.servers}, open diamonds one server. {' '.join(sentences)} "
            "The numbers are in the table of configurations."
        ),
        caption=(
            f"Filled circles: {words.servers}. Open diamonds: one server. Right of the dashed line "
            "is a gain, left a loss. An asterisk marks configurations whose agents make the one "
            "server reload its model."
        ),
    )


def _mark(estimate: Estimate | None) -> Mark:
    if estimate is None or show(estimate).reason:
        return Mark(NAN, NAN, NAN)
    return Mark(estimate.value or NAN, estimate.ci_low or NAN, estimate.ci_high or NAN)
