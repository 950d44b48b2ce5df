"""The configurations: balance beside weighted speedup, with intervals, places and remarks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dualollama_pipeline.metrics.catalog import (
    APART_AGAINST_SHARED,
    APART_SPEEDUP,
    BALANCE,
    SHARED_SPEEDUP,
    key_of,
)
from dualollama_pipeline.report import cells, prose
from dualollama_pipeline.report.model import Cell, Section, TableRow, find
from dualollama_pipeline.report.plots.balance import balance_in_words, draw_balance
from dualollama_pipeline.report.plots.canvas import to_svg
from dualollama_pipeline.report.plots.speedups import draw_speedups, rows_of, speedups_in_words
from dualollama_pipeline.report.sections.chapter import Chapter, chapter, evidence_of
from dualollama_pipeline.report.sections.rankings import place
from dualollama_pipeline.report.wording import Words
from dualollama_pipeline.tables.rows import plain_rows

if TYPE_CHECKING:
    from dualollama_pipeline.report.inputs import ReportInputs
    from dualollama_pipeline.report.model import ConfigurationSummary, Summary
    from dualollama_pipeline.tables.rows import Row

SHOWN = (APART_SPEEDUP, BALANCE, SHARED_SPEEDUP, APART_AGAINST_SHARED)
LABELS = (
    "Configuration", "Scenario", "Weighted speedup, {servers}#", "Place#",
    "Balance efficiency (published)#", "Weighted speedup, one server#",
    "{Servers} against one#", "Blocks#",
)  # fmt: skip


def build(inputs: ReportInputs, summary: Summary) -> Chapter:
    """Show every configuration."""
    ranks = {
        str(row["config_id"]): row
        for row in plain_rows(inputs.config_statistics)
        if key_of(row) == APART_SPEEDUP
    }
    each, words = summary.configurations, Words(summary.n_agents)
    # what the document's own figure is, it says of two agents
    paragraphs = [prose.WHY_BALANCE_IS_NO_SPEEDUP] if words.is_pair else []
    paragraphs.append(words.fill(prose.HOW_TO_READ))
    paragraphs.append(prose.blocks_in_words(summary.validity, words))
    paragraphs += [
        _best_of(row, words)
        for row in plain_rows(inputs.population_statistics)
        if key_of(row) == APART_SPEEDUP and row["best_config_id"]
    ]
    if summary.equal_groups:
        paragraphs.append(prose.equal_in_words(summary.equal_groups))
    if summary.missing:
        paragraphs.append(prose.missing_in_words(summary.missing))
    rows = rows_of(each)
    plots = [speedups_in_words(rows, words)]
    drawings = {"speedups": to_svg(draw_speedups(rows, words), plots[0])}
    balance = draw_balance(each, words)
    if balance is not None:
        plots.append(balance_in_words(each, words))
        drawings["balance"] = to_svg(balance, plots[1])
    table = cells.table(
        "configurations",
        f"Every configuration. Place: rank by weighted speedup on {words.servers}, and the places "
        "that the data allow (95 %).",
        list(map(words.fill, LABELS)),
        [_row(one, ranks.get(one.config_id), words) for one in each],
        is_sortable=True,
    )
    section = Section(
        id="configurations",
        title="The configurations in full",
        evidence=evidence_of(summary.origins),
        paragraphs=tuple(paragraphs),
        plots=tuple(plots),
        tables=(table,),
    )
    return chapter(section, **drawings)


def _row(each: ConfigurationSummary, rank: Row | None, words: Words) -> TableRow:
    figures = {key: cells.estimate(find(each.estimates, key)) for key in SHOWN}
    counts = each.validity
    left_out = max(counts.n_left_out.values())
    blocks = Cell(
        text=f"{counts.n_blocks - left_out} of {counts.n_blocks}",
        detail=f"{counts.n_warn} warned; {counts.n_invalid} invalid",
        value=counts.n_blocks - left_out,
        unit="blocks",
        n=counts.n_blocks,
    )
    return TableRow(
        cells=(
            cells.configuration(each.config_id),
            cells.words(prose.scenario_name(each.scenario)),
            figures[APART_SPEEDUP],
            place(rank),
            figures[BALANCE],
            figures[SHARED_SPEEDUP],
            figures[APART_AGAINST_SHARED],
            blocks,
        ),
        notes=(
            f"agents: {'; '.join(prose.agents_in_words(each.agents))}",
            *prose.remarks(each, words),
        ),
        is_flagged=prose.is_flagged(each),
    )


def _best_of(row: Row, words: Words) -> str:
    """Say what the best of several is worth (METHOD 3)."""
    best = f"Best of {row['n_configurations']:.0f} on {words.servers}: {row['best_config_id']}, "
    best += (
        f"{row['best_value']:.3f}× (worst: {row['worst_config_id']}, {row['worst_value']:.3f}×)."
    )
    if math.isnan(row["best_if_equal"]):
        return best
    return (
        f"{best} If all were equal, the best of them would show {row['best_if_equal']:.3f}× on "
        f"average by chance alone, and more than {row['best_if_equal_p95']:.3f}× in 5 % of "
        f"campaigns; the chance of a best as good as this is {100 * row['p_best_if_equal']:.0f} %."
    )
