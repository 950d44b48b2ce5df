"""The report's appendices, generated: A all configurations, C formulas, D glossary.

B, the comparison with others, is published.py's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.core.study import APART
from dualollama_pipeline.metrics.catalog import APART_SPEEDUP, BALANCE, Key, key_of
from dualollama_pipeline.report import cells, prose
from dualollama_pipeline.report.model import Cell, Section, find
from dualollama_pipeline.report.sections.chapter import Chapter, chapter, evidence_of
from dualollama_pipeline.report.wording import Words
from dualollama_pipeline.tables.rows import grouped, pick, plain_rows

if TYPE_CHECKING:
    from dualollama_pipeline.report.inputs import ReportInputs
    from dualollama_pipeline.report.model import ConfigurationSummary, Summary
    from dualollama_pipeline.tables.rows import Row

A_LABELS = (
    "Test", "Scenario", "GPU layers A / B", "Context A / B", "Temperature A / B",
    "Balance speedup, mean#", "Balance efficiency, mean#", "Peak run#", "Contention by balance#",
    "Weighted speedup#",
)  # fmt: skip
OPTIONS = ("num_gpu", "num_ctx", "temperature")
TERMS = {
    "agent": "A program that asks a model, one call after the other.",
    "arm": "One way to run a block: solo (an agent alone), apart (together, each on a server of "
    "its own), shared (together on one server).",
    "baseline": "An agent without options of its own: the server's defaults.",
    "batch, night": "One campaign over one or more configurations; nights are batches in order.",
    "block": "One repetition of all arms, minutes apart, so that they can be compared.",
    "cell": "All trials of one configuration in one arm, judged together.",
    "chimera": "An agent with options of its own; homo: {both} the same, hetero: different ones.",
    "effective class": "What the servers really ran: configurations of one class are equal.",
    "interval": "Range that holds the true value in 95 % of such campaigns.",
    "n": "How many values count; those left out are named with their reason.",
    "place": "Rank by weighted speedup, and the ranks that the data allow.",
    "TTFT": "Time from the write of the request to the first record with text.",
    "VALID, WARN, INVALID": "Judged by rules: WARN counts and has a footnote; INVALID is kept, "
    "counted and left out.",
    "verdict": "Better, worse or equivalent if the corrected test says so; no difference shown if "
    "not; undetermined if so few values could never show one.",
}


def build_configurations(inputs: ReportInputs, summary: Summary) -> Chapter:
    """Appendix A: every configuration with its options, in the columns of the report."""
    asked = _asked(inputs)
    peaks = {
        str(row["config_id"]): row
        for row in plain_rows(inputs.config_statistics)
        if key_of(row) == BALANCE
    }
    section = Section(
        id="appendix-a",
        title="Appendix A: all configurations, in the report's columns",
        evidence=evidence_of(summary.origins),
        paragraphs=(
            (
                "The report prints a sample; here are all. Its columns are balance figures; "
                "the weighted speedup stands beside them. A dash means: not asked for, the "
                "server's default."
            ),
        ),
        tables=(
            cells.table(
                "appendix_a",
                "A, B: the first two agents. Peak run: the best single trial, large by chance.",
                A_LABELS,
                [_row(each, asked, peaks) for each in summary.configurations],
                is_sortable=True,
            ),
        ),
    )
    return chapter(section)


def _asked(inputs: ReportInputs) -> dict[tuple[str, str], Row]:
    """Return the options by configuration and agent."""
    return {
        (str(config_id), str(agent)): pick(rows[0], OPTIONS)
        for (config_id, agent), rows in grouped(
            plain_rows(inputs.calls[["config_id", "agent", *OPTIONS]]), "config_id", "agent"
        ).items()
    }


def _row(
    each: ConfigurationSummary, asked: dict[tuple[str, str], Row], peaks: dict[str, Row]
) -> list[Cell]:
    options = [
        asked.get((each.config_id, agent.agent), dict.fromkeys(OPTIONS, float("nan")))
        for agent in each.agents
    ]
    peak = peaks.get(each.config_id)
    best = Cell(reason="not measured")
    if peak is not None:
        best = cells.figure(
            peak["max"], "%", n=peak["n"], of="trials", reason=peak["null_reason"]
        )  # fmt: skip
    return [
        Cell(text=each.config_id),
        Cell(text=prose.scenario_name(each.scenario)),
        *(Cell(text=" / ".join(_option(asks[name]) for asks in options)) for name in OPTIONS),
        *(
            cells.estimate(find(each.estimates, key))
            for key in (Key("balance_speedup", APART), BALANCE)
        ),
        best,
        cells.estimate(find(each.estimates, Key("balance_contention_pct", APART))),
        cells.estimate(find(each.estimates, APART_SPEEDUP)),
    ]


def _option(value: float) -> str:
    return "–" if value != value else f"{value:g}"  # noqa: PLR0124 nan


def build_formulas(inputs: ReportInputs, summary: Summary) -> Chapter:  # noqa: ARG001 one shape
    """Appendix C: every metric's formula, from the catalog that computes it."""
    rows = [
        [Cell(text=entry.label, detail=entry.unit), Cell(text=f"{entry.name} = {entry.formula}"),
         Cell(text=entry.meaning)]
        for entry in summary.glossary
    ]  # fmt: skip
    section = Section(
        id="appendix-c",
        title="Appendix C: metrics and formulas",
        evidence="none",
        paragraphs=(
            (
                "Ratios are averaged by the geometric mean, differences by the arithmetic "
                "mean, rates as k of n. Intervals: Student t on the logs of block ratios "
                "(configuration), stratified over configurations (scenario, all), exact for "
                "rates; over several nights the night is the unit. Standard deviations have "
                "ddof 1, quantiles are type 7."
            ),
        ),
        tables=(
            cells.table(
                "formulas", "Every metric of this report.", ("Metric", "Formula", "Meaning"), rows
            ),
        ),
    )
    return chapter(section)


def build_glossary(inputs: ReportInputs, summary: Summary) -> Chapter:  # noqa: ARG001 one shape
    """Appendix D: words."""
    words = Words(summary.n_agents)
    rows = [[Cell(text=term), Cell(text=words.fill(meaning))] for term, meaning in TERMS.items()]
    section = Section(
        id="appendix-d",
        title="Appendix D: glossary",
        evidence="none",
        paragraphs=("Words as this report uses them.",),
        tables=(cells.table("glossary", "Glossary.", ("Word", "Meaning"), rows),),
    )
    return chapter(section)
