"""First and last: the rankings, what a place is worth, and the best single trials."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from dualollama_pipeline.metrics.catalog import APART_SPEEDUP, BALANCE, BY_NAME, Key
from dualollama_pipeline.report import cells, prose
from dualollama_pipeline.report.model import Cell, Section, find
from dualollama_pipeline.report.sections.chapter import Chapter, absent, chapter, evidence_of
from dualollama_pipeline.report.wording import Words
from dualollama_pipeline.statistics.selection import top_and_bottom, top_runs
from dualollama_pipeline.tables.rows import plain_rows

if TYPE_CHECKING:
    from dualollama_pipeline.report.inputs import ReportInputs
    from dualollama_pipeline.report.model import Estimate, Summary, Table
    from dualollama_pipeline.tables.rows import Row

RANKED = (APART_SPEEDUP, BALANCE)
TITLE = "First and last"
LABELS = ("Configuration", "Scenario", "Place#", "Mean#")
TRIAL_LABELS = ("Configuration", "Batch, block", "Measure", "Picked#", "Its configuration#")
TEXT = (
    "The first five and the last three, by weighted speedup and by the report's own measure. "
    "Beside each place stand the places that the data allow: where those of two configurations "
    "overlap, their order may be another one next time."
)
TRIALS_TEXT = (
    "A single block or trial that was picked because it is high tends to be higher than the next: "
    "what to expect of that is the mean of its configuration, which stands beside it."
)


def build(inputs: ReportInputs, summary: Summary) -> Chapter:
    """Show both ends of each ranking."""
    estimates = {
        (each.config_id, key): found
        for each in summary.configurations
        for key in RANKED
        if (found := find(each.estimates, key))
    }
    words = Words(summary.n_agents)
    tables = [_ranking(inputs.config_statistics, key, estimates, words) for key in RANKED]
    if not any(table.rows for table in tables):
        return absent("rankings", TITLE, "No configuration has an estimate to be ranked by.")
    section = Section(
        id="rankings",
        title=TITLE,
        evidence=evidence_of(summary.origins),
        paragraphs=(TEXT, TRIALS_TEXT),
        tables=(*tables, *_best_trials(inputs, estimates, words)),
    )
    return chapter(section)


def place(row: Row | None) -> Cell:
    """Make a cell of a place, from 1, and of the places that the data allow."""
    if row is None or math.isnan(row["rank"]):
        return Cell(reason="not ranked: no estimate")
    if math.isnan(row["rank_low"]):
        return Cell(
            text=f"{row['rank']:.0f}", detail=f"of {row['n_ranked']:.0f}; no interval",
            value=row["rank"], unit="place", n=int(row["n_ranked"]),
        )  # fmt: skip
    return Cell(
        text=f"{row['rank']:.0f}",
        detail=f"{row['rank_low']:.0f} to {row['rank_high']:.0f} of {row['n_ranked']:.0f}",
        value=row["rank"],
        unit="place",
        n=int(row["n_ranked"]),
        ci_low=row["rank_low"],
        ci_high=row["rank_high"],
        level=row["level"],
    )


def _ranking(
    statistics: pd.DataFrame, key: Key, estimates: dict[tuple[str, Key], Estimate], words: Words
) -> Table:
    ends = pd.concat(top_and_bottom(statistics, key))
    rows = [
        [
            cells.words(row["config_id"]),
            cells.words(prose.scenario_name(str(row["scenario"]))),
            place(row),
            cells.estimate(estimates.get((str(row["config_id"]), key))),
        ]
        for row in plain_rows(ends[~ends.index.duplicated()])  # few are in both ends
    ]
    caption = f"The first five and the last three by: {words.label(key)}."
    return cells.table(f"ranking_{key.metric}", caption, LABELS, rows)


def _best_trials(
    inputs: ReportInputs, estimates: dict[tuple[str, Key], Estimate], words: Words
) -> list[Table]:
    samples = inputs.table("samples")
    if samples is None:
        return []
    rows = [
        [
            cells.words(row["config_id"]),
            cells.words(f"{row['batch_id']}, {row['block']:.0f}"),
            cells.words(words.label(key)),
            cells.figure(row["value"], BY_NAME[key.metric].unit, n=1, of=_noun(key)),
            cells.estimate(estimates.get((str(row["config_id"]), key))),
        ]
        for key in RANKED
        for row in plain_rows(top_runs(samples, key))
    ]
    caption = "The five highest single blocks (weighted speedup) and trials (balance efficiency)."
    return [cells.table("best_trials", caption, TRIAL_LABELS, rows)]


def _noun(key: Key) -> str:
    return "trial" if BY_NAME[key.metric].table == "run_table" else "block"
