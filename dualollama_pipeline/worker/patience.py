"""How long to try: pauses between attempts, servers that are away, arms that hang.

A night must not be spent on waiting for one server: what hangs is left alone, told, tried again
later, and in the end skipped with its reason.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from dualollama_pipeline.core.records import Failure, FailureKind, Status
from dualollama_pipeline.transport.failures import may_pass

if TYPE_CHECKING:
    from dualollama_pipeline.core.plan import Plan, PlannedTrial
    from dualollama_pipeline.core.records import TrialRecord

RETURN_SHARES = (0.1, 0.3, 0.6)  # of the time that a server gets to come back
BACKOFF_S = 1.0  # before a second attempt; doubles
LONGEST_BACKOFF_S = 60.0
HANGS = frozenset({FailureKind.TIMEOUT_FIRST, FailureKind.TIMEOUT_IDLE, FailureKind.TIMEOUT_TOTAL})
MAX_HANGS = 2


def failures_of(record: TrialRecord) -> list[Failure]:
    """Return what went wrong with the calls of an attempt."""
    return [call.failure for call in record.calls if call.failure is not None]


def backoff_s(record: TrialRecord) -> float:
    """Return how long to wait before another attempt: what a busy server asks for, or 1, 2, 4 s."""
    asked = max((failure.retry_after_s or 0.0 for failure in failures_of(record)), default=0.0)
    own: float = BACKOFF_S * 2 ** (record.attempt - 1)
    return min(max(asked, own), LONGEST_BACKOFF_S)


class Patience:
    """Counts the attempts of each arm that ran into a deadline, one after the other.

    An arm that hung in two blocks is not tried again before the last one: each would cost its
    deadline, and the servers that others wait for.
    """

    def __init__(self, plan: Plan) -> None:
        self._hangs: Counter[str] = Counter()
        self._last_block = max(trial.block for trial in plan.trials)

    def note(self, record: TrialRecord) -> None:
        """Take in how an attempt ended."""
        if any(failure.kind in HANGS for failure in failures_of(record)):
            self._hangs[record.arm] += 1
        elif record.status is Status.OK:
            del self._hangs[record.arm]

    def is_worth_another(self, record: TrialRecord, attempts_left: int) -> bool:
        """Say whether a failed attempt gets another one."""
        hangs = self._hangs[record.arm]
        return attempts_left > 0 and hangs < MAX_HANGS and may_pass(failures_of(record))

    def reason_to_skip(self, trial: PlannedTrial) -> str | None:
        """Say why a trial is not tried now, None if it is."""
        if self._hangs[trial.arm] < MAX_HANGS or trial.block == self._last_block:
            return None
        return f"not tried: `{trial.arm}` ran into a deadline {self._hangs[trial.arm]} times before"
