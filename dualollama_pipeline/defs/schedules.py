"""What happens by the clock. Nights are off until switched on: they occupy the servers for hours.

`DUALOLLAMA_NIGHTLY` (HH:MM, UTC) sets the hour and switches them on.
"""

from datetime import datetime, timedelta

import dagster as dg

from dualollama_pipeline.bench.servers import unreachable
from dualollama_pipeline.core.settings import NIGHTLY
from dualollama_pipeline.defs.batches import UNFINISHED, requests_for
from dualollama_pipeline.defs.jobs import observe_job, report_job, tables_job, trials_job
from dualollama_pipeline.defs.partitions import SHAPED, STUDY
from dualollama_pipeline.defs.resources import Bench

HOUR, MINUTE = map(int, (SHAPED.nightly or NIGHTLY).split(":"))
STATUS = dg.DefaultScheduleStatus.RUNNING if SHAPED.nightly else dg.DefaultScheduleStatus.STOPPED


def night_of(due: datetime) -> str:
    """Return the batch of the night that was due then."""
    return f"nightly-{due:%Y-%m-%d}"


def last_night(now: datetime) -> datetime:
    """Return when the last night was due, an hour and more ago."""
    due = now.replace(hour=HOUR, minute=MINUTE, second=0, microsecond=0)
    return due if due <= now - timedelta(hours=1) else due - timedelta(days=1)


def _at_work(instance: dg.DagsterInstance) -> int:
    jobs = {trials_job.name, tables_job.name, report_job.name}
    runs = instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))
    return sum(run.job_name in jobs or bool(run.asset_selection) for run in runs)


@dg.schedule(
    job=trials_job,
    cron_schedule=f"{MINUTE} {HOUR} * * *",
    default_status=STATUS,
    description=f"Every night at {HOUR:02}:{MINUTE:02} (UTC): all configurations, as one batch. A "
    "night that was missed because nothing ran is made up for at the next start.",
)
def nightly_schedule(
    context: dg.ScheduleEvaluationContext, bench: dg.ResourceParam[Bench]
) -> list[dg.RunRequest] | dg.SkipReason:
    """Ask for every configuration, once a date; or say why not."""
    if n := _at_work(context.instance):
        return dg.SkipReason(
            f"{n} runs are still at work or in the queue: beside them, both would be slower"
        )
    settings = bench.settings
    gone = unreachable(settings, settings.urls(STUDY)) if settings.servers == "external" else []
    if gone:
        return dg.SkipReason(f"no answer from {' and '.join(gone)}: start it, or correct its URL")
    return requests_for(STUDY.config_ids, night_of(context.scheduled_execution_time))


@dg.schedule(
    job=observe_job,
    cron_schedule="0 * * * *",
    description="Every hour: look at servers, study and corpus; a change marks partitions stale.",
)
def observe_schedule(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Ask for one look at everything that the trials read; not while they read it."""
    if n := _at_work(context.instance):
        return dg.SkipReason(f"{n} runs are at work: they note themselves what they measure on")
    return dg.RunRequest()
