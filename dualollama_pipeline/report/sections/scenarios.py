"""The scenarios: their pooled estimates, the spread inside them, and one against the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.metrics.catalog import (
    APART_AGAINST_SHARED,
    APART_SPEEDUP,
    BALANCE,
    SHARED_SPEEDUP,
    key_of,
)
from dualollama_pipeline.report import cells, prose
from dualollama_pipeline.report.model import Cell, Section, find
from dualollama_pipeline.report.sections.chapter import Chapter, chapter, evidence_of
from dualollama_pipeline.report.sections.comparisons import COMPARISON_LABELS, comparison_cells
from dualollama_pipeline.report.wording import Words
from dualollama_pipeline.tables.rows import plain_rows

if TYPE_CHECKING:
    from dualollama_pipeline.report.inputs import ReportInputs
    from dualollama_pipeline.report.model import Summary, Table

SHOWN = (APART_SPEEDUP, SHARED_SPEEDUP, APART_AGAINST_SHARED, BALANCE)
LABELS = (
    "Scenario", "Weighted speedup, {servers}#", "Weighted speedup, one server#",
    "{Servers} against one#", "Balance efficiency#", "Spread inside a configuration#",
)  # fmt: skip
PAIRS = "scenario against scenario"


def build(inputs: ReportInputs, summary: Summary) -> Chapter:
    """Show every scenario."""
    spreads = {
        str(row["scenario"]): row
        for row in plain_rows(inputs.scenario_statistics)
        if key_of(row) == APART_SPEEDUP
    }
    words, rows = Words(summary.n_agents), []
    for each in summary.scenarios:
        name = prose.scenario_name(each.scenario)
        first = Cell(text=name, detail=words.fill(prose.SCENARIOS.get(each.scenario, "")))
        spread = spreads.get(each.scenario)
        within = Cell(reason="not measured")
        if spread is not None:
            within = cells.figure(
                spread["within_cv_pct"], "%", n=spread["n_configurations"], of="configurations",
                reason="fewer than two values each", remark="mean CV of the weighted speedup",
            )  # fmt: skip
        rows.append([first, *(cells.estimate(find(each.estimates, key)) for key in SHOWN), within])
    table = cells.table(
        "scenarios", "Pooled over the blocks of each scenario.", list(map(words.fill, LABELS)), rows
    )
    section = Section(
        id="scenarios",
        title="The scenarios",
        evidence=evidence_of(summary.origins),
        paragraphs=(words.fill(prose.HOW_TO_READ),),
        tables=(table, *_against_each_other(inputs, words)),
    )
    return chapter(section)


def _against_each_other(inputs: ReportInputs, words: Words) -> list[Table]:
    contrasts = inputs.table("contrasts")
    if contrasts is None:
        return []
    rows = [
        [
            Cell(
                text=f"{prose.scenario_name(row['subject'])} against "
                f"{prose.scenario_name(row['reference'])}",
                detail=words.label(key_of(row)),
            ),
            *comparison_cells(row),
        ]
        for row in plain_rows(contrasts)
        if row["contrast"] == PAIRS
    ]
    caption = (
        "One scenario against the other, corrected for all comparisons of the same metric; "
        "balance efficiency in percentage points."
    )
    labels = ("Comparison", *COMPARISON_LABELS)
    return [cells.table("scenario_contrasts", caption, labels, rows, is_sortable=True)]
