"""Two servers, one server, or one after the other: the contrasts that decide it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.report import cells, prose
from dualollama_pipeline.report.model import Cell, Plot, Section
from dualollama_pipeline.report.plots.canvas import PAGE, to_svg
from dualollama_pipeline.report.plots.forest import draw_ratios
from dualollama_pipeline.report.sections.chapter import (
    Chapter,
    chapter,
    evidence_in,
    not_made,
    verdict_words,
)
from dualollama_pipeline.report.sections.comparisons import COMPARISON_LABELS, comparison_cells
from dualollama_pipeline.report.wording import PAIR, Words, shorten
from dualollama_pipeline.statistics.contrasts import AGAINST_ONE
from dualollama_pipeline.tables.rows import grouped, plain_rows

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dualollama_pipeline.report.inputs import ReportInputs
    from dualollama_pipeline.report.model import Summary
    from dualollama_pipeline.report.plots.canvas import Palette
    from dualollama_pipeline.tables.rows import Row

ID, TITLE = "two-or-one", "{Servers}, one server, or one after the other"
CONTRASTS = {name: (key.arm, reference) for key, (name, reference) in AGAINST_ONE.items()}
SCOPES = ("all", "scenario")


def build(inputs: ReportInputs, summary: Summary) -> Chapter:
    """Show the contrasts over all configurations and by scenario, those that reload apart."""
    words = Words(summary.n_agents)
    title = words.fill(TITLE)
    contrasts = inputs.table("contrasts")
    if contrasts is None:
        return not_made(ID, title, "contrasts")
    every = plain_rows(contrasts)
    rows = shown_rows(every)
    plot = contrasts_in_words(rows, words)
    figure = draw_contrasts(rows, words)
    section = Section(
        id=ID,
        title=title,
        evidence=evidence_in(rows),
        paragraphs=(
            (
                "Each contrast is taken within blocks: the arms that are compared ran on the same "
                "servers, minutes apart. Where the one server had to reload its model because the "
                "agents ask for different options, the load is part of that condition; such "
                "configurations stand in lines of their own."
            ),
            (
                f"By effective class (what the servers really ran) there are "
                f"{sum(row['scope'] == 'class' for row in every)} more comparisons in the table "
                "`contrasts`."
            ),
        ),
        plots=(plot,),
        tables=(
            cells.table(
                "contrasts",
                "Effect: above 1, the first named is faster. Verdicts follow the corrected test; "
                "“equivalent” means that the whole effect lies within what counts as equal.",
                ("Comparison", *COMPARISON_LABELS),
                [[_first(row, words), *comparison_cells(row)] for row in rows],
            ),
        ),
    )
    return chapter(section, contrasts=to_svg(figure, plot))


def shown_rows(rows: list[Row]) -> list[Row]:
    """Return the contrasts that the section shows, of all rows of `contrasts`."""
    return [row for row in rows if row["contrast"] in CONTRASTS and row["scope"] in SCOPES]


def draw_contrasts(rows: list[Row], words: Words = PAIR, palette: Palette = PAGE) -> Figure:
    """Draw the shown contrasts, by what is compared."""
    groups = {
        _contrast(contrast, words): [(_scope(row), row) for row in group]
        for (contrast,), group in grouped(rows, "contrast").items()
    }
    return draw_ratios(groups, "ratio (×), 95 % interval; 1 = no difference", palette)


def contrasts_in_words(rows: list[Row], words: Words = PAIR) -> Plot:
    """Put the plot into words: every verdict with its value."""
    return Plot(
        name="contrasts",
        title=f"Together against one after the other, and {words.servers} against one",
        description=" ".join(
            f"{_name(row, words)}: {verdict_words(row)}, "
            f"{comparison_cells(row)[0].text or 'no value'}."
            for row in rows
        ),
        caption="Ratios with 95 % intervals; right of the dashed line the first named is faster.",
    )


def _contrast(name: str, words: Words) -> str:
    arm, reference = CONTRASTS[name]
    return f"{words.arm(arm)}, against {reference}"


def _first(row: Row, words: Words) -> Cell:
    return Cell(text=_contrast(row["contrast"], words), detail=_scope(row))


def _name(row: Row, words: Words) -> str:
    return f"{_contrast(row['contrast'], words)} ({_scope(row)})"


def _scope(row: Row) -> str:
    where = "all scenarios" if row["scope"] == "all" else prose.scenario_name(row["subject"])
    reloading = ", model reloaded" if "reloading" in row["family"] else ""
    return shorten(where + reloading)
