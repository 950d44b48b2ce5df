"""The one GPU that both servers share: processor sharing, in integer nanoseconds.

Here: how fast each of n streams goes, and a piece of work that keeps its place while that rate
changes. What the work stands for (prefill, decode) is decided in `call.py` and `world.py`.
"""

import math
from dataclasses import dataclass

import numpy as np

from dualollama_pipeline.simulator.profile import Gpu

_TWO_STREAMS = 2
BATCH_RATES = (1.0, 1.27, 1.45, 1.58, 1.68, 1.76, 1.83, 1.89)
"""Total speed of 1, 2, ... slots: two as measured on llama-server with two CPU cores (18 ms a token
each against 11.4 alone), the others extrapolated. An assumption: a GPU gains more."""


def rate_per_stream(n_active: int, gpu: Gpu, *, reads_prompt: bool = False) -> float:
    """Speed of each of `n_active` streams as a fraction of a stream alone."""
    if n_active <= 1:
        return 1.0
    if n_active == _TWO_STREAMS:
        return (reads_prompt and gpu.prompt_pair_share) or gpu.pair_share
    return gpu.aggregate_share / n_active


def batch_share(n_slots: int, gpu: Gpu) -> float:
    """Speed of each of `n_slots` calls of one loaded model, as a fraction of one alone.

    They are read through the weights together, so that their sum is more than one call's.
    """
    rates = gpu.batch_rates or BATCH_RATES
    return rates[min(n_slots, len(rates)) - 1] / n_slots


@dataclass(slots=True)
class SharedWork:
    """Equal units of GPU work, each followed by wall time that the GPU does not spend.

    Formula: wall of a unit = work_ns / rate + overhead_ns.
    Instants are an integer origin plus a rounded offset, so that shifting the origin shifts every
    instant by exactly as much: a long-running process and a fresh one agree to the nanosecond.
    """

    n_units: int
    work_ns: float
    overhead_ns: float = 0.0
    rate: float = 0.0
    since_ns: int = 0
    done: float = 0.0
    _gpu_ns: float = 0.0

    def set_rate(self, now_ns: int, rate: float) -> None:
        """Go on at `rate` from `now_ns`; the fraction of the unit in hand carries over."""
        if self.rate > 0:
            progress = min((now_ns - self.since_ns) / self.step_ns, self.n_units - self.done)
            self._gpu_ns += progress * self.work_ns / self.rate
            self.done += progress
        self.since_ns = now_ns
        self.rate = rate

    @property
    def step_ns(self) -> float:
        """Wall time of one unit at the present rate."""
        return self.work_ns / self.rate + self.overhead_ns

    @property
    def end_ns(self) -> int:
        """Instant at which the last unit is done, if the rate stays."""
        return self.instant_ns(self.n_units)

    @property
    def gpu_ns(self) -> int:
        """Wall time spent on the GPU part by the end, if the rate stays (no overhead)."""
        return round(self._gpu_ns + (self.n_units - self.done) * self.work_ns / self.rate)

    def instant_ns(self, unit: int) -> int:
        """Instant at which `unit` units are done, if the rate stays."""
        return self.since_ns + max(0, round((unit - self.done) * self.step_ns))

    def instants_until(self, first_unit: int, until_ns: int) -> list[int]:
        """Instants of units `first_unit`, ... before the last one that lie at or before a limit."""
        reachable = self.done + (until_ns - self.since_ns + 1) / self.step_ns
        last_unit = min(self.n_units - 1, math.floor(reachable) + 1)
        units = np.arange(first_unit, last_unit + 1, dtype=np.float64)
        offsets = np.maximum(0, np.rint((units - self.done) * self.step_ns)).astype(np.int64)
        instants = self.since_ns + offsets
        return [int(i) for i in instants[instants <= until_ns].tolist()]
