"""The published figure against the true one: a point for each configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dualollama_pipeline.metrics.catalog import APART_SPEEDUP, BALANCE
from dualollama_pipeline.report.model import Plot, find
from dualollama_pipeline.report.plots.canvas import PAGE, axes_style, canvas, legend, plain
from dualollama_pipeline.report.prose import scenario_name
from dualollama_pipeline.report.wording import PAIR, Words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from dualollama_pipeline.report.model import ConfigurationSummary
    from dualollama_pipeline.report.plots.canvas import Palette

HEIGHT_IN = 3.6
MARKERS = ("o", "D", "^", "s", "v", "P", "X")
COLOURS = ("two", "one", "ink")


def draw_balance(
    configurations: Sequence[ConfigurationSummary], words: Words = PAIR, palette: Palette = PAGE
) -> Figure | None:
    """Draw balance efficiency (x) and weighted speedup (y); None if no configuration has both."""
    points = _points(configurations)
    if not points:
        return None
    with canvas(HEIGHT_IN) as figure:
        axes = figure.add_axes((0.1, 0.15, 0.87, 0.74))
        for index, (scenario, both) in enumerate(points.items()):
            colour = getattr(palette, COLOURS[index % len(COLOURS)])
            balance, speedup = zip(*both, strict=True)
            axes.errorbar(
                [each.value for each in balance], [each.value for each in speedup],
                xerr=_ends(balance), yerr=_ends(speedup),
                fmt=MARKERS[index % len(MARKERS)], color=colour, elinewidth=0.9, markersize=5.5,
                markerfacecolor=colour if index == 0 else "none", markeredgewidth=1.2,
                label=plain(scenario_name(scenario)).replace("$", ""),
            )  # fmt: skip
        axes.axhline(1, color=palette.ink, linewidth=1.1, linestyle=(0, (5, 3)))
        low, high = axes.get_ylim()
        axes.set_ylim(min(low, 0.97), max(high, 1.03))
        axes.set_xlabel("balance efficiency (%), the published figure, 95 % interval")
        axes.set_ylabel(f"weighted speedup, {words.servers} (×)")
        axes_style(axes, palette)
        legend(axes, palette, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(points))
    return figure


def balance_in_words(configurations: Sequence[ConfigurationSummary], words: Words = PAIR) -> Plot:
    """Put the plot into words: the two ranges."""
    both = [pair for pairs in _points(configurations).values() for pair in pairs]
    balance = [each.value for each, _ in both]
    speedup = [each.value for _, each in both]
    return Plot(
        name="balance",
        title="Balance efficiency says little about weighted speedup",
        description=(
            f"A point for each of {len(both)} configurations, a mark for each scenario. Balance "
            f"efficiency runs from {min(balance):.2f} % to {max(balance):.2f} %, weighted "
            f"speedup on {words.servers} from {min(speedup):.3f} to {max(speedup):.3f}. The "
            "numbers are in the table of configurations."
        ),
        caption=(
            "Across: what was published as efficiency. Up: whether it is faster. Crosses are 95 % "
            "intervals; below the dashed line, one after the other is faster."
        ),
    )


def _points(configurations: Sequence[ConfigurationSummary]) -> dict[str, list[tuple[Any, Any]]]:
    points: dict[str, list[tuple[Any, Any]]] = {}
    for each in configurations:
        pair = [find(each.estimates, key) for key in (BALANCE, APART_SPEEDUP)]
        if all(found is not None and None not in (found.ci_low, found.ci_high) for found in pair):
            points.setdefault(each.scenario, []).append((pair[0], pair[1]))
    return points


def _ends(estimates: Sequence[Any]) -> list[list[float]]:
    return [
        [max(each.value - each.ci_low, 0) for each in estimates],
        [max(each.ci_high - each.value, 0) for each in estimates],
    ]
