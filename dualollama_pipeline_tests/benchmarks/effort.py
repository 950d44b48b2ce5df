"""How much is measured: the whole benchmark in six minutes, the quick one in one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dualollama_pipeline_tests.benchmarks.known_truth import Case

SCHEDULE = {"ttft_ms": 20.0, "gap_ms": 4.0, "tokens": 50}
RECORDS_PER_WRITE = 512
EQUAL, UNEQUAL = Case(1.6, 60, 60), Case(1.25, 60, 45)


@dataclass(frozen=True)
class Effort:
    """Repetitions and sizes; `tokens` are those of one unpaced measurement, over all streams."""

    rounds: int
    requests: int
    tokens: int
    cases: tuple[Case, ...]
    blocks: int

    def job(self, paced_url: str, source_url: str) -> dict[str, Any]:
        """Return what one reader process is asked to do."""
        return {
            "paced_url": paced_url,
            "schedule": SCHEDULE,
            "requests": self.requests,
            "loads": {
                "unpaced_2": self._load(source_url, 2, RECORDS_PER_WRITE),
                "unpaced_64": self._load(source_url, 64, RECORDS_PER_WRITE),
                "flushed_2": self._load(source_url, 2, 1),
            },
        }

    def paced_flat_out(self, paced_url: str) -> dict[str, Any]:
        """Return the job that shows how fast the paced server can be at all."""
        prompt = {"ttft_ms": 0, "gap_ms": 0, "tokens": self.tokens // 64}
        load = {"url": paced_url, "streams": 64, "prompt": prompt}
        quick = {**SCHEDULE, "tokens": 2}
        job = {"paced_url": paced_url, "schedule": quick, "requests": 1}
        return {**job, "loads": {"flat_out": load}}

    def _load(self, url: str, streams: int, per_write: int) -> dict[str, Any]:
        prompt = {"tokens": self.tokens // streams, "per_write": per_write}
        return {"url": url, "streams": streams, "prompt": prompt}


FULL = Effort(rounds=10, requests=8, tokens=128_000, cases=(EQUAL, UNEQUAL), blocks=4)
QUICK = Effort(rounds=2, requests=3, tokens=16_000, cases=(EQUAL,), blocks=2)
