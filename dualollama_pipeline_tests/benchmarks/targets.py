"""What our reader is to reach, as ratios within one run where load would move a plain figure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from dualollama_pipeline_tests.benchmarks.rounds import Rounds, ratio, summarise

if TYPE_CHECKING:
    from collections.abc import Sequence

Sign = Literal["<=", ">="]


class Wanted(NamedTuple):
    """A figure of ours over the same figure of another reader, and where that may lie."""

    name: str
    figure: str
    other: str
    sign: Sign
    limit: float


RATIOS = (
    Wanted("TTFT error, median, against raw", "ttft_error_median_ms", "raw", "<=", 1.3),
    Wanted("gap error, p95, against raw", "gap_error_p95_us", "raw", "<=", 1.3),
    Wanted("paced CPU time against raw", "paced_cpu_s_per_1k", "raw", "<=", 1.6),
    Wanted("2 streams unpaced against plain httpx", "unpaced_2_tok_per_s", "httpx", ">=", 4.0),
    Wanted("64 streams unpaced against plain httpx", "unpaced_64_tok_per_s", "httpx", ">=", 4.0),
    Wanted("2 streams unpaced against raw + JSON", "unpaced_2_tok_per_s", "raw_json", ">=", 0.8),
    Wanted("64 streams unpaced against raw + JSON", "unpaced_64_tok_per_s", "raw_json", ">=", 0.8),
)
FIRST_REQUEST_MS = 1.5
START_UP_S = 0.3
DEVIATION_PCT = 0.5


@dataclass(frozen=True)
class Target:
    """One promise; `spread` is the range of the rounds, or the worst case, in words."""

    name: str
    value: float
    unit: str
    sign: Sign
    limit: float
    spread: str

    @property
    def met(self) -> bool:
        """Whether it holds."""
        return self.value <= self.limit if self.sign == "<=" else self.value >= self.limit

    @property
    def verdict(self) -> str:
        """In one word."""
        return "met" if self.met else "missed"

    def row(self) -> dict[str, Any]:
        """Return what goes into the JSON file."""
        return {**asdict(self), "met": self.met}


def judge(rounds: Rounds, worker: dict[str, Any], truths: Sequence[dict[str, Any]]) -> list[Target]:
    """Hold everything that was measured against its target."""
    ratios = [_ratio(rounds, wanted) for wanted in RATIOS]
    return [*ratios, _first_request(rounds), _start_up(worker), *map(_truth, truths)]


def _ratio(rounds: Rounds, wanted: Wanted) -> Target:
    median, low, high = ratio(rounds, wanted.figure, "ours", wanted.other)
    spread = f"{low:.2f} to {high:.2f}"
    return Target(wanted.name, median, "x", wanted.sign, wanted.limit, spread)


def _first_request(rounds: Rounds) -> Target:
    ours = summarise(rounds)["ours"]
    spread = f"worst {ours['first_request_worst_ms']:.2f}"
    value = ours["first_request_ms"]
    return Target("first request, TTFT error", value, "ms", "<=", FIRST_REQUEST_MS, spread)


def _start_up(worker: dict[str, Any]) -> Target:
    spread = f"{worker['start_up_best_s']:.2f} to {worker['start_up_worst_s']:.2f}"
    return Target("worker start-up", worker["start_up_s"], "s", "<=", START_UP_S, spread)


def _truth(truth: dict[str, Any]) -> Target:
    name = f"known true speedup {truth['truth']:.3f}, deviation"
    spread = f"worst block {truth['worst_block_pct']:+.2f}"
    return Target(name, abs(truth["deviation_pct"]), "%", "<=", DEVIATION_PCT, spread)
