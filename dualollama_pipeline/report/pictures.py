"""The key plots as Markdown images for the catalog: each from its own table, bytes included.

Drawing is plots/'s; here tables become what it draws. Simulated rows say so above the picture.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.metrics.catalog import ALL
from dualollama_pipeline.report.configuration import estimate_of
from dualollama_pipeline.report.plots.canvas import PAPER, to_markdown
from dualollama_pipeline.report.plots.speedups import SpeedupRow, draw_speedups, speedups_in_words
from dualollama_pipeline.report.sections.factors import draw_factors, drawn_rows, factors_in_words
from dualollama_pipeline.report.sections.two_or_one import (
    contrasts_in_words,
    draw_contrasts,
    shown_rows,
)
from dualollama_pipeline.report.wording import PAIR, Words, one_line
from dualollama_pipeline.tables.rows import Row, grouped, plain_rows

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

    from dualollama_pipeline.report.model import Plot

SIMULATED = "**SIMULATED**: an illustration, no measurement.\n\n"


def speedups_picture(config_statistics: pd.DataFrame) -> str:
    """Return the weighted speedup of every configuration (reloads are not in this table)."""
    rows = plain_rows(config_statistics)
    groups = sorted(
        grouped(rows, "scenario", "config_id").items(),
    )
    lines = [
        SpeedupRow(one_line(config_id), one_line(scenario), False, tuple(map(estimate_of, group)))
        for (scenario, config_id), group in groups
    ]
    words = Words(len({row["agent"] for row in rows} - {ALL}) or PAIR.n_agents)
    return _picture(rows, draw_speedups(lines, words, PAPER), speedups_in_words(lines, words))


def contrasts_picture(contrasts: pd.DataFrame) -> str:
    """Return the contrasts over all configurations and by scenario."""
    rows = shown_rows(plain_rows(contrasts))
    return _picture(rows, draw_contrasts(rows, palette=PAPER), contrasts_in_words(rows))


def factors_picture(factor_effects: pd.DataFrame) -> str:
    """Return the effects of the options that have an interval; a sentence if none has."""
    rows = plain_rows(factor_effects)
    drawn = drawn_rows(rows)
    if not drawn:
        return "No effect of an option has an interval; the rows say why."
    return _picture(rows, draw_factors(drawn, PAPER), factors_in_words(rows))


def _picture(rows: list[Row], figure: Figure, plot: Plot) -> str:
    label = SIMULATED if any(row["origin"] == "simulated" for row in rows) else ""
    return label + to_markdown(figure, plot)
