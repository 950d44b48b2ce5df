"""How often agents got in each other's way, by three rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.core.study import APART
from dualollama_pipeline.metrics.catalog import BY_NAME
from dualollama_pipeline.report import cells, prose
from dualollama_pipeline.report.model import Cell, Section
from dualollama_pipeline.report.sections.chapter import Chapter, absent, chapter, evidence_in
from dualollama_pipeline.report.wording import Words
from dualollama_pipeline.tables.rows import plain_rows
from dualollama_pipeline.tables.validity import is_usable

if TYPE_CHECKING:
    import pandas as pd

    from dualollama_pipeline.report.inputs import ReportInputs
    from dualollama_pipeline.report.model import Summary
    from dualollama_pipeline.tables.rows import Row

ID, TITLE = "contention", "Contention"
METRICS = ("ttft_contention_pct", "balance_contention_pct", "slowdown_contention_pct")


def build(inputs: ReportInputs, summary: Summary) -> Chapter:
    """Show the rates over all configurations, by scenario, and where they are not zero."""
    tables = {
        "all configurations": inputs.population_statistics,
        "scenario": inputs.scenario_statistics,
        "config_id": inputs.config_statistics,
    }
    rows: list[tuple[str, Row]] = []
    whole = inputs.population_statistics
    judging = set(whole.loc[whole["n"].gt(0), "metric"])  # balance is a rule for two agents
    rules = [name for name in METRICS if name in judging] or METRICS
    for level, table in tables.items():
        for row in plain_rows(table[table["metric"].isin(rules)]):
            name = prose.scenario_name(str(row.get(level, level)))
            if level != "config_id" or row["n_events"] > 0:
                rows.append((name, row))
    if not rows:
        why = "The statistics hold no contention rates: `dualollama report` computes them anew."
        return absent(ID, TITLE, why)
    by_name: dict[str, dict[str, Cell]] = {}
    for name, row in rows:
        by_name.setdefault(name, {})[row["metric"]] = _rate(row)
    nothing = Cell(text="0 %", detail="none here")
    section = Section(
        id=ID,
        title=TITLE,
        evidence=evidence_in(row for _, row in rows),
        paragraphs=(
            (
                "Trials with a server each. More than one rule: the published study used two "
                "and reported one. Rates are k of n with an exact interval, so a rate of 0 still "
                "has an upper end."
            ),
            *(f"{BY_NAME[name].label}: {BY_NAME[name].formula}." for name in rules),
            _left_out(inputs.runs, Words(summary.n_agents)),
        ),
        tables=(
            cells.table(
                "contention",
                "All, by scenario, and every configuration in which a rule spoke.",
                ("Where", *(f"{BY_NAME[name].label}#" for name in rules)),
                [
                    [Cell(text=name), *(found.get(metric, nothing) for metric in rules)]
                    for name, found in by_name.items()
                ],
            ),
        ),
    )
    return chapter(section)


def _left_out(runs: pd.DataFrame, words: Words) -> str:
    """Say how many trials no rule was asked about, and that some of these are no accident."""
    mine = runs[runs["arm"].eq(APART)]
    out = mine[~is_usable(mine)]
    apart = out["validity_reasons"].str.contains("overlap: ").sum()
    return (
        f"Of {len(mine)} trials, {len(out)} were not asked: they failed or are INVALID, {apart} "
        "because the agents hardly decoded at the same time. An agent that waits very long on its "
        f"own makes its trial such a one: the rates are of trials in which {words.both} worked "
        "together."
    )


def _rate(row: Row) -> Cell:
    events = (
        ""
        if row["n_events"] != row["n_events"]
        else f"{row['n_events']:.0f} of {row['n']:.0f} trials"
    )
    made = cells.figure(
        row["value"], "%", low=row["ci_low"], high=row["ci_high"], n=row["n"], of="trials",
        level=row["level"], reason=row["null_reason"], remark=row["null_reason"],
    )  # fmt: skip
    return made.model_copy(update={"detail": "; ".join(filter(None, (events, made.detail)))})
