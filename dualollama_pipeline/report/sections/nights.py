"""Night after night: has anything moved?"""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING

from dualollama_pipeline.metrics.catalog import key_of
from dualollama_pipeline.report import cells
from dualollama_pipeline.report.model import Cell, Plot, Section
from dualollama_pipeline.report.plots.canvas import to_svg
from dualollama_pipeline.report.plots.nights import draw_nights
from dualollama_pipeline.report.plots.speedups import series_of
from dualollama_pipeline.report.sections.chapter import Chapter, chapter, evidence_in, not_made
from dualollama_pipeline.report.wording import Words, probability, shorten
from dualollama_pipeline.statistics.samples import of_key
from dualollama_pipeline.tables.rows import plain_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from dualollama_pipeline.report.inputs import ReportInputs
    from dualollama_pipeline.report.model import Summary
    from dualollama_pipeline.tables.rows import Row

ID, TITLE = "nights", "Night after night"
MOST_ALARMS = 40
LABELS = (
    "What", "Metric", "Last night#", "Against the nights before#", "Alarm", "Slope a night#",
    "p of a trend, corrected#", "Most likely change",
)  # fmt: skip


def build(inputs: ReportInputs, summary: Summary) -> Chapter:
    """Show the course over all configurations, and every alarm."""
    trend = inputs.table("trend")
    if trend is None:
        return not_made(ID, TITLE, "trend")
    rows, words = plain_rows(trend), Words(summary.n_agents)
    over_all = [row for row in rows if row["scope"] == "all"]
    alarms = [row for row in rows if row["alarm"] and row["scope"] != "all"]
    alarms.sort(key=lambda row: abs(row["change"]), reverse=True)
    n_nights = max((int(row["n_nights"]) for row in over_all), default=0)
    more = f" The {MOST_ALARMS} largest are listed." if len(alarms) > MOST_ALARMS else ""
    paragraphs = [
        (
            f"{n_nights} night{'' if n_nights == 1 else 's'} of the whole study. An alarm needs a "
            "change of the last night whose whole interval lies outside what is tolerated. "
            f"{len(alarms)} of {sum(row['scope'] != 'all' for row in rows)} courses of single "
            f"configurations raise one.{more}"
        )
    ]
    paragraphs.append(
        "All configurations: each against its own mean over the nights; a missing one moves "
        "nothing; one-server figures leave out those whose one-server trials reload their model, "
        "as the headline does."
    )
    if n_nights < 2:  # noqa: PLR2004 one night has no course
        paragraphs.append("A course needs more nights: turn on the schedule `nightly_schedule`.")
    if inputs.nights_left_out:
        paragraphs.append(_left_out_in_words(inputs.nights_left_out))
    plots: tuple[Plot, ...] = ()
    drawings = {}
    if inputs.nights is not None:
        plots = (_in_words(inputs.nights, words),)
        drawings = {"nights": to_svg(draw_nights(inputs.nights, series_of(words)), plots[0])}
    section = Section(
        id=ID,
        title=TITLE,
        evidence=evidence_in(rows),
        paragraphs=tuple(paragraphs),
        plots=plots,
        tables=(
            cells.table(
                "nights",
                "Change and slope in % of a ratio, else in the unit of the metric.",
                LABELS,
                [_row(row, words) for row in (*over_all, *alarms[:MOST_ALARMS])],
            ),
        ),
    )
    return chapter(section, **drawings)


def _left_out_in_words(left_out: Mapping[str, str]) -> str:
    """Say how many files are in no course, and of one of them why."""
    path, why = next(iter(left_out.items()))
    first = f"{PurePath(path).parent.name}, batch {PurePath(path).stem}"
    n = "One file" if len(left_out) == 1 else f"{len(left_out)} files"
    return shorten(f"{n} of the history cannot be used here; the first: {first} ({why}).")


def _row(row: Row, words: Words) -> list[Cell]:
    step = "%" if row["unit"] == "x" else row["unit"]
    reason = row["null_reason"] or "not enough nights"
    change = cells.figure(
        row["change"], step, low=row["change_low"], high=row["change_high"], n=row["n_nights"],
        of="nights", level=row["level"], reason=reason, remark=row["null_reason"],
    )  # fmt: skip
    slope = cells.figure(
        row["slope"], step, low=row["slope_low"], high=row["slope_high"], n=row["n_nights"],
        of="nights", level=row["level"], reason=reason, remark=row["null_reason"],
    )  # fmt: skip
    p_trend = row["p_trend_adjusted"]
    known = p_trend == p_trend  # noqa: PLR0124 not nan
    mild = " (illustration)" if row["evidence"] == "illustration" else ""
    return [
        Cell(text="all configurations" if row["scope"] == "all" else row["config_id"]),
        Cell(text=words.label(key_of(row))),
        cells.figure(row["last_value"], row["unit"], reason=reason),
        change,
        Cell(text=f"ALARM{mild}" if row["alarm"] else "quiet",
             detail=f"tolerated {row['tolerated']:g} {step}"),
        slope,
        Cell(text=probability(p_trend), value=p_trend, unit="p") if known else Cell(reason=reason),
        _change_point(row, reason),
    ]  # fmt: skip


def _change_point(row: Row, reason: str) -> Cell:
    p_change = row["p_change_adjusted"]
    if not row["change_batch"] or p_change != p_change:  # noqa: PLR0124 nan
        return Cell(reason=reason)
    return Cell(text=row["change_batch"], detail=f"p {probability(p_change)}, corrected")


def _in_words(nights: pd.DataFrame, words: Words) -> Plot:
    sentences = []
    for series in series_of(words):
        mine = of_key(nights, series.key)
        mine = mine[mine["value"].notna()]
        if len(mine):
            sentences.append(
                f"{series.label}: {len(mine)} nights, from {mine['value'].min():.3f} to "
                f"{mine['value'].max():.3f}, the last {mine['value'].iloc[-1]:.3f}."
            )
    return Plot(
        name="nights",
        title="Weighted speedup over all configurations, night after night",
        description=" ".join(sentences) or "No night has an estimate.",
        caption=(
            f"Filled circles: {words.servers}. Open diamonds: one server. Each night by itself "
            "with its 95 % interval, pooled as in the headline; dashed line: 1 = no gain."
        ),
    )
