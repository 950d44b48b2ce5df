"""The Summary as a page and as Markdown: templates, and the escaping that no template can forget.

Nothing is computed or worded here. Every string that comes from data is untrusted; in HTML jinja2
escapes all of it, in Markdown the environment's `finalize` does.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from dualollama_pipeline.report import prose, wording
from dualollama_pipeline.report.figures import plot_speedups
from dualollama_pipeline.report.model import find
from dualollama_pipeline.report.provenance import one_line

if TYPE_CHECKING:
    from dualollama_pipeline.report.model import Summary

TEMPLATES = Path(__file__).parent / "templates"
MARKDOWN_SIGNS = re.compile(r"([\\`*_\[\]#|~$])")
HEADLINE_METRICS = ("dual_true_speedup", "single_true_speedup", "dual_against_single")
TABLE_METRICS = ("dual_true_speedup", "single_true_speedup", "balance_efficiency_pct")


def render_html(summary: Summary) -> str:
    """Render the page: one file that needs nothing else."""
    environment = _environment(autoescape=True)
    template = environment.get_template("page.html.j2")
    # the plot is our own markup; figures.py escapes the text inside it
    return template.render(**_context(summary), plot=Markup(plot_speedups(summary)))  # noqa: S704


def render_markdown(summary: Summary) -> str:
    """Render the Markdown version: the same content without the plot."""
    environment = _environment(autoescape=False)
    environment.finalize = escape_markdown
    return environment.get_template("report.md.j2").render(**_context(summary))


def escape_markdown(value: object) -> str:
    """Make a value one harmless line of Markdown text, also inside a table."""
    plain = one_line(str(value)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return MARKDOWN_SIGNS.sub(r"\\\1", plain)


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
        "labels": {entry.name: entry.label for entry in summary.glossary},
        "headline_metrics": HEADLINE_METRICS,
        "table_metrics": TABLE_METRICS,
        "find": find,
        "prose": prose,
        "wording": wording,
    }
