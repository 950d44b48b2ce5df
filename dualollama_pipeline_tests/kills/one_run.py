"""Execute trials_job for one partition in this process: what a launched Dagster run does."""

from __future__ import annotations

import sys

import dagster as dg

from dualollama_pipeline.definitions import defs

if __name__ == "__main__":
    with dg.DagsterInstance.get() as instance:
        job = defs.resolve_job_def("trials_job")
        result = job.execute_in_process(
            partition_key=sys.argv[1], instance=instance, raise_on_error=False
        )
    sys.exit(0 if result.success else 1)
