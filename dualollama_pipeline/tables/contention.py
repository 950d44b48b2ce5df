"""The contention rules that look across trials: against solo TTFT, and against usual slowdown."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from dualollama_pipeline.core.study import TOGETHER, solo
from dualollama_pipeline.metrics.run import slowdown_contention, ttft_contention
from dualollama_pipeline.tables.rows import Row, column, grouped

if TYPE_CHECKING:
    from collections.abc import Sequence


def ttft_flags(calls: Sequence[Row]) -> dict[str, bool]:
    """Return the report's rule by trial_id, for trials of several agents whose calls are all ok.

    The baseline is the configuration's median solo TTFT of the same agent and stage; a trial with
    a call that has no baseline is left out.
    """
    ok = [call for call in calls if call["status"] == "ok"]
    alone = [call for call in ok if call["arm"] == solo(call["agent"])]
    baseline_ms = {
        key: float(np.median(column(group, "ttft_ms")))
        for key, group in grouped(alone, "agent", "stage").items()
    }
    together = [call for call in ok if call["arm"] in TOGETHER]
    return {
        str(trial_id): any(
            ttft_contention(call["ttft_ms"], baseline_ms[call["agent"], call["stage"]])
            for call in group
        )
        for (trial_id,), group in grouped(together, "trial_id").items()
        if all((call["agent"], call["stage"]) in baseline_ms for call in group)
    }


def slowdown_flags(agents: Sequence[Row]) -> dict[str, bool]:
    """Return by trial_id whether an agent's slowdown exceeds twice its configuration's median.

    Slowdowns are taken within the block and compared within (arm, agent); a trial with an agent
    whose slowdown is not known is left out.
    """
    together = [agent for agent in agents if agent["arm"] in TOGETHER]
    known = [agent for agent in together if not math.isnan(agent["slowdown"])]
    median = {
        key: float(np.median(column(group, "slowdown")))
        for key, group in grouped(known, "arm", "agent").items()
    }
    return {
        str(trial_id): any(
            slowdown_contention(agent["slowdown"], median[agent["arm"], agent["agent"]])
            for agent in group
        )
        for (trial_id,), group in grouped(together, "trial_id").items()
        if not any(math.isnan(agent["slowdown"]) for agent in group)
    }
