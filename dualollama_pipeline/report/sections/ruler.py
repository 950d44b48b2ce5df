"""The ruler's own error: how well this project's clock and reader measure what is known."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dualollama_pipeline.report import cells
from dualollama_pipeline.report.model import Cell, Section
from dualollama_pipeline.report.sections.chapter import Chapter, absent, chapter
from dualollama_pipeline.report.wording import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dualollama_pipeline.report.inputs import ReportInputs
    from dualollama_pipeline.report.model import Summary, Table

ID, TITLE = "ruler", "The ruler's own error"
SIGNS = {"<=": "at most", ">=": "at least"}
EXAMINED = {
    "ruler_ttft_error_median_ms": ("time to first token, median", "ms"),
    "ruler_ttft_error_max_ms": ("time to first token, largest", "ms"),
    "ruler_gap_error_p95_ms": ("gap between records, 95th percentile", "ms"),
    "ruler_rate_error_pct": ("rate, median", "%"),
}
LABELS = ("Promise", "Measured#", "Range", "Limit", "Kept")


def build(inputs: ReportInputs, summary: Summary) -> Chapter:  # noqa: ARG001 one shape for all
    """Show what the ruler's error was in these batches, and the promises of the benchmarks."""
    bench = inputs.bench if inputs.bench and inputs.bench.get("targets") else None
    here = _here(inputs)
    if bench is None and here is None:
        why = (
            "Nothing is known of this ruler's error: `make bench` measures it against servers "
            "whose schedule is known, and a batch on real servers examines it after its trials."
        )
        return absent(ID, TITLE, why)
    paragraphs = [
        (
            "A difference between arms that is smaller than these errors is the ruler's, not the "
            "servers'. Arms of a block share the ruler, so most of its error cancels in a ratio."
        )
    ]
    if here is None:
        paragraphs.append(
            "The batches of this report did not examine it: on a virtual clock there is nothing to "
            "examine, and batches before this check existed have no record of it."
        )
    if bench is not None:
        paragraphs.append(_bench_in_words(bench))
    section = Section(
        id=ID,
        title=TITLE,
        evidence="measured",
        paragraphs=tuple(paragraphs),
        tables=tuple(filter(None, (here, _promises(bench) if bench else None))),
    )
    return chapter(section)


def _here(inputs: ReportInputs) -> Table | None:
    """Lay out the worst of each error over the batches of this report; None if nothing is known."""
    table = inputs.table("cell_table")
    if table is None:
        return None
    rows = []
    for column, (words, unit) in EXAMINED.items():
        known = table[column].dropna() if column in table else table.index[:0]
        if len(known):
            worst = max(known, key=abs)
            rows.append([cells.words(words), cells.figure(worst, unit, n=len(known), of="cells")])
    caption = "Examined before the trials of these batches; the worst is printed."
    return (
        cells.table("ruler_here", caption, ("Error of our stamps", "Worst#"), rows)
        if rows
        else None
    )


def _bench_in_words(bench: Mapping[str, Any]) -> str:
    machine, targets = bench.get("machine", {}), bench["targets"]
    n_kept = sum(bool(each["met"]) for each in targets)
    return (
        f"Measured by `make bench` on {machine.get('when', 'an unknown day')}, "
        f"{machine.get('cpu', 'unknown processor')}, {machine.get('n_cpus', '?')} cores, against "
        f"servers whose schedule is known. {bench.get('effort', '')} {n_kept} of {len(targets)} "
        "promises are kept. It speaks for that machine; `dualollama doctor` repeats the check on "
        "yours."
    )


def _promises(bench: Mapping[str, Any]) -> Table:
    caption = (
        "Promises of the ruler. “Against raw”: times the error of a reader that parses nothing, in "
        "the same round."
    )
    return cells.table("ruler", caption, LABELS, map(_row, bench["targets"]))


def _row(target: Mapping[str, Any]) -> list[Cell]:
    unit = str(target["unit"])
    limit = f"{SIGNS.get(target['sign'], target['sign'])} {number(target['limit'], unit)}"
    return [
        cells.words(target["name"]),
        cells.figure(target["value"], unit),
        cells.words(target["spread"]),
        cells.words(limit),
        Cell(text="yes" if target["met"] else "NO"),
    ]
