"""Runs through the queue of Dagster's daemon: launched one after the other, each in its process."""

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import dagster as dg

from dualollama_pipeline.core.errors import DualOllamaError
from dualollama_pipeline.defs.instance import daemon_is_up
from dualollama_pipeline.defs.runs import create_run, enqueue

POLL_S = 0.5


class Wanted(NamedTuple):
    """A run that is to be: of which job, and of which partition if it has some."""

    job: str
    config_id: str | None = None


class Queue(AbstractContextManager["Queue"]):
    """Puts all runs into the queue at once and waits for each; what is left is taken out again.

    The daemon launches them in this order, so the report comes last.
    """

    def __init__(
        self,
        instance: dg.DagsterInstance,
        defs: dg.Definitions,
        tags: Mapping[str, str],
        config: Mapping[str, Mapping[str, Any]],
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """Take the jobs from `defs`; `config` holds by job what its runs are configured with."""
        self._instance, self._defs, self._tags = instance, defs, tags
        self._config, self._pause = config, pause
        self._run_ids: dict[Wanted, str] = {}

    def begin(self, wanted: Sequence[Wanted]) -> None:
        """Enqueue them."""
        for each in wanted:
            job = self._defs.resolve_job_def(each.job)
            run = create_run(
                self._instance, job, self._tags, self._config[each.job], each.config_id
            )
            self._run_ids[each] = run.run_id
            enqueue(self._instance, run)

    def run(self, wanted: Wanted) -> dg.DagsterRun:
        """Wait for a run.

        Raises:
            DualOllamaError: it was deleted, or the daemon has stopped and does not begin it.
        """
        while True:
            run = self._instance.get_run_by_id(self._run_ids[wanted])
            if run is not None and run.is_finished:
                return run
            if run is None or not daemon_is_up(self._instance):
                raise DualOllamaError(
                    f"{wanted.config_id or wanted.job}: Dagster's daemon has stopped; what it had "
                    "not begun is taken out of its queue",
                    "run again: without a daemon the runs are executed here",
                )
            self._pause(POLL_S)

    def unreachable(self) -> list[str]:
        """Know nothing of servers: each run says so itself."""
        return []

    def __exit__(self, *_: object) -> None:
        """Take out what nobody has begun; a run that is at work goes on."""
        for run_id in self._run_ids.values():
            run = self._instance.get_run_by_id(run_id)
            if run is not None and run.status is dg.DagsterRunStatus.QUEUED:
                self._instance.report_run_canceled(run, "`dualollama run` was stopped")
