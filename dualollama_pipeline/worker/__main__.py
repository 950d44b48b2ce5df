"""`python -m dualollama_pipeline.worker PLAN JOURNAL`: measure a plan, write a journal.

Standard output carries one JSON object for each attempt (progress), standard error what a person
should read. exits.py lists the exit codes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from dualollama_pipeline.core.errors import DualOllamaError
from dualollama_pipeline.core.plan import Plan, load_plan
from dualollama_pipeline.core.records import TrialRecord
from dualollama_pipeline.worker.batch import run_batch
from dualollama_pipeline.worker.exits import EXIT_STOPPED, exit_code
from dualollama_pipeline.worker.journal import Journal, JournalWriter, read_journal
from dualollama_pipeline.worker.lock import pair_lock


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dualollama_pipeline.worker", description=__doc__)
    parser.add_argument("plan", type=Path)
    parser.add_argument("journal", type=Path)
    parser.add_argument(
        "--stdin-guard", action="store_true", help="stop when standard input is closed"
    )
    return parser.parse_args()


def _say(event: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def _announcer(plan: Plan) -> Callable[[TrialRecord, int], None]:
    def announce(record: TrialRecord, finished: int) -> None:
        failures = [call.failure for call in record.calls if call.failure is not None]
        _say(
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


async def _measure(plan: Plan, journal: Journal, writer: JournalWriter, *, guard: bool) -> None:
    """Run the batch; SIGINT, SIGTERM and (guarded) the end of standard input cancel it."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(run_batch(plan, journal, writer, _announcer(plan)))
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, task.cancel)
    if guard:
        loop.add_reader(sys.stdin.fileno(), task.cancel)
    await task


def main() -> int:
    """Run the worker; return its exit code."""
    arguments = _arguments()
    try:
        plan = load_plan(arguments.plan)
        with (
            pair_lock(plan.servers, f"plan {plan.plan_id}", _waiting_for),
            JournalWriter(arguments.journal) as writer,
        ):
            journal = read_journal(arguments.journal)
            asyncio.run(_measure(plan, journal, writer, guard=arguments.stdin_guard))
    except asyncio.CancelledError:
        sys.stderr.write("stopped; the trial in hand is recorded as interrupted\n")
        return EXIT_STOPPED
    except DualOllamaError as error:
        sys.stderr.write(f"{error}\n")
        return exit_code(error)
    return 0


def _waiting_for(holder: str) -> None:
    _say({"event": "waiting", "holder": holder})


if __name__ == "__main__":
    sys.exit(main())
