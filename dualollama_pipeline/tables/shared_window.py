"""What each call of a pair did while all agents ran, and while all of them decoded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dualollama_pipeline.core.records import Status
from dualollama_pipeline.core.units import NS_PER_MS
from dualollama_pipeline.metrics.window import (
    Spoken,
    all_active,
    prompt_share_until,
    tokens_until,
    within,
)

if TYPE_CHECKING:
    from dualollama_pipeline.core.records import CallRecord, TrialRecord

NAN = float("nan")
NO_WINDOW: dict[str, Any] = dict.fromkeys(
    ("window_ms", "window_tokens", "window_prompt_share", "overlap_ms", "overlap_tokens"), NAN
)


def window_facts(trial: TrialRecord) -> dict[tuple[str, str], dict[str, Any]]:
    """Return by (agent, stage) what a call did in its trial's window; empty for one agent alone.

    Empty, too, where a call has no valid answer: nobody knows how long it would have run.
    `window_ms` is the agent's share of the window: from its own first request.
    """
    agents: dict[str, dict[str, Spoken]] = {}
    for record in trial.calls:
        spoken = _spoken(record)
        if spoken is None:
            return {}
        agents.setdefault(record.agent, {})[record.stage] = spoken
    if len(agents) < 2:  # noqa: PLR2004 nobody to share a window with
        return {}
    end = min(max(call.end for call in mine.values()) for mine in agents.values())
    together = all_active([[(c.first, c.end) for c in mine.values()] for mine in agents.values()])
    facts = {}
    for agent, mine in agents.items():
        start = min(call.sent for call in mine.values())
        for stage, call in mine.items():
            overlap, tokens = within(call, together)
            facts[agent, stage] = {
                "window_ms": (end - start) / NS_PER_MS,
                "window_tokens": tokens_until(call, end),
                "window_prompt_share": prompt_share_until(call, end),
                "overlap_ms": overlap / NS_PER_MS,
                "overlap_tokens": tokens,
            }
    return facts


def _spoken(call: CallRecord) -> Spoken | None:
    if call.status is not Status.OK or call.sent_ns is None or call.end_ns is None:
        return None
    return Spoken(
        sent=call.sent_ns,
        first=call.end_ns if call.first_token_ns is None else call.first_token_ns,
        end=call.end_ns,
        prompt=call.counters.prompt_eval_duration or NAN,
        n_tokens=call.counters.eval_count or NAN,
        pieces=call.chunk_ns,
    )
