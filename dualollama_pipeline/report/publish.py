"""The report on disk: index.html, report.md and summary.json, each written whole or not at all.

Only writing lives here; what is written comes from compose.py and page.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dualollama_pipeline.core.atomic import write_atomically
from dualollama_pipeline.core.errors import TableError
from dualollama_pipeline.report.page import (
    EVIDENCE,
    render_answer,
    render_evidence,
    render_html,
    render_markdown,
)
from dualollama_pipeline.report.summary import compose

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dualollama_pipeline.report.inputs import ReportInputs
    from dualollama_pipeline.report.page import Link
    from dualollama_pipeline.report.sections.chapter import Builder


class Published(NamedTuple):
    """Where the page lies, the answer alone as Markdown, and which configurations it lacks."""

    page: Path
    answer: str
    missing: tuple[str, ...]


def publish_report(
    inputs: ReportInputs, folder: Path, builders: Sequence[Builder], beside: Sequence[Link] = ()
) -> Published:
    """Write the report into `folder`; the page links to those `beside` it.

    Raises:
        TableError: the disk refuses; what was there before stays readable.
    """
    report = compose(inputs, builders)
    page = folder / "index.html"
    contents = {  # the page last: whoever sees it new finds the other two new as well
        folder / "summary.json": report.summary.model_dump_json(indent=1) + "\n",
        folder / "report.md": render_markdown(report.summary),
        folder / EVIDENCE.file: render_evidence(report),
        page: render_html(report, [EVIDENCE, *beside]),
    }
    for path, text in contents.items():
        write_page(path, text)
    return Published(page, render_answer(report.summary), tuple(inputs.missing))


def write_page(path: Path, text: str) -> None:
    """Write a file of the report, whole or not at all.

    Raises:
        TableError: the disk refuses; what was there before stays readable.
    """
    try:
        write_atomically(path, text.encode("utf-8"))
    except OSError as error:
        raise TableError(
            f"{path}: cannot write the report ({error})",
            "make room or make the folder writable, then make the report again",
        ) from error
