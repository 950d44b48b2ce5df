"""What happens by the clock: off until switched on, for it occupies both servers for hours."""

import dagster as dg

from dualollama_pipeline.defs.batches import requests_for
from dualollama_pipeline.defs.jobs import observe_job, trials_job
from dualollama_pipeline.defs.partitions import MATRIX


@dg.schedule(
    job=trials_job,
    cron_schedule="0 2 * * *",
    description="Every night at 02:00 (UTC): all configurations, as one batch.",
)
def nightly_schedule(context: dg.ScheduleEvaluationContext) -> list[dg.RunRequest]:
    """Ask for every configuration, once a date."""
    return requests_for(MATRIX.config_ids, f"nightly-{context.scheduled_execution_time:%Y-%m-%d}")


@dg.schedule(
    job=observe_job,
    cron_schedule="0 * * * *",
    description="Every hour: look at servers, matrix and corpus; a change marks partitions stale.",
)
def observe_schedule() -> dg.RunRequest:
    """Ask for one look at everything that the trials read."""
    return dg.RunRequest()
