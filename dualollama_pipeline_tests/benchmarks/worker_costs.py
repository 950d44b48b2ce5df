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

from dualollama_pipeline.bench.launch import worker_environment
from dualollama_pipeline.bench.measure import Measurement
from dualollama_pipeline.bench.servers import open_pair
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.core.study import load_study
from dualollama_pipeline_tests.benchmarks.processes import METERED, WORKER, child

if TYPE_CHECKING:
    from dualollama_pipeline.core.plan import Plan

CONFIGURATION = "test001"
BLOCKS = 5


def _full_plan() -> tuple[Plan, dict[str, Any]]:
    """Measure one configuration as `make run` would; returns its plan and what the worker took."""
    settings = Settings(blocks=BLOCKS)
    configuration = load_study(settings.data / "matrix.yaml").get(CONFIGURATION)
    with open_pair(settings) as pair, tempfile.TemporaryDirectory() as folder:
        plan = Measurement(settings, pair, lambda _: None).plan(configuration, "benchmark")
        path = Path(folder) / "plan.json"
        path.write_text(plan.model_dump_json(), encoding="utf-8")
        return plan, child(METERED, WORKER, str(path), str(Path(folder) / "journal.jsonl"))


class WorkerCosts:
    """Memory and time of a whole configuration, measured once; start-ups whenever asked."""

    def __init__(self) -> None:
        self._plan, self._took = _full_plan()
        self._starts: list[float] = []
        self._bare: list[float] = []

    def start_once(self) -> None:
        """Measure one start of the worker and one of a bare interpreter."""
        with tempfile.TemporaryDirectory() as folder:
            self._starts.append(_one_start(self._plan, Path(folder)))
        self._bare.append(_bare_start())

    def summary(self) -> dict[str, Any]:
        """Return all figures; start-up as median, best and worst."""
        return {
            "start_up_s": statistics.median(self._starts),
            "start_up_best_s": min(self._starts),
            "start_up_worst_s": max(self._starts),
            "bare_python_s": statistics.median(self._bare),
            "n": len(self._starts),
            "peak_memory_mib": self._took["peak_mib"],
            "configuration_wall_s": self._took["wall_s"],
            "configuration_cpu_s": self._took["cpu_s"],
            "configuration_trials": len(self._plan.trials),
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
