"""How long the work of a pair takes alone: what speedups and slowdowns are made of (METHOD 2)."""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dualollama_pipeline.core.study import TOGETHER, solo
from dualollama_pipeline.metrics.block import NAN, slowdown, solo_time
from dualollama_pipeline.tables.guards import TOKEN_TOLERANCE
from dualollama_pipeline.tables.rows import Row, column, grouped

if TYPE_CHECKING:
    from collections.abc import Sequence


class Work(NamedTuple):
    """What one agent did in one trial beside others, and how long that takes it alone, in ms.

    `in_turn_ms` is for all its work, `window_work_ms` for what it did in the trial's window, of
    which `window_prompt_ms` went into prompts. `reason` says why these are nan.
    """

    in_turn_ms: float = NAN
    window_ms: float = NAN
    window_work_ms: float = NAN
    window_prompt_ms: float = NAN
    decode_slowdown: float = NAN
    prompt_slowdown: float = NAN
    unequal: str = ""  # token counts that differ from solo's by more than 10 %; empty if none do
    reason: str = ""

    @property
    def slowdown(self) -> float:
        """Length of the window / solo time of the work done in it (METHOD section 2)."""
        return slowdown(self.window_ms, self.window_work_ms)


NO_WORK = Work()
LIVE = "its conversation is live, so alone it does other work"


class Alone(NamedTuple):
    """A stage's solo call in its block: times in ms, `gap_ms` the client's time before it."""

    ttft_ms: float
    tpot_ms: float
    total_ms: float
    prompt_ms: float
    gap_ms: float
    n_tokens: float


Stages = dict[str, Alone]
Works = dict[tuple[int, str, str], Work]  # by (block, arm, agent)


def work_together(calls: Sequence[Row]) -> Works:
    """Return by (block, arm, agent) what agents did together; `calls` are last attempts."""
    alone = _alone([call for call in calls if call["arm"] == solo(call["agent"])])
    together = [call for call in calls if call["arm"] in TOGETHER]
    return {
        (block, arm, agent): _work(mine, alone.get((block, agent), {}))
        for (block, arm, agent), mine in grouped(together, "block", "arm", "agent").items()
    }


def _alone(calls: Sequence[Row]) -> dict[tuple[int, str], Stages]:
    """Return each agent's stages by (block, agent).

    A call too short for a rate takes the mean of that agent and stage over the configuration.
    """
    sound = [call for call in calls if call["status"] == "ok" and call["validity"] != "INVALID"]
    usual = {
        key: {name: _mean(column(group, name)) for name in ("ttft_ms", "tpot_ms")}
        for key, group in grouped(sound, "agent", "stage").items()
    }
    found: dict[tuple[int, str], Stages] = {}
    for (block, agent), mine in grouped(calls, "block", "agent").items():
        ends = [mine[0]["sent_ms"], *column(mine, "end_ms")]
        found[block, agent] = {
            call["stage"]: Alone(
                _or(call["ttft_ms"], usual.get((agent, call["stage"]), {}).get("ttft_ms", NAN)),
                _or(call["tpot_ms"], usual.get((agent, call["stage"]), {}).get("tpot_ms", NAN)),
                call["total_ms"],
                call["prompt_eval_ms"],
                call["sent_ms"] - before_ms,
                call["n_tokens"],
            )
            for call, before_ms in zip(mine, ends, strict=False)
        }
    return found


def _work(calls: Sequence[Row], alone: Stages) -> Work:
    stages = [alone.get(call["stage"]) for call in calls]
    if any(stage is None for stage in stages):
        return Work(reason="it has no solo call to compare with")
    pairs = [(call, stage) for call, stage in zip(calls, stages, strict=True) if stage is not None]
    in_turn = sum(_whole(call, stage) + stage.gap_ms for call, stage in pairs)
    prompt, window = 0.0, 0.0
    for call, stage in pairs:
        reading = call["window_prompt_share"] * stage.ttft_ms
        prompt += reading
        window += reading + _decoding(call, stage)
        window += stage.gap_ms if call["window_prompt_share"] > 0 else 0.0
    unequal = [
        f"{call['agent']} {call['stage']} made {call['n_tokens']:.0f} tokens, "
        f"alone {stage.n_tokens:.0f}"
        for call, stage in pairs
        if abs(call["n_tokens"] - stage.n_tokens) > TOKEN_TOLERANCE * stage.n_tokens
    ]
    if any(call["is_live"] for call in calls):  # each arm had a conversation of its own
        in_turn, window, unequal = NAN, NAN, [LIVE]
    overlapping = [(call, stage) for call, stage in pairs if call["overlap_tokens"] > 0]
    return Work(
        in_turn,
        calls[0]["window_ms"],
        window,
        prompt,
        slowdown(
            sum(call["overlap_ms"] for call, _ in overlapping),
            sum(call["overlap_tokens"] * stage.tpot_ms for call, stage in overlapping),
        ),
        slowdown(sum(call["prompt_eval_ms"] for call in calls), sum(s.prompt_ms for _, s in pairs)),
        ", ".join(unequal),
        _reason(calls, pairs, in_turn, window),
    )


def _whole(call: Row, alone: Alone) -> float:
    """Return how long a call's work takes alone; for as many tokens, what solo took."""
    if call["n_tokens"] == alone.n_tokens:
        return alone.total_ms
    return solo_time(alone.ttft_ms, alone.tpot_ms, call["n_tokens"])


def _decoding(call: Row, alone: Alone) -> float:
    """Return how long the tokens that a call made in the window take alone, after the first."""
    made = call["window_tokens"]
    if call["is_clumped"] or isnan(made):
        return NAN
    if made == call["n_tokens"] == alone.n_tokens:
        return alone.total_ms - alone.ttft_ms
    return (made - 1) * alone.tpot_ms if made > 1 else 0.0


def _reason(
    calls: Sequence[Row], pairs: Sequence[tuple[Row, Alone]], in_turn: float, window: float
) -> str:
    if not isnan(in_turn + window):
        return ""
    if any(call["is_live"] for call in calls):
        return LIVE
    if any(call["is_clumped"] for call in calls) or any(isnan(s.ttft_ms) for _, s in pairs):
        return "answers came in clumps, so token times are not known"
    if any(isnan(s.tpot_ms) for _, s in pairs):
        return "no solo call had the tokens for a rate"
    return "a call has no valid answer"


def _mean(values: Sequence[float]) -> float:
    known = [value for value in values if not isnan(value)]
    return float(np.mean(known)) if known else NAN


def _or(value: float, other: float) -> float:
    return other if isnan(value) else value
