"""The report on disk: index.html, report.md and summary.json, each written whole or not at all.

Only writing lives here; what is written comes from summary.py and page.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.core.atomic import write_atomically
from dualollama_pipeline.core.errors import TableError
from dualollama_pipeline.report.page import render_html, render_markdown
from dualollama_pipeline.report.summary import summarize

if TYPE_CHECKING:
    from pathlib import Path

    from dualollama_pipeline.report.inputs import ReportInputs


def publish_report(inputs: ReportInputs, folder: Path) -> Path:
    """Write the report into `folder` and return the path of its page.

    Raises:
        TableError: the disk refuses; what was there before stays readable.
    """
    summary = summarize(inputs)
    page = folder / "index.html"
    contents = {  # the page last: whoever sees it new finds the other two new as well
        folder / "summary.json": summary.model_dump_json(indent=2) + "\n",
        folder / "report.md": render_markdown(summary),
        page: render_html(summary),
    }
    for path, text in contents.items():
        try:
            write_atomically(path, text.encode("utf-8"))
        except OSError as error:
            raise TableError(
                f"{path}: cannot write the report ({error})",
                "make room or make the folder writable, then make the report again",
            ) from error
    return page
