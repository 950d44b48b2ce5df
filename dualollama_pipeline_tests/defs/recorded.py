"""Runs and materializations recorded in an instance, without anything being executed."""

from __future__ import annotations

import socket
from functools import cache

import dagster as dg

from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.defs.assembly import build_definitions
from dualollama_pipeline.defs.resources import Bench

S = dg.DagsterRunStatus
ENDED = (S.SUCCESS, S.FAILURE, S.CANCELED)


@cache
def definitions() -> dg.Definitions:
    return build_definitions(Bench(Settings()))


def run_of(
    instance: dg.DagsterInstance,
    job: str,
    status: S,
    config_id: str | None = None,
    made: tuple[str, ...] = (),
    **tags: str,
) -> str:
    """Record a run that made these assets; with its end, if it has one; return its id."""
    where = {"dagster/partition": config_id} if config_id else {}
    run = instance.create_run_for_job(
        definitions().resolve_job_def(job),
        status=S.STARTED if status in ENDED else status,
        tags={**where, **tags},
    )
    for name in made:
        of = config_id if name in {"benchmark_trials", "block_table"} else None
        materialized = dg.AssetMaterialization(name, partition=of)
        instance.report_runless_asset_event(materialized)
    if status is S.SUCCESS:
        event = dg.DagsterEvent("PIPELINE_SUCCESS", job)
        instance.report_dagster_event(event, run.run_id)
    elif status is S.FAILURE:
        instance.report_run_failed(run)
    elif status is S.CANCELED:
        instance.report_run_canceled(run)
    return run.run_id


def dead_url() -> str:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"http://127.0.0.1:{free.getsockname()[1]}"
