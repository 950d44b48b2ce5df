"""The whole report as one value: the Summary with all sections, and the drawings of its plots."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dualollama_pipeline.report.summary import summarize

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dualollama_pipeline.report.inputs import ReportInputs
    from dualollama_pipeline.report.model import Summary
    from dualollama_pipeline.report.sections.chapter import Builder


class Report(NamedTuple):
    """What page, Markdown and summary.json are made from; `drawings` holds an `<svg>` by name."""

    summary: Summary
    drawings: dict[str, str]


def compose(inputs: ReportInputs, builders: Sequence[Builder]) -> Report:
    """Gather everything that the report shows, one section for each of `builders`."""
    summary = summarize(inputs)
    chapters = [build(inputs, summary) for build in builders]
    drawings = {name: svg for chapter in chapters for name, svg in chapter.drawings.items()}
    sections = tuple(chapter.section for chapter in chapters)
    return Report(summary.model_copy(update={"sections": sections}), drawings)
