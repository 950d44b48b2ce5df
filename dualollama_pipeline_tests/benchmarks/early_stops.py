"""Blocks of the simulator in which answers stop early, through the project's own formulas.

The truth is the mean over very many blocks; the bias is how far it moves with the share of stops.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from dualollama_pipeline.core.records import CallRecord, ServerCounters, Status, TrialRecord
from dualollama_pipeline.core.study import PAIR, Agent, arms_of
from dualollama_pipeline.metrics.block import true_speedup, weighted_speedup
from dualollama_pipeline.simulator import truth
from dualollama_pipeline.simulator.profile import EarlyStops, Profile
from dualollama_pipeline.tables.shared_window import NO_WINDOW, window_facts
from dualollama_pipeline.tables.work import work_together
from dualollama_pipeline_tests.benchmarks.campaigns import OPTIONS, STAGES

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dualollama_pipeline.simulator.call import Call

THREE = tuple(Agent(f"agent{n}", f"s{n}") for n in (1, 2, 3))
SHARES = (0.0, 0.2, 0.5)
LEAST, MOST = 71 / 300, 246 / 300  # where real answers ended (METHOD section 2)
PROMPTS = {"like decoding": None, "worse than decoding": 0.3}
LONG_RUN = 3_000
COLUMNS = ("dual weighted", "single weighted", "dual true", "single true")


def profile(stops: float, prompts: str, seed: int) -> Profile:
    """Return the standard profile with so many early stops."""
    made = Profile.load("standard")
    gpu = made.gpu.model_copy(update={"prompt_pair_share": PROMPTS[prompts]})
    early = EarlyStops(per_call=stops, least_share=LEAST, most_share=MOST)
    return made.model_copy(update={"gpu": gpu, "early_stops": early, "seed": seed})


@cache
def stopping_blocks(
    stops: float, prompts: str, n: int = LONG_RUN, agents: tuple[Agent, ...] = PAIR
) -> NDArray[np.float64]:
    """Return log speedups of n blocks, shape (n, 4): COLUMNS."""
    names = {agent.server: agent.name for agent in agents}
    options = dict.fromkeys(names, OPTIONS)
    rows: list[dict[str, Any]] = []
    walls = np.empty((n, 2))
    for block in range(n):
        drawn = profile(stops, prompts, block)
        for arm in arms_of(agents):
            calls = [
                _record(call, names[agent], str(stage))
                for agent, made in truth.play(drawn, arm, options, STAGES, agents).items()
                for stage, call in enumerate(made)
            ]
            rows += _rows(block, arm, calls)
            if arm in {"apart", "shared"}:
                wall_ns = max(call.end_ns or 0 for call in calls)
                walls[block, int(arm == "shared")] = wall_ns / 1e6
    work = work_together(rows)
    made = np.empty((n, 4))
    for block in range(n):
        for place, arm in enumerate(("apart", "shared")):
            mine = [work[block, arm, role] for role in names.values()]
            made[block, place] = np.log(weighted_speedup([each.slowdown for each in mine]))
            in_turn = [each.in_turn_ms for each in mine]
            made[block, 2 + place] = np.log(true_speedup(in_turn, walls[block, place]))
    return made


def _record(call: Call, role: str, stage: str) -> CallRecord:
    return CallRecord.model_construct(
        agent=role,
        stage=stage,
        status=Status.OK,
        sent_ns=call.received_ns,
        first_token_ns=call.first_token_ns,
        end_ns=call.ended_ns,
        chunk_ns=tuple(call.take_instants()),
        counters=ServerCounters.model_construct(
            eval_count=call.n_tokens, prompt_eval_duration=call.prompt_eval_ns
        ),
    )


def _rows(block: int, arm: str, calls: list[CallRecord]) -> list[dict[str, Any]]:
    trial = TrialRecord.model_construct(calls=tuple(calls))
    facts = window_facts(trial) if arm in {"apart", "shared"} else {}
    rows = []
    for call in calls:
        sent, first, end = call.sent_ns or 0, call.first_token_ns or 0, call.end_ns or 0
        n_tokens = call.counters.eval_count or 0
        rows.append(
            {
                "block": block,
                "arm": arm,
                "agent": call.agent,
                "stage": call.stage,
                "status": "ok",
                "validity": "VALID",
                "is_clumped": False,
                "is_live": False,
                "sent_ms": sent / 1e6,
                "end_ms": end / 1e6,
                "ttft_ms": (first - sent) / 1e6,
                "total_ms": (end - sent) / 1e6,
                "tpot_ms": (end - first) / 1e6 / (n_tokens - 1),
                "n_tokens": float(n_tokens),
                "prompt_eval_ms": (call.counters.prompt_eval_duration or 0) / 1e6,
                **facts.get((call.agent, call.stage), NO_WINDOW),
            }
        )
    return rows


def table() -> str:
    """Write the geometric means by share of stops: what early stops move, and what they do not."""
    text = "| prompts share the GPU | stops | " + " | ".join(COLUMNS) + " |\n|---|---:|"
    text += "---:|" * len(COLUMNS) + "\n"
    for prompts in PROMPTS:
        for stops in SHARES:
            means = np.exp(stopping_blocks(stops, prompts).mean(axis=0))
            cells = " | ".join(f"{mean:.4f}" for mean in means)
            text += f"| {prompts} | {100 * stops:.0f} % | {cells} |\n"
    return text
