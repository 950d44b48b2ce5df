"""What goes wrong becomes a record: failed with its kind, interrupted, or a clear early end."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from dualollama_pipeline.bench.launch import WorkerError, run_worker
from dualollama_pipeline.bench.servers import ServerPair
from dualollama_pipeline.core.records import FailureKind, Status, TrialRecord
from dualollama_pipeline.core.specs import Deadlines
from dualollama_pipeline.worker.batch import run_batch
from dualollama_pipeline.worker.journal import Journal, JournalWriter, read_journal
from dualollama_pipeline_tests.faults.cases import FIRST, IDLE, TOTAL
from dualollama_pipeline_tests.faults.ollama import GOOD, ollama
from dualollama_pipeline_tests.faults.scripted import (
    HEAD,
    Close,
    Hold,
    Pause,
    Request,
    Step,
    answer,
    chunk,
    serve,
    token,
)
from dualollama_pipeline_tests.worker.plans import small_plan

BROKEN: list[Step] = [HEAD, chunk(token("x")), Close()]


def measure(
    path: Path,
    trial_a: Callable[[Request], Sequence[Step]] = lambda _: GOOD,
    pauses: list[float] | None = None,
    told: list[dict[str, Any]] | None = None,
    **changes: Any,
) -> Journal:
    """Measure one block; server A answers trials with `trial_a`, server B well.

    Nobody waits: `pauses` holds what the worker would have waited, s, `told` what it said.
    """

    async def no_pause(seconds: float) -> None:
        (pauses if pauses is not None else []).append(seconds)

    async def act() -> None:
        async with serve(ollama(trial_a)) as (url_a, _), serve(ollama()) as (url_b, _):
            plan = small_plan({"a": url_a, "b": url_b}, **changes)
            tell = (lambda *_: None) if told is None else told.append
            with JournalWriter(path) as writer:
                await run_batch(plan, read_journal(path), writer, tell, pause=no_pause)

    asyncio.run(act())
    return read_journal(path)


def trial(journal: Journal, arm: str, attempt: int = 1) -> TrialRecord:
    return next(t for t in journal.trials if t.arm == arm and t.attempt == attempt)


def test_a_healthy_pair_in_real_time(tmp_path: Path) -> None:
    """The scripted servers themselves must measure well, or the fault tests show nothing."""
    journal = measure(tmp_path / "j.jsonl", lambda _: GOOD)
    assert {t.status for t in journal.trials} == {Status.OK}
    assert journal.origin == "measured"
    calls = [c for t in journal.trials for c in t.calls]
    assert all(c.sent_ns is not None and c.end_ns is not None for c in calls)


def test_a_broken_stream_fails_its_trial_and_only_its_trial(tmp_path: Path) -> None:
    """The report's only `contention` was a broken stream that had been stored as 0 tok/s."""
    journal = measure(tmp_path / "j.jsonl", lambda _: BROKEN, max_attempts=1)
    assert trial(journal, "solo_insight").status is Status.OK
    broken = trial(journal, "solo_collector")
    assert broken.status is Status.FAILED
    first, second = broken.calls
    assert first.failure is not None
    assert (first.failure.kind, first.failure.phase) == (FailureKind.TRUNCATED, "streaming")
    assert first.counters.eval_count is None
    assert first.text == "x"
    assert second.status is Status.SKIPPED
    assert journal.end is not None
    assert (journal.end.ok, journal.end.failed) == (1, 3)


def test_a_passing_failure_gets_a_second_attempt_and_both_are_kept(tmp_path: Path) -> None:
    """Attempts are evidence: the first failure must not vanish behind a success."""
    seen: list[int] = []

    def first_fails(request: Request) -> Sequence[Step]:
        seen.append(request.number)
        return BROKEN if len(seen) == 1 else GOOD

    journal = measure(tmp_path / "j.jsonl", first_fails)
    failed = next(t for t in journal.trials if t.status is Status.FAILED)
    again = trial(journal, failed.arm, attempt=2)
    assert again.status is Status.OK
    assert journal.end is not None
    assert journal.end.ok == 4


def test_a_refused_request_gets_no_second_attempt(tmp_path: Path) -> None:
    """Asking again for what cannot be had only costs hours."""
    refusal = answer("400 Bad Request", b'{"error":"invalid option"}')
    journal = measure(tmp_path / "j.jsonl", lambda _: refusal)
    broken = trial(journal, "solo_collector")
    assert broken.calls[0].failure is not None
    assert broken.calls[0].failure.kind is FailureKind.HTTP_4XX
    assert broken.calls[0].failure.body_excerpt == "invalid option"
    assert max(t.attempt for t in journal.trials) == 1


