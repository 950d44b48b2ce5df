"""One plan measured in this process: locks, journal, signals. What `python -m ...worker` does."""

from __future__ import annotations

import asyncio
import select
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING

from dualollama_pipeline.worker.batch import check_plan, run_batch
from dualollama_pipeline.worker.events import waiting
from dualollama_pipeline.worker.journal import Journal, JournalWriter, is_finished, read_journal
from dualollama_pipeline.worker.lock import pair_lock
from dualollama_pipeline.worker.ruler import examine_ruler

if TYPE_CHECKING:
    from pathlib import Path

    from dualollama_pipeline.core.plan import Plan
    from dualollama_pipeline.worker.events import Tell


def run_here(plan: Plan, path: Path, tell: Tell, *, guard: bool = False) -> None:
    """Measure `plan` into the journal at `path`, waiting for the servers if they are in use.

    SIGINT, SIGTERM and, with `guard`, the end of standard input stop it; the trial in hand is
    then recorded as interrupted.

    Raises:
        asyncio.CancelledError: stopped.
        ServerError, JournalError: as `run_batch` and `JournalWriter`.
    """

    def check() -> None:
        if guard and select.select([sys.stdin], [], [], 0)[0]:
            raise asyncio.CancelledError

    if is_finished(path):  # and read-only
        check_plan(plan, read_journal(path))
        return
    with (
        pair_lock(plan.servers, f"plan {plan.plan_id}", lambda who: tell(waiting(who)), check),
        JournalWriter(path) as writer,
    ):
        journal = read_journal(path)
        asyncio.run(_until_stopped(plan, journal, writer, tell, guard))


async def _until_stopped(
    plan: Plan, journal: Journal, writer: JournalWriter, tell: Tell, guard: bool
) -> None:
    loop = asyncio.get_running_loop()
    ruler = partial(examine_ruler, protocol=plan.protocol_of(next(iter(plan.servers))))
    task = asyncio.ensure_future(run_batch(plan, journal, writer, tell, ruler))
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    if guard:

        def owner_gone() -> None:
            loop.remove_reader(sys.stdin.fileno())
            task.cancel()

        loop.add_reader(sys.stdin.fileno(), owner_gone)
    await task
