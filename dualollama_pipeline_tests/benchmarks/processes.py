"""The benchmark's own servers and children as processes that end with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

PACED = "dualollama_pipeline.simulator.paced"
SOURCE = "dualollama_pipeline_tests.benchmarks.source"
READER = "dualollama_pipeline_tests.benchmarks.reader_process"
SHARED_PAIR = "dualollama_pipeline_tests.benchmarks.shared_pair"
METERED = "dualollama_pipeline_tests.benchmarks.metered"
WORKER = "dualollama_pipeline.worker"
DEADLINE_S = 60


def can_separate() -> bool:
    """Whether servers and readers can have a CPU each."""
    return hasattr(os, "sched_setaffinity") and len(os.sched_getaffinity(0)) > 1


@contextmanager
def on_cpu(nth: int) -> Iterator[None]:
    """Children started meanwhile stay on the nth CPU of ours, where that is possible."""
    if not can_separate():
        yield
        return
    ours = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(ours)[nth % len(ours)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, ours)


@contextmanager
def server(module: str, *arguments: str) -> Iterator[dict[str, str]]:
    """Run a server module; yields what it says of itself in its first line (JSON)."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield json.loads(process.stdout.readline()) if process.stdout else {}
        finally:
            process.terminate()


def child(
    module: str, *arguments: str, deadline_s: float = DEADLINE_S, worst: int = 0
) -> dict[str, Any]:
    """Run a module to its end and return the JSON that it wrote.

    Raises:
        RuntimeError: what it metered ended with an exit code above `worst`.
    """
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        timeout=deadline_s,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    if not 0 <= answer.get("exit_code", 0) <= worst:
        raise RuntimeError(f"{module} {' '.join(arguments)}: exit code {answer['exit_code']}")
    return answer
