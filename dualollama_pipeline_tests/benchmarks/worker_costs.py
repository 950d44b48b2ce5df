"""What the worker process costs: from its start to its first request, and its peak memory."""

from __future__ import annotations

import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dualollama_pipeline.core.matrix import load_matrix
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.ollama.servers import open_pair
from dualollama_pipeline.worker.launch import worker_environment
from dualollama_pipeline.worker.measure import Measurement
from dualollama_pipeline_tests.benchmarks.processes import METERED, WORKER, child

if TYPE_CHECKING:
    from dualollama_pipeline.core.plan import Plan

CONFIGURATION = "test001"
BLOCKS = 5


def _full_plan() -> tuple[Plan, dict[str, Any]]:
    """Measure one configuration as `make run` would; returns its plan and what the worker took."""
    settings = Settings(blocks=BLOCKS)
    configuration = load_matrix(settings.data / "matrix.yaml").get(CONFIGURATION)
    with open_pair(settings) as pair, tempfile.TemporaryDirectory() as folder:
        plan = Measurement(settings, pair, lambda _: None).plan(configuration, "benchmark")
        path = Path(folder) / "plan.json"
        path.write_text(plan.model_dump_json(), encoding="utf-8")
        return plan, child(METERED, WORKER, str(path), str(Path(folder) / "journal.jsonl"))


def worker_costs(repetitions: int) -> dict[str, Any]:
    """Measure memory once, start-up and that of a bare interpreter in turn."""
    plan, took = _full_plan()
    with tempfile.TemporaryDirectory() as folder:
        starts = [_one_start(plan, Path(folder)) for _ in range(repetitions)]
        bare = [_bare_start() for _ in range(repetitions)]
    return {
        "start_up_s": statistics.median(starts),
        "start_up_best_s": min(starts),
        "start_up_worst_s": max(starts),
        "bare_python_s": statistics.median(bare),
        "n": repetitions,
        "peak_memory_mib": took["peak_mib"],
        "configuration_wall_s": took["wall_s"],
        "configuration_cpu_s": took["cpu_s"],
        "configuration_trials": len(plan.trials),
    }


def _bare_start() -> float:
    start_s = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.perf_counter() - start_s


def _one_start(plan: Plan, folder: Path) -> float:
    """Start a worker and wait for the first bytes that it sends; nobody answers them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        path = folder / "plan.json"
        here = plan.model_copy(update={"servers": dict.fromkeys(plan.servers, url)})
        path.write_text(here.model_dump_json(), encoding="utf-8")
        command = [sys.executable, "-m", WORKER, str(path), str(folder / "journal.jsonl")]
        listener.settimeout(10)
        start_s = time.perf_counter()
        with subprocess.Popen(
            command,
            env=worker_environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1)
                took_s = time.perf_counter() - start_s
            process.terminate()
    return took_s
