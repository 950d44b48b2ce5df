"""What the options do, all others equal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dualollama_pipeline.metrics.catalog import APART_SPEEDUP, key_of
from dualollama_pipeline.report import cells, prose
from dualollama_pipeline.report.model import Cell, Plot, Section
from dualollama_pipeline.report.plots.canvas import PAGE, to_svg
from dualollama_pipeline.report.plots.forest import draw_ratios
from dualollama_pipeline.report.sections.chapter import (
    Chapter,
    absent,
    chapter,
    evidence_in,
    verdict_words,
)
from dualollama_pipeline.report.sections.comparisons import COMPARISON_LABELS, comparison_cells
from dualollama_pipeline.report.wording import PAIR, Words
from dualollama_pipeline.tables.rows import grouped, plain_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dualollama_pipeline.report.inputs import ReportInputs
    from dualollama_pipeline.report.model import Summary
    from dualollama_pipeline.report.plots.canvas import Palette
    from dualollama_pipeline.tables.rows import Row

ID, TITLE = "factors", "What the options do"
DRAWN = APART_SPEEDUP
LABELS = ("Factor", "From → to", "Metric", *COMPARISON_LABELS)


def build(inputs: ReportInputs, summary: Summary) -> Chapter:
    """Show the effect of each option on weighted speedup and on balance."""
    effects = inputs.table("factor_effects")
    if effects is None:
        why = (
            "No two measured configurations of one scenario differ in one thing only: measure more "
            "of the study (`dualollama run`)."
        )
        return absent(ID, TITLE, why)
    rows, words = plain_rows(effects), Words(summary.n_agents)
    drawn = drawn_rows(rows)
    plot = factors_in_words(rows, words)
    section = Section(
        id=ID,
        title=TITLE,
        evidence=evidence_in(rows),
        paragraphs=(
            (
                "Pairs of configurations that differ in this option only, compared by what the "
                "servers really ran. Where an option had no effect on what ran (num_gpu above the "
                "number of layers, num_ctx below the model's least), a difference would be noise."
            ),
        ),
        plots=(plot,) if drawn else (),
        tables=(
            cells.table(
                "factors",
                f"{words.servers.capitalize()}. Effect on the weighted speedup as a ratio, on "
                "balance efficiency in percentage points.",
                LABELS,
                [[*_names(row, words), *comparison_cells(row)] for row in rows],
                is_sortable=True,
            ),
        ),
    )
    return chapter(section, **({"factors": to_svg(draw_factors(drawn), plot)} if drawn else {}))


def _names(row: Row, words: Words) -> list[Cell]:
    return [
        Cell(text=row["factor"], detail=prose.scenario_name(row["scenario"])),
        Cell(text=_levels(row), detail=row["pairs"]),
        Cell(text=words.label(key_of(row))),
    ]


def _levels(row: Row) -> str:
    return f"{row['level_from']} → {row['level_to']}"


def drawn_rows(rows: list[Row]) -> list[Row]:
    """Return the effects on the weighted speedup that have an interval."""
    return [row for row in rows if key_of(row) == DRAWN and not math.isnan(row["ci_low"])]


def factors_in_words(rows: list[Row], words: Words = PAIR) -> Plot:
    """Put the plot into words: counts by verdict; `rows` are all of factor_effects."""
    drawn = drawn_rows(rows)
    counts = ", ".join(
        f"{len(group)} {verdict_words(group[0])}" for _, group in grouped(drawn, "verdict").items()
    )
    n_more = sum(key_of(row) == DRAWN for row in rows) - len(drawn)
    return Plot(
        name="factors",
        title="Effect of each option on the weighted speedup",
        description=f"{len(drawn)} comparisons with an interval on {words.servers}: {counts}. The "
        "numbers are in the table of options.",
        caption=(
            "Ratios with 95 % intervals; right of the dashed line the second value is faster. "
            f"{n_more} more comparisons have no interval: the table says why."
        ),
    )


def draw_factors(rows: list[Row], palette: Palette = PAGE) -> Figure:
    """Draw effects that have an interval, by factor and scenario."""
    groups = {
        f"{factor}, {prose.scenario_name(scenario)}": [
            (_levels(row).replace("→", "to"), row) for row in group
        ]
        for (factor, scenario), group in grouped(rows, "factor", "scenario").items()
    }
    return draw_ratios(groups, "ratio of weighted speedups (×), 95 % interval", palette)
