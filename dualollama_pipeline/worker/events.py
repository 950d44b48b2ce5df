"""What a worker tells the process that started it: events while it works, and its exit code.

Events are one JSON object a line on standard output.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dualollama_pipeline.core.errors import (
    DualOllamaError,
    InputError,
    JournalError,
    ServersChangedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from dualollama_pipeline.core.plan import Plan
    from dualollama_pipeline.core.records import TrialRecord

    Event = dict[str, Any]
    Tell = Callable[[Event], object]


def waiting(holder: str) -> Event:
    """Somebody else measures on these servers."""
    return {"event": "waiting", "holder": holder}


def notice(text: str) -> Event:
    """Say what a person would otherwise wonder about: a long load, a server that is away."""
    return {"event": "notice", "text": text}


def attempted(plan: Plan, record: TrialRecord, finished: int) -> Event:
    """Tell one attempt at a trial, and how many trials are finished now."""
    failures = [call.failure for call in record.calls if call.failure is not None]
    return {
        "event": "trial",
        "config_id": plan.config_id,
        "block": record.block,
        "arm": record.arm,
        "status": record.status.value,
        "attempt": record.attempt,
        "finished": finished,
        "planned": len(plan.trials),
        "failures": [
            f"{failure.kind}: {failure.text} ({failure.url})" for failure in dict.fromkeys(failures)
        ],
    }


EXIT_INPUT, EXIT_SERVER, EXIT_CHANGED, EXIT_STOPPED = 2, 3, 4, 130


def exit_code(error: DualOllamaError) -> int:
    """Return 4 for servers that have changed, 2 for bad input or journal, 3 for servers."""
    if isinstance(error, ServersChangedError):
        return EXIT_CHANGED
    return EXIT_INPUT if isinstance(error, InputError | JournalError) else EXIT_SERVER
