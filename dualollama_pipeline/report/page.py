"""The Report as a page and as Markdown: templates, and the escaping that no template can forget.

Nothing is computed or worded here. Every string that comes from data is untrusted; in HTML jinja2
escapes all of it, in Markdown the environment's `finalize` does.
"""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from dualollama_pipeline.metrics.catalog import (
    APART_AGAINST_SHARED,
    APART_SECONDS,
    APART_SPEEDUP,
    SHARED_SPEEDUP,
)
from dualollama_pipeline.report import prose, wording
from dualollama_pipeline.report.cells import hover
from dualollama_pipeline.report.model import find
from dualollama_pipeline.report.sections.chapter import Chapter
from dualollama_pipeline.report.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dualollama_pipeline.report.evidence import Evidence
    from dualollama_pipeline.report.model import Section, Summary, Table
    from dualollama_pipeline.report.summary import Report

TEMPLATES = Path(__file__).parent / "templates"
MARKDOWN_SIGNS = re.compile(r"([\\`*_\[\]#|~$])")
NUMBER_AND_UNIT = re.compile(r"(\d) (s|ms|%)")
MOST_OPEN_ROWS = 30  # a longer table is folded: the page stays one that can be scrolled through
HEADLINE_KEYS = (APART_SPEEDUP, SHARED_SPEEDUP, APART_AGAINST_SHARED, APART_SECONDS)


class Link(NamedTuple):
    """A page beside this one."""

    file: str
    title: str


ON_THE_PAGE = ("overview", "delays", "factors", "nights")  # sections; the others are evidence
EVIDENCE = Link("evidence.html", "The evidence: every table, what was left out, how it is computed")
EVIDENCE_LEAD = "What the answer rests on: tables, reasons, formulas. Every number has its n."


def render_html(report: Report, beside: Sequence[Link] = ()) -> str:
    """Render the page: one file that needs nothing else but for the pages beside it.

    Of its sections those in ON_THE_PAGE; their tables stand in the evidence.
    """
    drawings = {name: svg for name, svg in report.drawings.items() if name in _plots(report)}
    return _rendered("page.html.j2", drawings, **_context(report.summary), beside=beside)


def _plots(report: Report) -> set[str]:
    sections = (section for section in report.summary.sections if section.id in ON_THE_PAGE)
    return {"lanes", *(plot.name for section in sections for plot in section.plots)}


def in_brief(section: Section) -> Section:
    """Return a section as the page shows it: its first sentence, its pictures, brief tables."""
    tables = tuple(table for table in section.tables if table.is_brief)
    first = section.paragraphs[:1] if not section.plots else ()
    return section.model_copy(update={"tables": tables, "paragraphs": first})


def _further(section: Section) -> tuple[Table, ...]:
    """Return the tables of a section that the page does not show."""
    return tuple(table for table in section.tables if not table.is_brief)


def render_evidence(report: Report) -> str:
    """Render all that the page does not show: whole sections, and what it leaves of the others."""
    chapters = []
    for section in report.summary.sections:
        rest = section
        if section.id in ON_THE_PAGE:
            rest = section.model_copy(update={"tables": _further(section), "plots": ()})
        if rest.tables or rest.plots or section.id not in ON_THE_PAGE:
            drawn = {plot.name: report.drawings[plot.name] for plot in rest.plots}
            chapters.append(Chapter(rest, drawn))
    simulated = "SIMULATED: the numbers come from a simulator. "
    lead = simulated if report.summary.origin == "simulated" else ""
    return render_chapters(EVIDENCE.title, f"{lead}{EVIDENCE_LEAD}", chapters, report.evidence)


def render_chapters(
    title: str, lead: str, chapters: Sequence[Chapter], evidence: Sequence[Evidence] = ()
) -> str:
    """Render a page of sections alone, under a title and a sentence of what they are about."""
    drawings = {name: svg for chapter in chapters for name, svg in chapter.drawings.items()}
    sections = [chapter.section for chapter in chapters]
    return _rendered(
        "chapters.html.j2", drawings, title=title, lead=lead, sections=sections,
        # drawn by plots/timeline.py, which escapes the text inside
        configurations=[each._replace(drawing=Markup(each.drawing)) for each in evidence],  # noqa: S704
        most_open_rows=MOST_OPEN_ROWS,
    )  # fmt: skip


def _rendered(template: str, drawings: Mapping[str, str], **context: Any) -> str:
    script = (TEMPLATES / "page.js").read_text(encoding="utf-8")
    environment = _environment(autoescape=True)
    environment.filters["coded"] = mark_code
    environment.filters["hover"] = hover
    environment.filters["unbroken"] = lambda text: NUMBER_AND_UNIT.sub("\\1\u00a0\\2", text)
    # script and drawings are our own markup; plots/canvas.py escapes the text inside drawings
    return environment.get_template(template).render(
        **context,
        script=Markup(script),  # noqa: S704
        script_hash=_content_hash(script),
        drawings={name: Markup(svg) for name, svg in drawings.items()},  # noqa: S704
    )


def render_markdown(summary: Summary) -> str:
    """Render the Markdown version: the same content, plots as their descriptions."""
    return _markdown("report.md.j2", summary)


def render_answer(summary: Summary) -> str:
    """Render the answer alone as Markdown: what a reader sees first."""
    return _markdown("answer.md.j2", summary)


def _markdown(template: str, summary: Summary) -> str:
    environment = _environment(autoescape=False)
    environment.finalize = escape_markdown
    return environment.get_template(template).render(**_context(summary))


def escape_markdown(value: object) -> str:
    """Make a value one harmless line of Markdown text, also inside a table."""
    plain = one_line(str(value)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return MARKDOWN_SIGNS.sub(r"\\\1", plain)


def mark_code(text: str) -> Markup:
    """Escape a text for HTML and set what stands between backticks as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))  # noqa: S704


def _content_hash(script: str) -> str:
    """Return the source expression that lets this one script run (CSP level 2, 'sha256-...')."""
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _environment(*, autoescape: bool) -> Environment:
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=autoescape,  # noqa: S701 off for Markdown only: HTML rules would not help there
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def _context(summary: Summary) -> dict[str, Any]:
    return {
        "summary": summary,
        "sections": [
            in_brief(section) for section in summary.sections if section.id in ON_THE_PAGE
        ],
        "with_evidence": [each.id for each in summary.sections if _further(each)],
        "headline_keys": HEADLINE_KEYS,
        "most_open_rows": MOST_OPEN_ROWS,
        "find": find,
        "prose": prose,
        "wording": wording,
        "label": wording.Words(summary.n_agents).label,
    }
