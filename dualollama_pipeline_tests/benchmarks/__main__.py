"""`python -m dualollama_pipeline_tests.benchmarks [--quick] [--folder docs]`: measure and write.

Prints each target with its value and verdict. A missed target is a finding, no error. A quick run
writes nothing unless told where.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dualollama_pipeline.machine.description import describe_machine
from dualollama_pipeline_tests.benchmarks.effort import (
    FULL,
    QUICK,
    RECORDS_PER_WRITE,
    SCHEDULE,
    Effort,
)
from dualollama_pipeline_tests.benchmarks.known_truth import known_truth
from dualollama_pipeline_tests.benchmarks.page import page
from dualollama_pipeline_tests.benchmarks.processes import can_separate
from dualollama_pipeline_tests.benchmarks.rounds import Rounds, run_rounds, summarise
from dualollama_pipeline_tests.benchmarks.targets import Target, judge
from dualollama_pipeline_tests.benchmarks.worker_costs import WorkerCosts

if TYPE_CHECKING:
    from collections.abc import Sequence

PACKAGES = ("httpx", "httptools", "aiohttp", "ollama", "pydantic")
APART = (
    "Readers have one CPU and servers another: where client and server share one by chance, the "
    "scheduler's choice decides."
)
DOCS = Path(__file__).resolve().parents[2] / "docs"


def _machine() -> dict[str, Any]:
    """Say what was measured on: no host name, no paths."""
    found = asyncio.run(describe_machine())
    return {
        "when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cpu": found.cpu,
        "n_cpus": found.n_cpus,
        "python": found.python,
        "packages": {name: version(name) for name in PACKAGES},
        "load": os.getloadavg()[0],
    }


def _measure(effort: Effort) -> tuple[dict[str, Any], Rounds]:
    machine = _machine()
    worker = WorkerCosts()
    rounds, limit = run_rounds(effort, worker.start_once)
    sys.stderr.write("known true speedup\n")
    truths = [known_truth(case, effort.blocks) for case in effort.cases]
    results = {
        "machine": machine,
        "effort": f"Rounds: {effort.rounds}; requests a stream and round: {effort.requests}.",
        "schedule": SCHEDULE,
        "placement": APART if can_separate() else "The scheduler places both as it likes.",
        "records_per_write": RECORDS_PER_WRITE,
        "readers": summarise(rounds),
        "paced_limit_tok_per_s": limit,
        "worker": worker.summary(),
        "known_truth": truths,
    }
    return results, rounds


def _say(targets: Sequence[Target], took_s: float) -> None:
    for target in targets:
        sys.stdout.write(
            f"{target.verdict:6}  {target.name:46} {target.value:6.2f} {target.unit:2} "
            f"{target.sign} {target.limit:g}   ({target.spread})\n"
        )
    sys.stdout.write(f"{took_s:.0f} s\n")


def main() -> None:
    """Run everything, write benchmarks.json and benchmarks.md."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under a minute, prints only")
    parser.add_argument("--folder", type=Path, help="where the results go (docs/)")
    arguments = parser.parse_args()
    start_s = time.perf_counter()
    results, rounds = _measure(QUICK if arguments.quick else FULL)
    targets = judge(rounds, results["worker"], results["known_truth"])
    found = {**results, "targets": [target.row() for target in targets], "rounds": rounds}
    folder = arguments.folder or (None if arguments.quick else DOCS)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "benchmarks.json").write_text(json.dumps(found, indent=1) + "\n")
        (folder / "benchmarks.md").write_text(page(results, targets))
    _say(targets, time.perf_counter() - start_s)


if __name__ == "__main__":
    main()
