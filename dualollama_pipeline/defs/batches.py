"""Which runs belong together: a batch is one campaign over one or more configurations."""

from collections.abc import Sequence

import dagster as dg

BATCH_TAG = "dualollama/batch"
SIZE_TAG = "dualollama/configurations_of_batch"
BACKFILL_TAG = "dagster/backfill"
PARTITION_TAG = "dagster/partition"
RETRY_TAG = "dagster/retry_number"
UNFINISHED = [
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


def batch_of(run: dg.DagsterRun) -> str:
    """Return the batch that a run belongs to: its tag, its backfill, or its root run.

    A retry has the root run of what it retries, so it resumes the same batch.
    """
    return run.tags.get(BATCH_TAG) or run.tags.get(BACKFILL_TAG) or run.root_run_id or run.run_id


def is_asked_anew(run: dg.DagsterRun) -> bool:
    """Say whether a person had a run executed again; Dagster's own retries are counted in a tag."""
    return run.parent_run_id is not None and RETRY_TAG not in run.tags


def requests_for(config_ids: Sequence[str], batch_id: str) -> list[dg.RunRequest]:
    """Ask for one run of trials_job for each configuration, all of one batch.

    The run keys are made of batch and configuration: asked twice, a batch is launched once.
    """
    return [
        dg.RunRequest(
            run_key=f"{batch_id}/{config_id}",
            partition_key=config_id,
            job_name="trials_job",
            tags={BATCH_TAG: batch_id, SIZE_TAG: str(len(config_ids))},
        )
        for config_id in config_ids
    ]
