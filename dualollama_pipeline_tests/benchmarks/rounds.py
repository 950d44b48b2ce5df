"""All readers in turn, round after round, so that whatever disturbs the machine disturbs all alike.

Ratios are taken within a round, then their median: drift between rounds cancels out. The servers
have one CPU and the readers another: left to the scheduler, client and server share one at times,
and its choice moves a stamp by more than any reader does.
"""

from __future__ import annotations

import json
import statistics
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from dualollama_pipeline_tests.benchmarks.accuracy import p95
from dualollama_pipeline_tests.benchmarks.processes import (
    PACED,
    READER,
    SOURCE,
    child,
    on_cpu,
    server,
)
from dualollama_pipeline_tests.benchmarks.reader_process import READERS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from dualollama_pipeline_tests.benchmarks.effort import Effort

Rounds = list[dict[str, dict[str, Any]]]


def run_rounds(effort: Effort, between: Callable[[], None]) -> tuple[Rounds, float]:
    """Measure all readers; returns the rounds, and the paced server's own limit in tokens/s.

    `between` is called after each round: what it measures is spread over the same minutes.
    """
    names = list(READERS)
    rounds: Rounds = []
    with ExitStack() as stack:
        with on_cpu(0):
            paced, source = (stack.enter_context(server(module)) for module in (PACED, SOURCE))
        job = json.dumps(effort.job(paced["url"], source["url"]))
        with on_cpu(1):
            limit = child(READER, "raw", json.dumps(effort.paced_flat_out(paced["url"])))
        for number in range(effort.rounds):
            shift = number % len(names)  # nobody always follows the same neighbour
            order = names[shift:] + names[:shift]
            sys.stderr.write(f"round {number + 1} of {effort.rounds}: {', '.join(order)}\n")
            with on_cpu(1):
                rounds.append({name: child(READER, name, job) for name in order})
            between()
    return rounds, limit["flat_out_tok_per_s"]


def summarise(rounds: Rounds) -> dict[str, dict[str, float]]:
    """Return one value for each reader and figure: medians over rounds, pooled percentiles."""
    return {name: _reader([found[name] for found in rounds]) for name in READERS}


def _reader(found: list[dict[str, Any]]) -> dict[str, float]:
    errors = [error for one in found for error in one["ttft_errors_ms"]]
    first = [error for one in found for error in one["first_ttft_error_ms"]]
    single = [name for name, value in found[0].items() if not isinstance(value, list)]
    return {
        **{name: statistics.median(one[name] for one in found) for name in single},
        "ttft_error_p95_ms": p95(errors),
        "first_request_ms": statistics.median(first),
        "first_request_worst_ms": max(first),
    }


def ratio(rounds: Rounds, figure: str, ours: str, other: str) -> tuple[float, float, float]:
    """Return median, smallest and largest of a figure's ratio within each round."""
    ratios = [_ratio(found, figure, ours, other) for found in rounds]
    return statistics.median(ratios), min(ratios), max(ratios)


def _ratio(found: Mapping[str, Mapping[str, Any]], figure: str, ours: str, other: str) -> float:
    return float(found[ours][figure] / found[other][figure])
