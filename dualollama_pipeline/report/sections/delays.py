"""Waiting for the first token, and between tokens: whole distributions, by arm."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dualollama_pipeline.core.study import TOGETHER
from dualollama_pipeline.report import cells
from dualollama_pipeline.report.model import Plot, Section
from dualollama_pipeline.report.plots.canvas import to_svg
from dualollama_pipeline.report.plots.cumulative import LINES, Sample, draw_cumulative, is_wide
from dualollama_pipeline.report.sections.chapter import Chapter, absent, chapter, evidence_of
from dualollama_pipeline.report.wording import Words
from dualollama_pipeline.statistics.description import LEAST_N, percentiles
from dualollama_pipeline.tables.validity import is_usable

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd
    from numpy.typing import NDArray

    from dualollama_pipeline.report.inputs import ReportInputs
    from dualollama_pipeline.report.model import Cell, Summary, Table

ID, TITLE = "delays", "Time to the first token, and between tokens"
ALONE = "alone"  # in every arm of one agent
COLUMNS = {
    "ttft_ms": "Time to first token",
    "gap_p50_ms": "Gap between records: median of a call",
    "gap_p99_ms": "Gap between records: 99th percentile of a call",
    "gap_max_ms": "Gap between records: longest of a call",
}
PLOTTED = {"ttft": ("ttft_ms", "time to first token (ms)"),
           "gap": ("gap_p50_ms", "median gap between records with text (ms)")}  # fmt: skip
TAILS = (90, 95, 99)
LABELS = ("Calls", "Quantity", "Median#", "P90#", "P95#", "P99#", "Longest#")


def build(inputs: ReportInputs, summary: Summary) -> Chapter:
    """Show TTFT and gaps of all calls that are ok and not INVALID."""
    calls, words = inputs.calls, Words(summary.n_agents)
    sound = calls[is_usable(calls)]
    if sound.empty:
        return absent(ID, TITLE, "No call was answered validly; see “Validity and provenance”.")
    plots, drawings = [], {}
    for name, (column, axis) in PLOTTED.items():
        samples = [
            Sample(arm, values[values > 0])
            for arm, values in _by_arm(sound, column, words)
            if (values > 0).any()
        ]
        if samples:
            plots.append(_in_words(name, axis, samples))
            drawings[name] = to_svg(draw_cumulative(samples, axis), plots[-1])
    section = Section(
        id=ID,
        title=TITLE,
        evidence=evidence_of(sound["origin"].unique()),
        paragraphs=(
            (
                f"All {len(sound):,} calls that were answered and are not INVALID themselves. "
                "Stamps are the client's, from the write of the request. A gap is the time between "
                "two records with text; records that arrived in one read have none between them. "
                "The intervals are those of order statistics, as if calls were independent: "
                "calls of one trial are not quite, so take them as lower bounds of the "
                "uncertainty."
            ),
        ),
        plots=tuple(plots),
        tables=(_table(sound, words),),
    )
    return chapter(section, **drawings)


def _by_arm(
    calls: pd.DataFrame, column: str, words: Words
) -> Iterator[tuple[str, NDArray[np.float64]]]:
    is_alone = ~calls["arm"].isin(TOGETHER)
    groups = {ALONE: is_alone, **{words.arm(arm): calls["arm"].eq(arm) for arm in TOGETHER}}
    for arm, is_mine in groups.items():
        if not is_mine.any():  # one agent has no others
            continue
        mine = calls.loc[is_mine, column].dropna()
        yield arm, mine.to_numpy(dtype=np.float64)


def _table(calls: pd.DataFrame, words: Words) -> Table:
    rows = [
        [cells.words(arm), cells.words(quantity), *_quantiles(values)]
        for column, quantity in COLUMNS.items()
        for arm, values in _by_arm(calls, column, words)
    ]
    caption = "Milliseconds; a tail that n does not support is not printed."
    return cells.table("delays", caption, LABELS, rows)


def _quantiles(values: NDArray[np.float64]) -> list[Cell]:
    n = len(values)
    found, _ = percentiles(values)
    median = float(np.median(values)) if n else None
    made = [_quantile(values, 50, median)]
    for share in TAILS:
        needed = f"P{share} needs {LEAST_N[share]} calls"
        made.append(_quantile(values, share, found[f"p{share}"], needed))
    longest = float(values.max()) if n else None
    made.append(
        cells.figure(longest, "ms", n=n, of="calls", reason="no such call" if not n else "")
    )
    return made


def _quantile(
    values: NDArray[np.float64], share: int, value: float | None, reason: str = "no such call"
) -> Cell:
    low, high = order_interval(values, share / 100)
    return cells.figure(value, "ms", low=low, high=high, n=len(values), of="calls", reason=reason)


def order_interval(values: NDArray[np.float64], share: float) -> tuple[float, float]:
    """Return the 95 % interval of a quantile between order statistics; nan where n is too small.

    Source: Conover, Practical Nonparametric Statistics (3rd ed.), 3.2; exact if independent.
    """
    from scipy import stats  # noqa: PLC0415 a second of imports that a short report can do without

    if len(values) == 0:
        return float("nan"), float("nan")
    interval = stats.quantile_test(values, q=0, p=share).confidence_interval(cells.LEVEL)
    return float(interval.low), float(interval.high)


def _in_words(name: str, axis: str, samples: list[Sample]) -> Plot:
    medians = "; ".join(
        f"{sample.label}: median {np.median(sample.values):.3g} ms, longest "
        f"{max(sample.values):.3g} ms, n {len(sample.values)} calls"
        for sample in samples
    )
    return Plot(
        name=name,
        title=f"Distribution of the {axis.removesuffix(' (ms)')}",
        description=(
            f"Cumulative shares by arm on a {'logarithmic' if is_wide(samples) else 'linear'} "
            f"axis. {medians}."
        ),
        caption=" ".join(
            [f"{line}: {sample.label}." for line, sample in zip(LINES, samples, strict=False)]
            + ["A line further to the right waits longer."]
        ),
    )
