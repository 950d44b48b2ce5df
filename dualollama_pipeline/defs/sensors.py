"""What follows by itself: the runs of a campaign, tables after trials, the report after all.

One rule for whatever a person clicked: when nothing is at work any more, tables are made where the
trials are newer, then the report, once. Automation conditions would ask nothing after a run in
which all failed, and would be evaluated beside what is being measured.
"""

from collections.abc import Iterator

import dagster as dg

from dualollama_pipeline.defs.batches import UNFINISHED, requests_for
from dualollama_pipeline.defs.jobs import (
    CAMPAIGN_TAG,
    campaign_jobs,
    report_job,
    tables_job,
    trials_job,
)
from dualollama_pipeline.defs.partitions import STUDY
from dualollama_pipeline.defs.runs import is_executed_here
from dualollama_pipeline.pipeline import MEASURED

EVERY_S = 15
LOOK_BACK = 100  # runs; the newest decides
BACKFILL_AT_WORK = {"REQUESTED", "CANCELING", "FAILING"}
TRIALS, LAST_TABLE, PAGE = map(
    dg.AssetKey, ("benchmark_trials", "block_table", "comparison_report")
)
MEASURING = {TRIALS, *map(dg.AssetKey, MEASURED)}


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


@dg.sensor(
    jobs=[tables_job, report_job],
    minimum_interval_seconds=EVERY_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Makes tables, statistics and report when what was measured, in whatever way and "
    "whatever failed, has ended.",
)
def report_sensor(context: dg.SensorEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
    """Ask for what is older than the trials: tables first, then the report."""
    instance = context.instance
    if at_work := instance.get_runs(dg.RunsFilter(statuses=UNFINISHED), limit=LOOK_BACK):
        return dg.SkipReason(f"runs are at work: {len(at_work)}; the report comes after them")
    if any(each.status.value in BACKFILL_AT_WORK for each in instance.get_backfills(limit=10)):
        return dg.SkipReason("a backfill is at work; the report comes after it")
    if tables := _tables_due(instance):
        return tables
    last = _last_measuring(instance)
    if last is None:
        return dg.SkipReason("nothing has been measured since the last report")
    return [dg.RunRequest(run_key=last, job_name=report_job.name)]


def _tables_due(instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    """Ask for the tables of the partitions whose trials are newer; once, whatever came of it."""
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    trials, tables = (
        instance.get_latest_storage_id_by_partition(key, kind) for key in (TRIALS, LAST_TABLE)
    )
    due = {
        f"tables/{config_id}/{trials[config_id]}": config_id
        for config_id in STUDY.config_ids
        if trials.get(config_id, 0) > tables.get(config_id, 0)
    }
    return [
        dg.RunRequest(run_key=key, job_name=tables_job.name, partition_key=config_id)
        for key, config_id in due.items()
        if not instance.get_runs(dg.RunsFilter(tags={"dagster/run_key": key}), limit=1)
    ]


def _last_measuring(instance: dg.DagsterInstance) -> str | None:
    """Return the last run that measured or made tables; None if the report is newer.

    Of a run that made the report itself it is no older. What `dualollama run` executes is left
    out, it makes the report itself.
    """
    page = instance.get_latest_materialization_event(PAGE)
    made_at, made_by = (page.timestamp, page.run_id) if page is not None else (0.0, "")
    ended = {
        record.dagster_run.run_id: record.end_time
        for record in instance.get_run_records(limit=LOOK_BACK)
        if _measures(record.dagster_run) and record.end_time is not None
    }
    last = max(ended, key=lambda run_id: ended[run_id], default=None)
    return last if last is not None and last != made_by and ended[last] > made_at else None


def _measures(run: dg.DagsterRun) -> bool:
    if is_executed_here(run):
        return False
    return run.job_name in {trials_job.name, tables_job.name} or bool(
        MEASURING & (run.asset_selection or set())
    )