@pytest.mark.parametrize(
    ("steps", "deadlines", "kind"),
    [
        ([Hold()], FIRST, FailureKind.TIMEOUT_FIRST),
        ([HEAD, chunk(token("x")), Hold()], IDLE, FailureKind.TIMEOUT_IDLE),
        ([HEAD, *[chunk(token("x")), Pause(0.1)] * 99], TOTAL, FailureKind.TIMEOUT_TOTAL),
    ],
)
def test_everything_ends(
    tmp_path: Path, steps: list[Step], deadlines: Deadlines, kind: FailureKind
) -> None:
    """The client library has no total deadline: a server that drips would never time out."""
    started = time.monotonic()
    journal = measure(tmp_path / "j.jsonl", lambda _: steps, deadlines=deadlines, max_attempts=1)
    call = trial(journal, "solo_collector").calls[0]
    assert call.failure is not None
    assert call.failure.kind is kind
    assert time.monotonic() - started < 3 * (0.5 + 2.0)  # three trials on A, total deadline 0.5 s


def test_dead_servers_end_the_worker_at_once_and_say_so(tmp_path: Path) -> None:
    """No trial can be attempted: no journal full of failures, but a sentence."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    plan = small_plan({"a": url, "b": url})
    with pytest.raises(WorkerError, match="is `ollama serve` running") as caught:
        run_worker(plan, tmp_path / "j.jsonl", lambda _: None)
    assert "Traceback" not in str(caught.value)
    assert url in str(caught.value)


def test_a_plan_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """Bad input ends with exit code 2 and the field's name, never with a traceback."""
    plan = tmp_path / "plan.json"
    plan.write_text('{"plan_id": 3}')
    done = subprocess.run(
        [sys.executable, "-m", "dualollama_pipeline.worker", str(plan), str(tmp_path / "j")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "plan_id = 3" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, None])
def test_a_stopped_worker_records_the_trial_in_hand_as_interrupted(
    tmp_path: Path, how: signal.Signals | None
) -> None:
    """Ctrl-C, a service manager, or the death of the parent (its pipe closes)."""
    slow: list[Step] = [HEAD, *[chunk(token("x")), Pause(0.05)] * 400]
    begun = asyncio.Event()

    def trial_begins(_: Request) -> Sequence[Step]:
        begun.set()
        return slow

    async def act() -> int:
        script_a, script_b = ollama(trial_begins), ollama(trial_begins)
        async with serve(script_a) as (url_a, _), serve(script_b) as (url_b, _):
            plan = small_plan({"a": url_a, "b": url_b}, deadlines=Deadlines())
            (tmp_path / "plan.json").write_text(plan.model_dump_json())
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "dualollama_pipeline.worker"),
                *(str(tmp_path / "plan.json"), str(tmp_path / "j.jsonl"), "--stdin-guard"),
                stdin=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            async with asyncio.timeout(10):
                await begun.wait()
            assert process.stdin is not None
            if how is None:
                process.stdin.close()
            else:
                process.send_signal(how)
            async with asyncio.timeout(5):
                await process.communicate()
            return process.returncode or 0

    assert asyncio.run(act()) == 130
    journal = read_journal(tmp_path / "j.jsonl")
    assert journal.trials[-1].status is Status.INTERRUPTED
    assert {call.status for call in journal.trials[-1].calls} <= {
        Status.INTERRUPTED,
        Status.SKIPPED,
    }
    assert journal.end is None


def test_the_second_user_of_a_pair_waits_and_is_told_whose_it_is(
    simulated_pair: ServerPair, tmp_path: Path
) -> None:
    """Two campaigns on one pair would measure each other."""
    events: list[dict[str, Any]] = []
    from dualollama_pipeline.worker.lock import pair_lock  # noqa: PLC0415 the holder of this test

    plan = small_plan(simulated_pair.urls, clock="simulated")
    (tmp_path / "plan.json").write_text(plan.model_dump_json())
    command = [sys.executable, "-m", "dualollama_pipeline.worker"]
    command += [str(tmp_path / "plan.json"), str(tmp_path / "j.jsonl")]
    with pair_lock(simulated_pair.urls, "this test", events.append):  # type: ignore[arg-type]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        said = json.loads(process.stdout.readline())
    assert said["event"] == "waiting"
    assert "this test" in said["holder"]
    process.communicate(timeout=10)
    assert process.returncode == 0
    assert read_journal(tmp_path / "j.jsonl").end is not None
