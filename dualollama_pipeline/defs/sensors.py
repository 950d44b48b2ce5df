"""What the graph does by itself: launch campaigns, and the report when a batch has ended."""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import dagster as dg

from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.defs.batches import (
    BACKFILL_TAG,
    BATCH_TAG,
    IN_PROCESS_TAG,
    UNFINISHED,
    batch_of,
    requests_for,
)
from dualollama_pipeline.defs.jobs import (
    CAMPAIGN_TAG,
    alarm_job,
    campaign_jobs,
    report_job,
    trials_job,
)
from dualollama_pipeline.defs.resources import Bench

EVERY_S = 30
LOOK_BACK = 200  # runs; far more than one batch has
BACKFILL_AT_WORK = {"REQUESTED", "CANCELING", "FAILING"}


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    monitored_jobs=campaign_jobs,
    request_jobs=[trials_job],
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Launches a run for each configuration that a campaign job has asked for.",
)
def campaign_sensor(context: dg.RunStatusSensorContext) -> Iterator[dg.RunRequest]:
    """Turn a campaign into runs of one batch."""
    run = context.dagster_run
    yield from requests_for(run.tags[CAMPAIGN_TAG].split(","), run.run_id)


def ended_batches(
    runs: Sequence[dg.DagsterRun], backfills_at_work: Collection[str] = ()
) -> dict[str, str]:
    """Return, for each batch of `runs` (newest first) that has ended, the run that ended it.

    A backfill is at work until its last run has been launched, too. Runs that `dualollama run`
    executed are left out: it makes the report itself.
    """
    newest: dict[str, str] = {}
    at_work = set(backfills_at_work)
    for run in runs:
        if IN_PROCESS_TAG in run.tags:
            continue
        batch_id = batch_of(run)
        newest.setdefault(batch_id, run.run_id)
        if run.status in UNFINISHED:
            at_work.add(batch_id)
    return {batch_id: run_id for batch_id, run_id in newest.items() if batch_id not in at_work}


def _is_at_work(backfill: Any) -> bool:
    return backfill is not None and backfill.status.value in BACKFILL_AT_WORK


@dg.sensor(
    job=report_job,
    minimum_interval_seconds=EVERY_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Makes statistics and report when a batch has ended, whatever failed in it.",
)
def report_sensor(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Ask for one report after each batch that has ended since the last look.

    The run key is that of the run that ended the batch: a retry that ends it anew gets its report.
    """
    runs = context.instance.get_runs(dg.RunsFilter(job_name=trials_job.name), limit=LOOK_BACK)
    backfills = {run.tags[BACKFILL_TAG] for run in runs if BACKFILL_TAG in run.tags}
    at_work = [name for name in backfills if _is_at_work(context.instance.get_backfill(name))]
    ended = ended_batches(runs, at_work)
    seen = set((context.cursor or "").split())
    fresh = {batch: run_id for batch, run_id in ended.items() if run_id not in seen}
    if not fresh:
        return dg.SkipReason("no batch has ended since the last report")
    requests = [
        dg.RunRequest(run_key=run_id, tags={BATCH_TAG: batch_id})
        for batch_id, run_id in fresh.items()
    ][:1]  # newest first: one report shows all that has been measured
    return dg.SensorResult(run_requests=requests, cursor=" ".join(sorted(ended.values())))


@dg.run_status_sensor(
    run_status=dg.DagsterRunStatus.SUCCESS,
    monitored_jobs=[report_job],
    request_job=alarm_job,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Raises an alarm when a batch has moved away from its configuration's history.",
)
def alarm_sensor(
    _: dg.RunStatusSensorContext, bench: dg.ResourceParam[Bench]
) -> dg.RunRequest | dg.SkipReason:
    """Ask for alarm_job, once for the same alarms."""
    from dualollama_pipeline.tables.listing import raised_alarms  # noqa: PLC0415 imports pandas

    alarms = raised_alarms(Warehouse(bench.settings.warehouse).tables)
    if not alarms:
        return dg.SkipReason("no batch differs from its history by more than is tolerated")
    return dg.RunRequest(run_key=hashlib.sha256(" ".join(sorted(alarms)).encode()).hexdigest())
