"""Candidates made by hand: a speedup, a wait and a memory with their errors."""

from __future__ import annotations

import math
from typing import Any

from dualollama_pipeline.advice.candidates import Candidate, Memory
from dualollama_pipeline.statistics.intervals import Interval
from dualollama_pipeline.statistics.means import Mean

SOUND = Interval(99.0, 98.0, 100.0, "")


def candidate(
    *config_ids: str, speedup: float = 0.8, ttft_ms: float = 400.0, gb: float = 7.0, **changes: Any
) -> Candidate:
    """Eleven blocks whose logs have a standard error of 0.005."""
    made: dict[str, Any] = {
        "origin": "measured",
        "effective_class": " ".join(config_ids),
        "config_ids": config_ids,
        "scenario": "chimera_homo",
        "speedup": Mean(math.log(speedup), 0.005, 10.0, ""),
        "ttft": Mean(math.log(ttft_ms), 0.005, 10.0, ""),
        "n_blocks": 11,
        "n_ttft": 11,
        "balance": SOUND,
        "peak_balance": 99.9,
        "n_balance": 11,
        "contention": Interval(0.0, 0.0, 0.28, ""),
        "n_contention": 11,
        "n_trials": 11,
        "n_failed": 0,
        "memory": Memory(gb, "by hand"),
        "batches": ("night1",),
    }
    return Candidate(**{**made, **changes})
