"""One pair in time: both agents' calls and their tokens, beside the same work in the other arms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.report import cells
from dualollama_pipeline.report.model import Section
from dualollama_pipeline.report.plots.canvas import to_svg
from dualollama_pipeline.report.plots.course import course_in_words, draw_course
from dualollama_pipeline.report.sections.chapter import Chapter, absent, chapter, evidence_of

if TYPE_CHECKING:
    from dualollama_pipeline.report.inputs import ReportInputs
    from dualollama_pipeline.report.model import Summary

ID, TITLE = "course", "A pair in time"
LABELS = (
    "Arm and agent", "Call", "Sent#", "First token#", "End#", "Waiting#", "Decoding#", "Tokens#",
)  # fmt: skip


def build(inputs: ReportInputs, summary: Summary) -> Chapter:  # noqa: ARG001 one shape for all
    """Show the block with the median true speedup."""
    pair = inputs.pair
    if pair is None or not any(pair.arrivals_s.values()):
        why = (
            "No block can be drawn: it needs one that counts in all arms, and its journal under "
            "`journals/` of the warehouse; `dualollama measure CONFIG_ID` makes one."
        )
        return absent(ID, TITLE, why)
    rows = [
        [
            cells.words(lane.label),
            cells.words(f"{call.agent}: {call.stage}"),
            *(
                cells.figure(value, "s")
                for value in (
                    call.sent_s, call.first_s, call.end_s, call.first_s - call.sent_s,
                    call.end_s - call.first_s,
                )
            ),
            cells.count(call.n_tokens, "tokens"),
        ]
        for lane in pair.lanes
        for call in lane.calls
    ]  # fmt: skip
    plot = course_in_words(pair)
    section = Section(
        id=ID,
        title=TITLE,
        evidence=evidence_of([pair.origin]),
        paragraphs=(
            (
                f"Shown is {pair.config_id}, block {pair.block} of batch {pair.batch_id}: its "
                f"true speedup of {pair.true_speedup:.3f}× is the median of the "
                f"{pair.n_candidates} blocks that count in all arms and reload no model. It is "
                "one block, an example: it has no interval."
            ),
        ),
        plots=(plot,),
        tables=(
            cells.table(
                "course", "Every call of this block, in seconds of its lane.", LABELS, rows
            ),
        ),
    )
    return chapter(section, course=to_svg(draw_course(pair), plot))
