"""Measuring one configuration: which batch it belongs to, its plan, its worker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dualollama_pipeline.core.design import Campaign, build_plan
from dualollama_pipeline.core.errors import ServersChangedError
from dualollama_pipeline.core.matrix import Configuration, load_matrix
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.core.workload import standard_workload
from dualollama_pipeline.worker.journal import Journal, read_journal
from dualollama_pipeline.worker.launch import ServersChanged, run_worker

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dualollama_pipeline.core.plan import Plan
    from dualollama_pipeline.core.settings import Settings
    from dualollama_pipeline.ollama.servers import ServerPair


@dataclass(frozen=True)
class Measurement:
    """One request to measure: what, on which servers, who hears of progress, and where it runs.

    `runner` is `launch.run_worker` (a process of its own) or `run.run_here`.
    """

    settings: Settings
    pair: ServerPair
    on_event: Callable[[dict[str, Any]], None]
    runner: Callable[[Plan, Path, Callable[[dict[str, Any]], None]], None] = run_worker

    def plan(self, configuration: Configuration, batch_id: str) -> Plan:
        """Lay out the trials of a configuration in a batch."""
        workload = standard_workload(self.settings.data / "corpus")
        campaign = Campaign(
            batch_id, self.settings.blocks, self.settings.model, self.pair.urls, self.pair.clock
        )
        return build_plan(configuration, workload, campaign)

    def run(self, config_id: str, batch_id: str) -> Journal:
        """Measure a configuration and return its journal.

        An unfinished batch of the same plan is resumed instead of opening `batch_id`, unless the
        servers have changed since.

        Raises:
            InputError: there is no such configuration, or an input cannot be read.
            WorkerError: the worker ended early; what it measured is kept. A runner in this process
            raises its own errors instead.
        """
        configuration = load_matrix(self.settings.data / "matrix.yaml").get(config_id)
        plan = self.plan(configuration, batch_id)
        unfinished = self._unfinished(plan)
        if unfinished is not None:
            try:
                return self._measure(self.plan(configuration, unfinished))
            except (ServersChanged, ServersChangedError):
                pass  # what was measured with the old servers stays; this is another batch
        return self._measure(plan)

    def _measure(self, plan: Plan) -> Journal:
        path = Warehouse(self.settings.warehouse).journal(plan.config_id, plan.batch_id)
        self.runner(plan, path, self.on_event)
        return read_journal(path)

    def _unfinished(self, plan: Plan) -> str | None:
        """Return the batch id of the latest journal if it is unfinished and of the same plan."""
        journals = Warehouse(self.settings.warehouse).journals(plan.config_id)
        if not journals:
            return None
        latest = read_journal(journals[-1])
        if latest.batch is None or latest.end is not None:
            return None
        same = latest.batch.plan_hash == plan.plan_hash
        return latest.batch.plan.batch_id if same else None
