"""One plan measured in this process: locks, journal, signals. What `python -m ...worker` does."""

from __future__ import annotations

import asyncio
import select
import signal
import sys
from typing import TYPE_CHECKING, Any

from dualollama_pipeline.worker.batch import check_plan, run_batch
from dualollama_pipeline.worker.calibration import examine_ruler
from dualollama_pipeline.worker.journal import Journal, JournalWriter, is_finished, read_journal
from dualollama_pipeline.worker.lock import pair_lock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dualollama_pipeline.core.plan import Plan
    from dualollama_pipeline.core.records import TrialRecord
    from dualollama_pipeline.worker.batch import Announce

    OnEvent = Callable[[dict[str, Any]], None]


def run_here(plan: Plan, path: Path, on_event: OnEvent, *, guard: bool = False) -> None:
    """Measure `plan` into the journal at `path`, waiting for the servers if they are in use.

    SIGINT, SIGTERM and, with `guard`, the end of standard input stop it; the trial in hand is
    then recorded as interrupted.

    Raises:
        asyncio.CancelledError: stopped.
        ServerError, JournalError: as `run_batch` and `JournalWriter`.
    """

    def waiting(holder: str) -> None:
        on_event({"event": "waiting", "holder": holder})

    def check() -> None:
        if guard and select.select([sys.stdin], [], [], 0)[0]:
            raise asyncio.CancelledError

    if is_finished(path):  # and read-only
        check_plan(plan, read_journal(path))
        return
    with (
        pair_lock(plan.servers, f"plan {plan.plan_id}", waiting, check),
        JournalWriter(path) as writer,
    ):
        journal = read_journal(path)
        asyncio.run(_until_stopped(plan, journal, writer, _announcer(plan, on_event), guard))


async def _until_stopped(
    plan: Plan, journal: Journal, writer: JournalWriter, announce: Announce, guard: bool
) -> None:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(run_batch(plan, journal, writer, announce, examine_ruler))
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    if guard:

        def owner_gone() -> None:
            loop.remove_reader(sys.stdin.fileno())
            task.cancel()

        loop.add_reader(sys.stdin.fileno(), owner_gone)
    await task


def _announcer(plan: Plan, on_event: OnEvent) -> Announce:
    def announce(record: TrialRecord, finished: int) -> None:
        failures = [call.failure for call in record.calls if call.failure is not None]
        on_event(
            {
                "event": "trial",
                "config_id": plan.config_id,
                "block": record.block,
                "arm": record.arm,
                "status": record.status.value,
                "attempt": record.attempt,
                "finished": finished,
                "planned": len(plan.trials),
                "failures": [f"{failure.kind}: {failure.text}" for failure in failures],
            }
        )

    return announce
