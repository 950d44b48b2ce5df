"""From a raw exchange to the record of a call. Runs after the trial, when nothing is timed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dualollama_pipeline.core.records import CallRecord, FailureKind, Status
from dualollama_pipeline.ollama.plausible import contradiction
from dualollama_pipeline.transport.answer import Answer, StreamError

if TYPE_CHECKING:
    from dualollama_pipeline.core.plan import PlannedAgent, Stage
    from dualollama_pipeline.transport.exchange import Exchange
    from dualollama_pipeline.worker.clock import Clock


@dataclass(frozen=True)
class Window:
    """How a trial's calls are dated: by which clock, counted from when; was the trial cut off?"""

    clock: Clock
    origin_ns: int
    interrupted: bool

    def since(self, instant_ns: int | None) -> int | None:
        """Count an instant from the trial's first request."""
        return None if instant_ns is None else instant_ns - self.origin_ns


def skipped_call(agent: PlannedAgent, stage: Stage) -> CallRecord:
    """Return the record of a call that was planned and never sent."""
    return CallRecord(
        agent=agent.name,
        server=agent.server,
        model=agent.model,
        stage=stage.name,
        options=agent.options.given(),
        status=Status.SKIPPED,
    )


def call_record(
    agent: PlannedAgent, stage: Stage, exchange: Exchange, window: Window
) -> CallRecord:
    """Parse one exchange and say how it ended; whatever arrived is kept."""
    answer = Answer()
    _parse(exchange, answer)
    chunks = [instant - window.origin_ns for instant in window.clock.chunk_ns(answer)]
    sent_ns = window.since(window.clock.sent_ns(exchange))
    end_ns = window.since(window.clock.end_ns(exchange, answer))
    first_ns = chunks[0] if chunks else None
    if exchange.failure is None:
        lie = contradiction(answer.counters, _between(sent_ns, first_ns), _between(sent_ns, end_ns))
        if lie is not None:
            exchange.fail(FailureKind.METRICS, lie)
    first_answer = answer.first_answer
    return skipped_call(agent, stage).model_copy(
        update={
            "status": _status(exchange, window),
            "failure": exchange.failure,
            "sent_ns": sent_ns,
            "first_token_ns": first_ns,
            "first_answer_ns": None if first_answer is None else chunks[first_answer],
            "end_ns": end_ns,
            "chunk_ns": tuple(chunks),
            "max_lines_per_read": window.clock.lines_per_read(answer),
            "counters": answer.counters,
            "text": "".join(answer.texts),
            "thinking": "".join(answer.thoughts),
        }
    )


def _between(start_ns: int | None, end_ns: int | None) -> int | None:
    return None if start_ns is None or end_ns is None else end_ns - start_ns


def _parse(exchange: Exchange, answer: Answer) -> None:
    """Read the body; a failure of the exchange itself came first and stays the cause."""
    if exchange.failure is not None and exchange.phase != "streaming":
        return  # no body, or an error page
    try:
        exchange.read(answer)
    except StreamError as error:
        exchange.fail(error.kind, str(error), error.excerpt)


def _status(exchange: Exchange, window: Window) -> Status:
    if exchange.failure is None:
        return Status.OK
    if window.interrupted and exchange.failure.kind is FailureKind.TRUNCATED:
        return Status.INTERRUPTED  # we stopped reading, so no final record could come
    return Status.FAILED
