"""What the agents are asked: reading the corpus, and the prompts made from it.

`standard` asks every agent of every trial for the same, bounded work, so that arms can be compared
(METHOD section 2). Who is asked, when and with which seed is the plan's business (plan.py).
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dualollama_pipeline.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dualollama_pipeline.core.plan import Turn

ANALYSIS, REPORT = "analysis", "report"

# With num_predict 300 a prompt of at most 180 tokens fits the smallest context of the matrix, 512.
# Column names make about 3.7 characters a token, prose 4.5: 640 characters are 140 to 175 tokens.
STANDARD_NUM_PREDICT = 300
STANDARD_PROMPT_CHARS = 640
NONCE_CHARS = 23

SUFFIXES = {".csv": "CSV", ".json": "JSON", ".md": "Markdown"}
UNREADABLE = (OSError, ValueError, csv.Error, RecursionError)


@dataclass(frozen=True)
class StageTemplate:
    """One request of an agent, before a nonce and a seed make it a call.

    A stage that `follows` another is built from that one's answer: its prompt has places for it.
    `said` are the turns of a conversation before it.
    """

    name: str
    prompt: str
    num_predict: int | None
    follows: str | None = None
    said: tuple[Turn, ...] = ()


@dataclass(frozen=True)
class Workload:
    """The stages in their order, and what reading the corpus took.

    `ingest_s` is wall seconds on this host; `corpus_sha256` covers names and contents.
    """

    name: str
    stages: tuple[StageTemplate, ...]
    ingest_s: float
    corpus_sha256: str


def corpus_files(corpus: Path) -> list[Path]:
    """The csv, json and md files of the corpus, sorted by name; README.md describes, is no data.

    Raises:
        InputError: there is no such folder, or nothing to read in it.
    """
    files = [
        path
        for path in sorted(corpus.glob("*"))
        if path.suffix in SUFFIXES and path.name != "README.md" and path.is_file()
    ]
    if not files:
        raise InputError(
            f"{corpus}: no csv, json or md file to read", "restore data/corpus or add files to it"
        )
    return files


def corpus_fingerprint(corpus: Path) -> str:
    """Return the sha256 over the names and contents of the corpus files."""
    digest = hashlib.sha256()
    for path in corpus_files(corpus):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def unreadable(path: Path, error: Exception) -> InputError:
    """Return what to tell of a corpus file that is not what its suffix says."""
    return InputError(
        f"{path}: cannot read it as {SUFFIXES[path.suffix]} ({error})", "correct or remove the file"
    )


def ingest(corpus: Path, summarize: Callable[[Path], str]) -> tuple[str, str, float]:
    """Read the corpus; return (its summary, its fingerprint, wall seconds on this host).

    Raises:
        InputError: the corpus cannot be read.
    """
    started = time.perf_counter()
    summary, fingerprint = summarize(corpus), corpus_fingerprint(corpus)
    return summary, fingerprint, time.perf_counter() - started


def _describe(path: Path) -> str:
    """Say in a few words what one file holds.

    Raises:
        InputError: the file is not what its suffix says.
    """
    try:
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".csv":
            header, *rows = filter(None, csv.reader(io.StringIO(text)))
            return f"{path.stem}: {len(rows)} rows of {', '.join(header)}"
        if path.suffix == ".json":
            content = json.loads(text)
            fields = content if isinstance(content, dict) else [type(content).__name__]
            return f"{path.stem}: fields {', '.join(fields)}"
    except UNREADABLE as error:
        raise unreadable(path, error) from error
    headings = [line.lstrip("# ") for line in text.splitlines() if line.startswith("#")]
    return f"{path.stem}: sections {', '.join(headings)}"


def summarize_corpus(corpus: Path) -> str:
    """Summarize the corpus in prose: the count of each type, then each file in a few words."""
    files = corpus_files(corpus)
    counts = [
        f"{sum(path.suffix == suffix for path in files)} {label}"
        for suffix, label in SUFFIXES.items()
    ]
    return f"Files: {', '.join(counts)}. " + "; ".join(_describe(path) for path in files) + "."


def _bounded(instruction: str, material: str) -> str:
    """Join instruction and material and cut the material so that prompt and nonce fit."""
    room = STANDARD_PROMPT_CHARS - NONCE_CHARS - len(instruction) - 1
    return f"{instruction}\n{material[:room]}"


def standard_workload(corpus: Path) -> Workload:
    """Two fixed stages of 300 tokens; stage 2 replays a fixed analysis, not stage 1's answer.

    Raises:
        InputError: the corpus cannot be read.
    """
    summary, fingerprint, ingest_s = ingest(corpus, summarize_corpus)
    analysis = _bounded(
        "You are a performance analyst. Read this inventory of benchmark files and write a long, "
        "detailed analysis: what was measured, what stands out, what is missing, what to do next.",
        summary,
    )
    report = _bounded(
        "You are a technical writer. Turn this analysis into a long report with an executive "
        "summary, key findings and recommendations.",
        "Analysis: the smaller model answers faster, and a longer context costs a few percent. The "
        "first token waits mostly for the model to be made ready, and only then for the prompt. No "
        f"run has failed. It rests on this inventory. {summary}",
    )
    stages = (
        StageTemplate(ANALYSIS, analysis, STANDARD_NUM_PREDICT),
        StageTemplate(REPORT, report, STANDARD_NUM_PREDICT),
    )
    return Workload("standard", stages, ingest_s, fingerprint)
