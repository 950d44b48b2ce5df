"""Who ran when in the trials of one block: a lane for each agent of each arm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dualollama_pipeline.core.records import Status
from dualollama_pipeline.core.study import TOGETHER
from dualollama_pipeline.core.units import NS_PER_S
from dualollama_pipeline.report.wording import Words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dualollama_pipeline.core.records import CallRecord, TrialRecord


@dataclass(frozen=True)
class CallSpan:
    """One call in seconds after its lane began; `load_s` is what the server loaded a model for."""

    agent: str
    stage: str
    sent_s: float
    first_s: float
    end_s: float
    n_tokens: int | None
    load_s: float


@dataclass(frozen=True)
class Lane:
    """One agent in one arm."""

    label: str
    calls: tuple[CallSpan, ...]


def trials_of(trials: Sequence[TrialRecord], block: int) -> dict[str, TrialRecord]:
    """Return the last trial of each arm of a block that ended well, by arm."""
    return {
        trial.arm: trial for trial in trials if trial.block == block and trial.status is Status.OK
    }


def calls_of(trial: TrialRecord) -> dict[str, list[CallRecord]]:
    """Return the calls of each agent by its name, whoever was submitted first: colours stay."""
    agents = sorted({call.agent for call in trial.calls})
    return {agent: [call for call in trial.calls if call.agent == agent] for agent in agents}


def lanes_of(trials: dict[str, TrialRecord]) -> tuple[Lane, ...]:
    """Lay out a block's trials: solo ones in sequence, which is what the others are held against.

    Solo trials stand in the order of their servers, and so do the agents of every other arm.
    """
    alone = sorted(
        (trial for arm, trial in trials.items() if arm not in TOGETHER),
        key=lambda trial: trial.calls[0].server,
    )
    words = Words(max((len(calls_of(trial)) for trial in trials.values()), default=1))
    lanes: list[Lane] = []
    for trial in alone:
        after_s = lanes[-1].calls[-1].end_s if lanes and lanes[-1].calls else 0.0
        for agent, calls in calls_of(trial).items():
            how = "one after the other" if len(alone) > 1 else "alone"
            lanes.append(Lane(f"{how}: {agent}", tuple(_spans(calls, after_s))))
    order = [agent for trial in alone for agent in calls_of(trial)]
    for arm in (arm for arm in TOGETHER if arm in trials):
        calls_by_agent = calls_of(trials[arm])
        lanes += [
            Lane(f"{words.arm(arm)}: {agent}", tuple(_spans(calls_by_agent[agent])))
            for agent in sorted(calls_by_agent, key=lambda agent: [*order, agent].index(agent))
        ]
    return tuple(lane for lane in lanes if lane.calls)


def _spans(calls: Sequence[CallRecord], after_s: float = 0.0) -> list[CallSpan]:
    return [
        CallSpan(
            agent=call.agent,
            stage=call.stage,
            sent_s=after_s + call.sent_ns / NS_PER_S,
            first_s=after_s + call.first_token_ns / NS_PER_S,
            end_s=after_s + call.end_ns / NS_PER_S,
            n_tokens=call.counters.eval_count,
            load_s=(call.counters.load_duration or 0) / NS_PER_S,
        )
        for call in calls
        if call.sent_ns is not None and call.first_token_ns is not None and call.end_ns is not None
    ]
