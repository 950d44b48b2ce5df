"""The page `capacity.html`: how many agents fit, as a picture and a table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.ticker import MaxNLocator

from dualollama_pipeline.advice.capacity import OPTIONS, in_words, limits
from dualollama_pipeline.report import cells
from dualollama_pipeline.report.model import Plot, Section
from dualollama_pipeline.report.page import Link, render_chapters
from dualollama_pipeline.report.plots.canvas import (
    PAGE,
    Palette,
    axes_style,
    canvas,
    legend,
    to_svg,
)
from dualollama_pipeline.report.publish import write_page
from dualollama_pipeline.report.sections.chapter import chapter, evidence_of
from dualollama_pipeline.tables.rows import plain_rows

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.figure import Figure

    from dualollama_pipeline.advice.capacity import Option
    from dualollama_pipeline.core.specs import ServiceLevels
    from dualollama_pipeline.report.model import Cell
    from dualollama_pipeline.tables.rows import Row

LINK = Link("capacity.html", "How many agents fit here")
HEIGHT_IN = 3.4
STYLES = {0: ("o", "two", True), 1: ("D", "one", False), 2: ("s", "one", True)}
LABELS = ("Agents#", "How", "Tokens/s#", "Weighted speedup#", "TTFT P95#", "Slowest agent#", "Fits")


def publish_capacity(table: pd.DataFrame, levels: ServiceLevels, folder: Path) -> Path:
    """Write the page from the table `capacity`.

    Raises:
        TableError: the disk refuses; what was there before stays readable.
    """
    origins = set(table["origin"].astype(str))
    plot = Plot(
        name="capacity",
        title="Throughput by the number of agents",
        description="Tokens per second of all agents together, for each way to run them; the "
        "numbers are in the table.",
        caption="Points with 95 % intervals. Where a line turns flat, one agent more only waits.",
    )
    section = Section(
        id="capacity",
        title=LINK.title,
        evidence=evidence_of(origins),
        paragraphs=tuple(in_words(limits(table), levels)),
        plots=(plot,),
        tables=(
            cells.table(
                "capacity",
                "Tokens/s: all agents together, in their wall time. Fits: every agent within the "
                "study's service levels.",
                LABELS,
                [_line(row) for row in plain_rows(table)],
            ),
        ),
    )
    lead = "One model, more and more equal agents at once."
    if "simulated" in origins:
        lead = f"SIMULATED: the numbers come from a simulator. {lead}"
    page = folder / LINK.file
    drawn = chapter(section, capacity=to_svg(draw_capacity(table), plot))
    write_page(page, render_chapters(LINK.title, lead, [drawn]))
    return page


def _line(row: Row) -> list[Cell]:
    return [
        cells.count(row["n_agents"]),
        cells.words("alone" if row["n_agents"] == 1 else _option(row).words),
        _figure(row, "tok_per_s", "tok/s"),
        _figure(row, "weighted_speedup", "x"),
        cells.figure(
            row["ttft_p95_ms"],
            "ms",
            n=row["n_calls"],
            of="calls",
            reason=f"40 calls are needed; longest {row['ttft_max_ms']:.0f} ms",
        ),
        cells.figure(row["agent_tok_per_s"], "tok/s"),
        cells.words({True: "yes", False: "no"}.get(row["fits"], "not known") + _because(row)),
    ]


def _because(row: Row) -> str:
    return f": {row['why']}" if row["why"] else ""


def _figure(row: Row, name: str, unit: str) -> Cell:
    return cells.figure(
        row[name],
        unit,
        low=row[f"{name}_low"],
        high=row[f"{name}_high"],
        n=row["n_blocks"],
        reason="no trial counts",
    )


def _option(row: Row) -> Option:
    has_slots = row["n_slots"] is not None and row["n_slots"] == row["n_slots"]
    return next(o for o in OPTIONS if (o.arm, o.has_slots) == (row["arm"], has_slots))


def draw_capacity(table: pd.DataFrame, palette: Palette = PAGE) -> Figure:
    """Draw the throughput of each way to run agents against their number."""
    with canvas(HEIGHT_IN) as figure:
        axes = figure.add_axes((0.1, 0.15, 0.87, 0.72))
        alone = table[table["n_agents"].eq(1)]
        for number, option in enumerate(OPTIONS):
            is_slots = table["n_slots"].notna() == option.has_slots
            mine = table[table["n_agents"].gt(1) & table["arm"].eq(option.arm) & is_slots]
            if mine.empty:
                continue
            marker, colour, is_filled = STYLES[number]
            ink = getattr(palette, colour)
            for part, label in ((alone, ""), (mine, option.words)):
                middle = part["tok_per_s"]
                below = (middle - part["tok_per_s_low"]).fillna(0)
                above = (part["tok_per_s_high"] - middle).fillna(0)
                axes.errorbar(
                    part["n_agents"].astype(float) + 0.06 * (number - 1), middle,
                    yerr=[below, above],
                    fmt=marker, color=ink, markersize=5, elinewidth=1.1,
                    markerfacecolor=ink if is_filled else "none", label=label or None,
                )  # fmt: skip
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("agents at once")
        axes.set_ylabel("tokens/s of all agents")
        axes_style(axes, palette)
        if table["n_agents"].max() > 1:
            legend(axes, palette, loc="lower left", bbox_to_anchor=(0, 1), ncols=3)
    return figure
