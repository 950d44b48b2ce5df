"""The page about the document TR114: its figures, tiers, costs and levels beside this data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.report.inputs import TablesByName
from dualollama_pipeline.report.page import Link, render_chapters
from dualollama_pipeline.report.publish import write_page
from dualollama_pipeline.tr114.sections import audit, costs, decisions, published, service_levels

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

LINK = Link("tr114.html", "The technical report TR114, held against this data")
LEAD = (
    "What TR114 v2 printed, recomputed where its sources are at hand, beside what was measured "
    "here. Nothing of it enters the comparison report."
)
NOT_YET = f"{LEAD} It is not made yet: `dualollama report` makes it."
SECTIONS = (
    published.build,
    audit.build,
    decisions.build_tiers,
    decisions.build_warnings,
    costs.build,
    service_levels.build,
)


def publish_wing(tables: Mapping[str, pd.DataFrame], folder: Path) -> Path:
    """Write the page from the wing's tables.

    Raises:
        TableError: the disk refuses; what was there before stays readable.
    """
    page = folder / LINK.file
    chapters = [build(TablesByName(tables)) for build in SECTIONS]
    write_page(page, render_chapters(LINK.title, LEAD, chapters))
    return page


def reserve(folder: Path) -> None:
    """Write a page that says that there is none yet, so that no link leads nowhere."""
    if not (folder / LINK.file).exists():
        write_page(folder / LINK.file, render_chapters(LINK.title, NOT_YET, ()))
