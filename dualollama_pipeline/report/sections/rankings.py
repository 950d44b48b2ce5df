"""First and last: the rankings, what a place is worth, and the best single trials."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from dualollama_pipeline.metrics.catalog import BY_NAME
from dualollama_pipeline.report import cells, prose
from dualollama_pipeline.report.model import Cell, Section, find
from dualollama_pipeline.report.sections.chapter import Chapter, absent, chapter, evidence_of
from dualollama_pipeline.statistics.samples import collect_samples
from dualollama_pipeline.statistics.selection import top_and_bottom, top_runs
from dualollama_pipeline.tables.rows import plain_rows

if TYPE_CHECKING:
    from dualollama_pipeline.report.inputs import ReportInputs
    from dualollama_pipeline.report.model import Estimate, Summary, Table
    from dualollama_pipeline.tables.rows import Row

RANKED = ("dual_weighted_speedup", "balance_efficiency_pct")
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
        (each.config_id, found.metric): found
        for each in summary.configurations
        for metric in RANKED
        if (found := find(each.estimates, metric))
    }
    tables = [_ranking(inputs.config_statistics, metric, estimates) for metric in RANKED]
    if not any(table.rows for table in tables):
        return absent("rankings", TITLE, "No configuration has an estimate to be ranked by.")
    section = Section(
        id="rankings",
        title=TITLE,
        evidence=evidence_of(summary.origins),
        paragraphs=(TEXT, TRIALS_TEXT),
        tables=(*tables, _best_trials(inputs, estimates)),
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
    statistics: pd.DataFrame, metric: str, estimates: dict[tuple[str, str], Estimate]
) -> Table:
    ends = pd.concat(top_and_bottom(statistics, metric))
    rows = [
        [
            cells.words(row["config_id"]),
            cells.words(prose.scenario_name(str(row["scenario"]))),
            place(row),
            cells.estimate(estimates.get((str(row["config_id"]), metric))),
        ]
        for row in plain_rows(ends[~ends.index.duplicated()])  # few are in both ends
    ]
    caption = f"The first five and the last three by: {_label(metric)}."
    return cells.table(f"ranking_{metric}", caption, LABELS, rows)


def _best_trials(inputs: ReportInputs, estimates: dict[tuple[str, str], Estimate]) -> Table:
    metrics = [BY_NAME[name] for name in RANKED]
    samples = collect_samples(inputs.runs, inputs.blocks, metrics=metrics)
    rows = [
        [
            cells.words(row["config_id"]),
            cells.words(f"{row['batch_id']}, {row['block']}"),
            cells.words(_label(metric)),
            cells.figure(row["value"], BY_NAME[metric].unit, n=1, of=_noun(metric)),
            cells.estimate(estimates.get((str(row["config_id"]), metric))),
        ]
        for metric in RANKED
        for row in plain_rows(top_runs(samples, metric))
    ]
    caption = "The five highest single blocks (weighted speedup) and trials (balance efficiency)."
    return cells.table("best_trials", caption, TRIAL_LABELS, rows)


def _noun(metric: str) -> str:
    return "trial" if BY_NAME[metric].table == "run_table" else "block"


def _label(metric: str) -> str:
    return BY_NAME[metric].label
