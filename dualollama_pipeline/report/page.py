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
from dualollama_pipeline.report.counted import for_agents
from dualollama_pipeline.report.model import find
from dualollama_pipeline.report.wording import one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dualollama_pipeline.report.model import Summary
    from dualollama_pipeline.report.sections.chapter import Chapter
    from dualollama_pipeline.report.summary import Report

TEMPLATES = Path(__file__).parent / "templates"
MARKDOWN_SIGNS = re.compile(r"([\\`*_\[\]#|~$])")
MOST_OPEN_ROWS = 30  # a longer table is folded: the page stays one that can be scrolled through
HEADLINE_KEYS = (APART_SPEEDUP, SHARED_SPEEDUP, APART_AGAINST_SHARED, APART_SECONDS)


class Link(NamedTuple):
    """A page beside this one."""

    file: str
    title: str


def render_html(report: Report, beside: Sequence[Link] = ()) -> str:
    """Render the page: one file that needs nothing else but for the pages beside it."""
    return _rendered("page.html.j2", report.drawings, **_context(report.summary), beside=beside)


def render_chapters(title: str, lead: str, chapters: Sequence[Chapter]) -> str:
    """Render a page of sections alone, under a title and a sentence of what they are about."""
    drawings = {name: svg for chapter in chapters for name, svg in chapter.drawings.items()}
    sections = [chapter.section for chapter in chapters]
    return _rendered(
        "chapters.html.j2", drawings, title=title, lead=lead, sections=sections,
        most_open_rows=MOST_OPEN_ROWS,
    )  # fmt: skip


def _rendered(template: str, drawings: Mapping[str, str], **context: Any) -> str:
    script = (TEMPLATES / "page.js").read_text(encoding="utf-8")
    environment = _environment(autoescape=True)
    environment.filters["coded"] = mark_code
    # script and drawings are our own markup; plots/canvas.py escapes the text inside drawings
    return environment.get_template(template).render(
        **context,
        script=Markup(script),  # noqa: S704
        script_hash=_content_hash(script),
        drawings={name: Markup(svg) for name, svg in drawings.items()},  # noqa: S704
    )


def render_markdown(summary: Summary) -> str:
    """Render the Markdown version: the same content, plots as their descriptions."""
    environment = _environment(autoescape=False)
    environment.finalize = escape_markdown
    return environment.get_template("report.md.j2").render(**_context(summary))


def render_answer(summary: Summary) -> str:
    """Render the answer alone as Markdown: what a reader sees first."""
    environment = _environment(autoescape=False)
    environment.finalize = escape_markdown
    return environment.get_template("answer.md.j2").render(**_context(summary))


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
        "headline_keys": HEADLINE_KEYS,
        "most_open_rows": MOST_OPEN_ROWS,
        "find": find,
        "prose": prose,
        "wording": wording,
        "label": lambda key: for_agents(wording.label(key), summary.n_agents),
    }
