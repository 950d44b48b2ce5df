"""What a builder of a section returns, and what builders share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from dualollama_pipeline.report.model import Section

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from dualollama_pipeline.report.inputs import ReportInputs
    from dualollama_pipeline.report.model import Summary
    from dualollama_pipeline.tables.rows import Row

    Builder = Callable[[ReportInputs, Summary], "Chapter"]

Evidence = Literal["illustration", "measured", "imported", "published", "assumed", "none"]
# the weakest that was mixed in decides
WEAKEST_FIRST: tuple[Evidence, ...] = (
    "illustration", "assumed", "published", "imported", "measured",
)  # fmt: skip


class Chapter(NamedTuple):
    """A section, and the drawings of its plots as `<svg>` by the plot's name."""

    section: Section
    drawings: dict[str, str]


def chapter(section: Section, **drawings: str) -> Chapter:
    """Put a section and its drawings together."""
    return Chapter(section, drawings)


def absent(section_id: str, title: str, why: str) -> Chapter:
    """Return a section that only says why it has nothing, and how to get it."""
    return Chapter(Section(id=section_id, title=title, evidence="none", paragraphs=(why,)), {})


def not_made(section_id: str, title: str, table: str) -> Chapter:
    """Return a section whose table has no rows."""
    why = f"Nothing that the table `{table}` is made of was measured yet: `dualollama run`."
    return absent(section_id, title, why)


def evidence_of(origins: Iterable[str]) -> Evidence:
    """Say what numbers of these origins are worth together."""
    words = {"illustration" if origin == "simulated" else origin for origin in origins}
    return next((word for word in WEAKEST_FIRST if word in words), "none")


def evidence_in(rows: Iterable[Row]) -> Evidence:
    """Say what the numbers of some rows are worth together."""
    return evidence_of({str(row["origin"]) for row in rows})


def verdict_words(row: Row) -> str:
    """Write a comparison's verdict; from simulated rows it is an illustration."""
    word = str(row["verdict"])
    return f"{word} (illustration)" if row["evidence"] == "illustration" else word
