"""One pair in time: the text of its agents as it arrived."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.report.model import Section
from dualollama_pipeline.report.plots.canvas import to_svg
from dualollama_pipeline.report.plots.course import course_in_words, draw_course
from dualollama_pipeline.report.sections.chapter import Chapter, absent, chapter, evidence_of

if TYPE_CHECKING:
    from dualollama_pipeline.report.inputs import ReportInputs
    from dualollama_pipeline.report.model import Summary

ID, TITLE = "course", "A pair in time"


def build(inputs: ReportInputs, summary: Summary) -> Chapter:  # noqa: ARG001 one shape for all
    """Show the block with the median true speedup."""
    pair = inputs.pair
    if pair is None or not any(pair.arrivals_s.values()):
        why = (
            "No block can be drawn: it needs one that counts in all arms, and its journal under "
            "`journals/` of the warehouse; `dualollama measure CONFIG_ID` makes one."
        )
        return absent(ID, TITLE, why)
    plot, chosen = course_in_words(pair), pair.choice
    section = Section(
        id=ID,
        title=TITLE,
        evidence=evidence_of([chosen.origin]),
        paragraphs=(
            (
                f"Shown is {chosen.config_id}, block {chosen.block} of batch {pair.batch_id}: its "
                f"true speedup of {chosen.true_speedup:.3f}× is the median of the "
                f"{chosen.n} blocks that count in all arms and reload no model. It is "
                "one block, an example: it has no interval."
            ),
        ),
        plots=(plot,),
    )
    return chapter(section, course=to_svg(draw_course(pair), plot))
