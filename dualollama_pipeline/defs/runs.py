"""Runs as Dagster's UI knows them, executed in this process or put into its queue.

A run without an origin is on no timeline and cannot be executed again. Dagster gives one only to
runs that its own processes make, so inner names of it stand here (and in event_log.py).
"""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import dagster as dg
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.events import DagsterEvent
from dagster._core.execution.api import execute_run
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteRepositoryOrigin

from dualollama_pipeline.defs.batches import PARTITION_TAG

LOCATION = "dualollama_pipeline"  # as workspace.yaml names it
ORIGIN = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(LOCATION), "__repository__")
HERE_TAG = "dualollama/executed_here"
FAILURES = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE}


def create_run(
    instance: dg.DagsterInstance,
    job: dg.JobDefinition,
    tags: Mapping[str, str],
    config: Mapping[str, Any],
    partition_key: str | None = None,
    here: str | None = None,
) -> dg.DagsterRun:
    """Record a run that has not begun.

    `here` is the id of a run that this process is going to execute itself: known beforehand, so
    that it can be found when a signal comes while it is recorded.
    """
    mark = {HERE_TAG: here} if here else {}
    where = {PARTITION_TAG: partition_key} if partition_key is not None else {}
    return instance.create_run_for_job(
        job,
        run_id=here or str(uuid4()),
        run_config=config,
        tags={**job.run_tags, **tags, **mark, **where},
        remote_job_origin=ORIGIN.get_job_origin(job.name),
    )


def is_executed_here(run: dg.DagsterRun) -> bool:
    """Say whether a process executes or executed this run itself, outside of Dagster's launcher.

    A run that is executed again copies the tags of the first, so the mark is the run's own id.
    """
    return run.tags.get(HERE_TAG) == run.run_id


def execute(instance: dg.DagsterInstance, job: dg.JobDefinition, run: dg.DagsterRun) -> None:
    """Execute a run in this process; how it ended is in the instance."""
    execute_run(InMemoryJob(job), run, instance)


def enqueue(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Put a run at the end of the queue; the daemon launches it in a process of its own."""
    instance.report_dagster_event(DagsterEvent.job_enqueue(run), run_id=run.run_id)


def failures(instance: dg.DagsterInstance, run_id: str) -> list[DagsterEvent]:
    """Return the failures of a run's steps, then of the run itself."""
    entries = instance.all_logs(run_id, of_type=FAILURES)
    events = [entry.dagster_event for entry in entries if entry.dagster_event is not None]
    return sorted(events, key=lambda event: not event.is_step_failure)


def made(instance: dg.DagsterInstance, run_id: str, asset: str) -> bool:
    """Say whether a run has materialized an asset."""
    of_type = dg.DagsterEventType.ASSET_MATERIALIZATION
    entries = instance.all_logs(run_id, of_type=of_type)
    return any(e.dagster_event and e.dagster_event.asset_key == dg.AssetKey(asset) for e in entries)


def first_error(instance: dg.DagsterInstance, run: dg.DagsterRun) -> str:
    """Return what a user should read of the first failed step."""
    for event in failures(instance, run.run_id):
        if event.is_step_failure:
            failure = event.step_failure_data
            data = failure.user_failure_data
            if data is not None and data.description:
                return data.description
            error = failure.error
            cause = error.cause if error is not None and error.cause is not None else error
            return cause.message.strip() if cause is not None else event.message or ""
        if event.message:
            return event.message
    return f"the run was {run.status.value.lower()} before its first step; see the Dagster UI"
