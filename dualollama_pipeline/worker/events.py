"""What a worker tells while it works: one JSON object an event, on standard output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
