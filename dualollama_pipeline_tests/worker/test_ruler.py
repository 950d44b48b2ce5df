"""The ruler is held against a known schedule after the trials, and its error is in the journal."""

from __future__ import annotations

import asyncio
from pathlib import Path

from dualollama_pipeline.core.records import RulerRecord
from dualollama_pipeline.worker.batch import run_batch
from dualollama_pipeline.worker.journal import JournalWriter, read_journal
from dualollama_pipeline_tests.faults.ollama import ollama
from dualollama_pipeline_tests.faults.scripted import serve
from dualollama_pipeline_tests.worker.plans import small_plan


def test_it_comes_last_but_for_the_end(tmp_path: Path) -> None:
    """Before the first trial it would delay the first request; after the end nobody reads it."""
    path = tmp_path / "j.jsonl"
    asked: list[int] = []

    async def examine_ruler() -> RulerRecord:
        asked.append(len(read_journal(path).trials))
        return RulerRecord(
            n=1,
            ttft_error_median_ms=0.3,
            ttft_error_max_ms=0.5,
            gap_error_p95_ms=0.1,
            rate_error_pct=0.2,
        )

    async def act() -> None:
        async with serve(ollama()) as (url_a, _), serve(ollama()) as (url_b, _):
            plan = small_plan({"a": url_a, "b": url_b})
            with JournalWriter(path) as writer:
                await run_batch(plan, read_journal(path), writer, lambda *_: None, examine_ruler)

    asyncio.run(act())
    journal = read_journal(path)
    assert asked == [4]
    assert journal.ruler is not None
    assert journal.ruler.ttft_error_median_ms == 0.3
    assert journal.end is not None
