"""`dualollama run` of two configurations, interrupted at its 1st Dagster event, its 2nd, and so on.

`interrupted.py FOLDER` prints one JSON object a life: the event at which SIGINT came and what was
left. It ends when the first configuration has no further event. All lives but the last
share a simulated pair: that is what makes it quick.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import dagster as dg
import psutil
from dagster._core.events.log import EventLogEntry
from dagster._core.storage.event_log import ConsolidatedSqliteEventLogStorage

from dualollama_pipeline.bench.servers import Servers
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.defs.assets.tables import measured_tables
from dualollama_pipeline.defs.assets.trials import benchmark_trials
from dualollama_pipeline.defs.execute import run_pipeline
from dualollama_pipeline.defs.io_managers import TableIOManager
from dualollama_pipeline.defs.jobs import trials_job
from dualollama_pipeline.defs.resources import Bench

CONFIGS = ["test013", "test014"]
STORAGE = """
event_log_storage:
  module: dualollama_pipeline_tests.kills.interrupted
  class: InterruptingStorage
  config: {{base_dir: {0}}}
compute_logs:
  module: dagster._core.storage.noop_compute_log_manager
  class: NoOpComputeLogManager
telemetry: {{enabled: false}}
"""


@dataclass
class Fuse:
    """At which event SIGINT comes, and the one at which it came."""

    at: int = 0
    seen: int = 0
    event: str | None = None


FUSE = Fuse()


class InterruptingStorage(ConsolidatedSqliteEventLogStorage):
    """Where Dagster keeps its events; a signal strikes while one of them is being stored."""

    def store_event(self, event: EventLogEntry) -> None:
        FUSE.seen += 1
        if FUSE.seen == FUSE.at:
            FUSE.event = event.dagster_event_type.value if event.dagster_event_type else "a message"
            os.kill(os.getpid(), signal.SIGINT)
        super().store_event(event)


class NothingLeft(Exception):  # noqa: N818 it names the event
    """The first configuration had no such event."""


def build_definitions(bench: Bench) -> dg.Definitions:
    return dg.Definitions(
        assets=[benchmark_trials, measured_tables],
        jobs=[trials_job],
        resources={"bench": bench, "io_manager": TableIOManager(bench.settings)},
        executor=dg.in_process_executor,
    )


def one_life(home: Path, at: int, servers: Servers | None) -> dict[str, object]:
    """Run until SIGINT comes at an event; return what then was."""
    before = set(psutil.Process().children(recursive=True))
    FUSE.at, FUSE.seen, FUSE.event = at, 0, None
    begun: list[str] = []

    def on_configuration(config_id: str) -> None:
        begun.append(config_id)
        if config_id != CONFIGS[0] and FUSE.event is None:
            raise NothingLeft

    bench = Bench(Settings(blocks=1, warehouse=home / "warehouse"), servers)
    try:
        run_pipeline(build_definitions, bench, CONFIGS, on_configuration)
        ended = "returned"
    except BaseException as error:  # noqa: BLE001 what it is, is what is asked
        ended = type(error).__name__
    with dg.DagsterInstance.get() as instance:
        unfinished = [run.status.value for run in instance.get_runs() if not run.is_finished]
    children = set(psutil.Process().children(recursive=True))
    _, left = psutil.wait_procs(children - before, timeout=5)
    return {
        "at": at,
        "event": FUSE.event,
        "ended": ended,
        "begun": begun,
        "unfinished": unfinished,
        "left": [process.name() for process in left],
    }


def main() -> None:
    home = Path(sys.argv[1])
    home.mkdir(parents=True, exist_ok=True)
    os.environ["DAGSTER_HOME"] = str(home)
    (home / "dagster.yaml").write_text(STORAGE.format(home / "events"))
    with Servers(Settings()) as servers:
        servers.begin({})
        for at in count(1):
            life = one_life(home, at, servers)
            tell(life)
            if life["ended"] == NothingLeft.__name__:
                break
    tell(one_life(home, at // 2, None))


def tell(life: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(life) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    from dualollama_pipeline_tests.kills import interrupted  # the module that dagster.yaml names

    interrupted.main()
