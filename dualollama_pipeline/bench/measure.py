"""Measuring one configuration: which batch it belongs to, its plan, its worker."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from dualollama_pipeline.bench.launch import ServersChanged, run_worker
from dualollama_pipeline.core.design import BatchSettings, build_plan
from dualollama_pipeline.core.errors import DualOllamaError, InputError, ServersChangedError
from dualollama_pipeline.core.parity import parity_workload
from dualollama_pipeline.core.study import Configuration, study_of
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.core.workload import standard_workload
from dualollama_pipeline.worker.events import notice
from dualollama_pipeline.worker.journal import Journal, is_finished, read_journal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from dualollama_pipeline.bench.servers import ServerPair
    from dualollama_pipeline.core.plan import Plan
    from dualollama_pipeline.core.settings import Settings


WORKLOADS = {"standard": standard_workload, "parity": parity_workload}


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
        study = study_of(self.settings)
        settings = self.settings.within(study)
        workload = WORKLOADS[settings.workload](settings.data / "corpus")
        campaign = BatchSettings(
            batch_id,
            settings.blocks,
            settings.model,
            self.pair.urls,
            self.pair.clock,
            study.agents,
            self.pair.environments,
            settings.hold_length,
            study.together,
            deadlines=settings.deadlines,
            protocols=study.protocols,
        )
        try:
            return build_plan(configuration, workload, campaign)
        except ValidationError as error:  # such as a batch tag that is no file name
            raise InputError.from_validation("the campaign", error) from error

    def plan_hash(self, config_id: str) -> str:
        """Return what identifies a configuration's plan today, whatever its batch."""
        return self.plan(self._configuration(config_id), "any").plan_hash

    def run(self, wanted: str | Configuration, batch_id: str) -> Journal:
        """Measure a configuration (or the one of the matrix with this id); return its journal.

        An unfinished batch of the same plan is resumed instead of opening `batch_id`. Where plan
        or servers have changed since a journal was begun, a fresh batch is opened beside it.

        A worker that ended early after some trials leaves an unfinished journal, whose `cut_off_by`
        says why.

        Raises:
            InputError: there is no such configuration, an input cannot be read, or the warehouse
                is another study's.
            DualOllamaError: no trial could be attempted.
        """
        configuration = self._configuration(wanted) if isinstance(wanted, str) else wanted
        plan = self.plan(configuration, batch_id)
        self._warehouse.belongs_to(study_of(self.settings).name)
        try:
            return self._measure(self.plan(configuration, self._resumable(plan) or batch_id))
        except (ServersChanged, ServersChangedError):
            return self._measure(self.plan(configuration, self._fresh(plan)))

    def _configuration(self, config_id: str) -> Configuration:
        return study_of(self.settings).get(config_id)

    def _measure(self, plan: Plan) -> Journal:
        path = self._warehouse.journal(plan.config_id, plan.batch_id)
        n_before = len(read_journal(path).trials) if path.exists() else 0
        try:
            self.runner(plan, path, self.on_event)
        except (ServersChanged, ServersChangedError, InputError):
            raise
        except DualOllamaError as error:
            journal = read_journal(path) if path.exists() else None
            if journal is None or len(journal.trials) == n_before:
                raise  # nothing could be attempted
            if journal.cut_off_by is None:  # the worker could not say so itself
                self.on_event(notice(str(error)))
        return read_journal(path)

    @property
    def _warehouse(self) -> Warehouse:
        return Warehouse(self.settings.warehouse)

    def _resumable(self, plan: Plan) -> str | None:
        """Return the batch to go on with, or a fresh one if `plan`'s is of another plan."""
        own = self._warehouse.journal(plan.config_id, plan.batch_id)
        if own.exists():
            return plan.batch_id if _goes_on_with(own, plan) else self._fresh(plan)
        journals = self._warehouse.journals(plan.config_id)
        if not journals or is_finished(journals[-1]):
            return None
        return journals[-1].stem if _goes_on_with(journals[-1], plan) else None

    def _fresh(self, plan: Plan) -> str:
        """Return the batch id with the first number behind it that no journal has yet."""
        for number in count(2):
            batch_id = f"{plan.batch_id}-{number}"
            if not self._warehouse.journal(plan.config_id, batch_id).exists():
                return batch_id
        raise AssertionError  # count() does not end


def _goes_on_with(path: Path, plan: Plan) -> bool:
    """Say whether a journal was begun with this plan, or holds nothing yet: killed at its birth."""
    batch = read_journal(path).batch
    return batch is None or batch.plan_hash == plan.plan_hash
