"""Chained stages: the second request carries what the first one's answer said.

The trap: a second prompt made of nothing, because the first answer was broken.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dualollama_pipeline.core.parity import REPORT_PROMPT
from dualollama_pipeline.core.records import Status
from dualollama_pipeline.core.workload import StageTemplate, Workload
from dualollama_pipeline.worker.batch import run_batch
from dualollama_pipeline.worker.journal import Journal, JournalWriter, read_journal
from dualollama_pipeline_tests.faults.ollama import ollama
from dualollama_pipeline_tests.faults.scripted import (
    END,
    HEAD,
    Request,
    Step,
    chunk,
    final,
    serve,
    stream,
    token,
)
from dualollama_pipeline_tests.worker.plans import small_plan

CHAIN = Workload(
    "parity",
    (
        StageTemplate("analysis", "Analyse.", None),
        StageTemplate("report", REPORT_PROMPT, None, follows="analysis"),
    ),
    ingest_s=0.01,
    corpus_sha256="0" * 64,
)


def measure(path: Path, analysis: Sequence[Step]) -> tuple[Journal, list[dict[str, Any]]]:
    """Measure one block of the chain; return the journal and the bodies of all trial requests."""
    bodies: list[dict[str, Any]] = []

    def trial(request: Request) -> Sequence[Step]:
        bodies.append(json.loads(request.body))
        return analysis if bodies[-1]["prompt"] == "Analyse." else stream(token("done"), final())

    async def act() -> None:
        async with serve(ollama(trial)) as (url_a, _), serve(ollama(trial)) as (url_b, _):
            plan = small_plan({"a": url_a, "b": url_b}, workload=CHAIN, max_attempts=1)
            with JournalWriter(path) as writer:
                await run_batch(plan, read_journal(path), writer, lambda *_: None)

    asyncio.run(act())
    return read_journal(path), bodies


def test_the_report_is_asked_for_with_the_findings(tmp_path: Path) -> None:
    """And with nothing that TR114's program did not send."""
    said = [token("## Findings\n"), token("- tokens "), token("are few\n"), final()]
    journal, bodies = measure(tmp_path / "j.jsonl", stream(*said))
    assert {trial.status for trial in journal.trials} == {Status.OK}
    reports = [body for body in bodies if body["prompt"] != "Analyse."]
    assert len(reports) == 6  # two solo, two dual, two single
    assert all("- tokens are few" in body["prompt"] for body in reports)
    assert all(set(body) == {"model", "prompt", "stream", "options"} for body in bodies)
    assert all("num_predict" not in body["options"] for body in bodies)


def test_nothing_follows_a_broken_answer(tmp_path: Path) -> None:
    """A stream without a final record is no analysis, whatever text had come."""
    broken: list[Step] = [HEAD, chunk(token("## Findings\n- half")), END]
    journal, bodies = measure(tmp_path / "j.jsonl", broken)
    assert {body["prompt"] for body in bodies} == {"Analyse."}
    for trial in journal.trials:
        assert trial.status is Status.FAILED
        by_stage = {call.stage: call.status for call in trial.calls}
        assert by_stage == {"analysis": Status.FAILED, "report": Status.SKIPPED}
