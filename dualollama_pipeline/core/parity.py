"""The workload `parity`: TR114's own, a chain of two calls over the ingested files.

Call 1 asks for an analysis of the data summary; findings and recommendations are taken out of its
answer by keywords; call 2 asks for a report built from them. As in the original,
both agents send the same prompts.
"""

from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dualollama_pipeline.core.workload import (
    ANALYSIS,
    REPORT,
    SUFFIXES,
    UNREADABLE,
    StageTemplate,
    Workload,
    corpus_files,
    ingest,
    unreadable,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LIMIT = 10  # findings, recommendations
SHOWN_FILES = 5
FINDING_WORDS = ("finding", "insight", "observ", "bottleneck", "performance", "notable")
ADVICE_WORDS = ("recommend", "should", "consider", "optimi", "improve", "suggest")
SUMMARY_WORDS = ("summary", "overview")
BULLET = re.compile(r"^\s*(?:[-*\u2022]|\d+[.)])\s+")
HEADING = re.compile(r"^\s*(?:#+\s*|\*\*[^*]+\*\*:?\s*$|\d+[.)]\s*\*\*)")

ANALYSIS_PROMPT = """You are an analyst of performance data. Study the summary of benchmark files
below and say what it shows.

Summary of the data:
{summary}

Write: 1. an executive summary, 2. the key findings, 3. recommendations for better performance."""

REPORT_PROMPT = """You are a technical writer. Write a complete report in Markdown from this
analysis of benchmark data.

Summary: {summary}

Findings:
{findings}

Recommendations:
{recommendations}

Give it an executive summary, an analysis of the findings, and the recommendations in order of
their weight."""


@dataclass(frozen=True)
class Analysis:
    """What call 1 said, taken apart; empty where its answer holds nothing of the kind."""

    summary: str
    findings: tuple[str, ...]
    recommendations: tuple[str, ...]


def read_analysis(text: str) -> Analysis:
    """Take summary, findings and recommendations (10 each at most) out of an answer.

    A list item counts by the heading that it stands under, else by the words in it.
    """
    found: dict[str, list[str]] = {"summary": [], "findings": [], "recommendations": []}
    section = ""
    for line in filter(str.strip, text.splitlines()):
        if HEADING.match(line):
            section = _kind(line)
            continue
        item = BULLET.sub("", line).strip(" *")
        kind = section or (_kind(line) if BULLET.match(line) else "")
        if kind:
            found[kind].append(item)
    return Analysis(
        summary=" ".join(found["summary"]) or next(filter(None, text.splitlines()), ""),
        findings=tuple(found["findings"][:LIMIT]),
        recommendations=tuple(found["recommendations"][:LIMIT]),
    )


def _kind(line: str) -> str:
    lowered = line.lower()
    for kind, words in (
        ("recommendations", ADVICE_WORDS),
        ("findings", FINDING_WORDS),
        ("summary", SUMMARY_WORDS),
    ):
        if any(word in lowered for word in words):
            return kind
    return ""


def report_prompt(template: str, analysis_text: str) -> str:
    """Fill the second call's prompt from the first one's answer."""
    analysis = read_analysis(analysis_text)

    def listed(items: tuple[str, ...]) -> str:
        return "\n".join(f"- {item}" for item in items) or "- none were named"

    fillings = {
        "{findings}": listed(analysis.findings),
        "{recommendations}": listed(analysis.recommendations),
        "{summary}": analysis.summary,
    }
    # in one pass: an answer may itself hold what looks like a place to fill
    return re.sub("|".join(map(re.escape, fillings)), lambda place: fillings[place[0]], template)


def data_summary(corpus: Path) -> str:
    """Summarize the corpus as the original did: counts by type, first five names.

    Not its day of the latest change: every copy has its own, and a prompt must not change by it.

    Raises:
        InputError: the corpus cannot be read.
    """
    files = corpus_files(corpus)
    lines = [f"Files read: {len(files)}"]
    for suffix, label in SUFFIXES.items():
        names = [path.name for path in files if path.suffix == suffix]
        lines += ["", f"{label} files ({len(names)})", *(f"  - {n}" for n in names[:SHOWN_FILES])]
    numbers = harvest_metrics(corpus)
    lines += ["", "Numbers found:", *(f"  {name}: {value:g}" for name, value in numbers.items())]
    return "\n".join(lines)


def harvest_metrics(corpus: Path) -> dict[str, float]:
    """Return the numbers in the corpus by name: column means, JSON paths, headings counted.

    Raises:
        InputError: a file is not what its suffix says.
    """
    numbers: dict[str, float] = {}
    headings = 0
    for path in corpus_files(corpus):
        try:
            text = path.read_text(encoding="utf-8")
            if path.suffix == ".csv":
                numbers |= _column_means(path.stem, text)
            elif path.suffix == ".json":
                numbers |= dict(_numbers(path.stem, json.loads(text)))
            else:
                headings += sum(line.startswith("#") for line in text.splitlines())
        except UNREADABLE as error:
            raise unreadable(path, error) from error
    return numbers | {"markdown_headings": float(headings)}


def _column_means(stem: str, text: str) -> dict[str, float]:
    columns: dict[str, list[float]] = {}
    for row in csv.DictReader(io.StringIO(text)):
        for name, value in row.items():
            try:
                columns.setdefault(name, []).append(float(value))
            except (TypeError, ValueError):
                continue  # a text
    return {f"{stem}.{name}": sum(all_) / len(all_) for name, all_ in columns.items() if all_}


def _numbers(name: str, content: Any) -> Iterator[tuple[str, float]]:
    if isinstance(content, bool):
        return
    if isinstance(content, int | float):
        yield name, float(content)
    elif isinstance(content, dict):
        for key, value in content.items():
            yield from _numbers(f"{name}.{key}", value)
    elif isinstance(content, list):
        for index, value in enumerate(content):
            yield from _numbers(f"{name}[{index}]", value)


def parity_workload(corpus: Path) -> Workload:
    """Two chained stages without a bound: the second is built from the first one's answer.

    Raises:
        InputError: the corpus cannot be read.
    """
    summary, fingerprint, ingest_s = ingest(corpus, data_summary)
    stages = (
        StageTemplate(ANALYSIS, ANALYSIS_PROMPT.replace("{summary}", summary), None),
        StageTemplate(REPORT, REPORT_PROMPT, None, follows=ANALYSIS),
    )
    return Workload("parity", stages, ingest_s, fingerprint)
