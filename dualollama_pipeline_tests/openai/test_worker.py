"""The worker against scripted OpenAI-compatible servers, in real time: what is sent, what counts.

The trap: a field that such a server passes over, a load that no counter shows, or a broken stream
that becomes a data point.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from dualollama_pipeline.core.errors import ServerError
from dualollama_pipeline.core.records import FailureKind, Status
from dualollama_pipeline.tables.build import build_tables
from dualollama_pipeline.worker.batch import run_batch
from dualollama_pipeline.worker.journal import Journal, JournalWriter, read_journal
from dualollama_pipeline_tests.faults.cases import chunk_event
from dualollama_pipeline_tests.faults.openai import GOOD, loading, openai
from dualollama_pipeline_tests.faults.scripted import (
    END,
    HEAD,
    MODEL,
    Pause,
    Request,
    Script,
    Seen,
    Step,
    chunk,
    serve,
)
from dualollama_pipeline_tests.worker.plans import small_plan

BROKEN: list[Step] = [HEAD, chunk(chunk_event(MODEL, {"content": "x"})), END]
PLAIN = {"temperature": 0.8}


def plan_of(urls: dict[str, str], **changes: Any) -> Any:
    plan = small_plan(urls, protocols=dict.fromkeys(urls, "openai"), **changes)
    trials = [  # no option of the server's start
        trial.model_copy(
            update={
                "agents": tuple(
                    a.model_copy(update={"options": type(a.options)(**PLAIN)}) for a in trial.agents
                )
            }
        )
        for trial in plan.trials
    ]
    return plan.model_copy(update={"trials": tuple(trials)})


def measure(
    path: Path, script_a: Script | None = None, script_b: Script | None = None, **changes: Any
) -> tuple[Journal, Seen]:
    """Measure one block; servers play their scripts, or answer well. Nobody waits."""

    async def no_pause(_: float) -> None:
        return

    async def act() -> Seen:
        a, b = script_a or openai(), script_b or openai()
        async with serve(a) as (url_a, seen), serve(b) as (url_b, _):
            plan = plan_of({"a": url_a, "b": url_b}, **changes)
            with JournalWriter(path) as writer:
                await run_batch(plan, read_journal(path), writer, lambda _: None, pause=no_pause)
            return seen

    seen = asyncio.run(act())
    return read_journal(path), seen


def asked(seen: Seen) -> list[dict[str, Any]]:
    return [json.loads(body) for body in seen.bodies if body]


def test_what_is_sent(tmp_path: Path) -> None:
    """`max_completion_tokens` was ignored: 220 tokens for a limit of 5. Ollama's words are, too."""
    _, seen = measure(tmp_path / "j.jsonl")
    bodies = asked(seen)
    assert {frozenset(body) for body in bodies} == {
        frozenset({"model", "messages", "stream", "stream_options", "temperature", "max_tokens",
                   "seed"})
    }  # fmt: skip
    assert all(body["stream_options"] == {"include_usage": True} for body in bodies)
    assert {body["max_tokens"] for body in bodies} == {32, 40}
    prompts = [body["messages"][0]["content"] for body in bodies]
    assert all(prompt.startswith("[run ") for prompt in prompts)
    assert len(set(prompts)) == len(prompts)  # none is in the server's prompt cache
    paths = {head.split(" ")[1] for head in seen.heads}
    assert paths == {"/v1/models", "/v1/chat/completions", "/props", "/version"}


def test_a_length_is_held_by_ignore_eos_where_the_server_takes_it(tmp_path: Path) -> None:
    """Ollama's /v1 passes over it: such a server is refused before anything is measured."""
    taking = openai(owned_by="llamacpp")
    _, seen = measure(tmp_path / "j.jsonl", taking, taking, hold_length=True)
    assert all(body["ignore_eos"] is True for body in asked(seen))


@pytest.mark.parametrize("owner", [None, "library", "me"])
def test_a_length_cannot_be_held_elsewhere(tmp_path: Path, owner: str | None) -> None:
    """Half of the calls would stop early under the name of a held length."""
    with pytest.raises(ServerError, match="not known to take hold_length"):
        measure(tmp_path / "j.jsonl", openai(owned_by=owner), hold_length=True)


def test_a_server_without_times_gives_what_can_be_known(tmp_path: Path) -> None:
    """Null where nobody tells; walls, first tokens and speedups of walls stand all the same."""
    one_by_one = openai(lambda _: [each for step in GOOD for each in (step, Pause(0.002))])
    journal, _ = measure(tmp_path / "j.jsonl", one_by_one, one_by_one)
    calls, cells, agents, runs, blocks = build_tables(journal)
    assert set(calls["status"]) == {"ok"}
    assert not calls["validity"].eq("INVALID").any(), set(calls["validity_reasons"])
    untold = ["eval_ms", "prompt_eval_ms", "load_ms", "queue_ms", "decode_tok_per_s"]
    assert calls[untold].isna().all(axis=None)
    assert calls[["ttft_ms", "total_ms", "n_tokens"]].notna().all(axis=None)
    assert set(calls["n_tokens"]) == {40}
    assert set(calls["server_version"]) == set(calls["model_digest"]) == {"not told"}
    assert cells["placements"].str.contains("not known").all()
    assert agents["mean_decode_tok_per_s"].isna().all()
    assert agents["wall_tok_per_s"].notna().all()
    assert runs["wall_s"].notna().all()
    assert len(blocks) == 2


def test_a_broken_stream_never_counts_and_gets_a_second_attempt(tmp_path: Path) -> None:
    """Tokens had come, the body ended properly, and [DONE] was missing: no answer."""
    seen: list[int] = []

    def first_fails(request: Request) -> Sequence[Step]:
        seen.append(request.number)
        return BROKEN if len(seen) == 1 else GOOD

    journal, _ = measure(tmp_path / "j.jsonl", openai(first_fails))
    failed, *others = sorted(journal.trials, key=lambda trial: trial.status is Status.OK)
    call = next(call for call in failed.calls if call.failure is not None)
    assert call.failure is not None
    assert (call.failure.kind, call.text) == (FailureKind.TRUNCATED, "x")
    assert call.counters.eval_count is None
    assert {trial.status for trial in others} == {Status.OK}
    assert journal.end is not None
    assert journal.end.ok == 4


def test_a_server_that_loads_is_waited_for(tmp_path: Path) -> None:
    """llama-server answers 503 on every path until its model is there."""
    tries: list[int] = []

    def third_time(request: Request) -> Sequence[Step]:
        tries.append(request.number)
        return loading() if len(tries) < 3 else GOOD

    journal, _ = measure(tmp_path / "j.jsonl", openai(warm_up=third_time))
    assert {trial.status for trial in journal.trials} == {Status.OK}
    kinds = [each.failure.kind for each in journal.preparations if each.failure is not None]
    assert kinds == [FailureKind.BUSY, FailureKind.BUSY]


def test_a_model_that_is_not_listed_ends_it_at_once(tmp_path: Path) -> None:
    """llama-server would answer under any name."""
    with pytest.raises(ServerError, match="model 'gemma3:latest' is not there; there are other"):
        measure(tmp_path / "j.jsonl", openai(id="other"))
