"""Running both jobs in this process, partition after partition: what `dualollama run` does."""

import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_shared.error import SerializableErrorInfo

from dualollama_pipeline.core.errors import DualOllamaError, InputError
from dualollama_pipeline.core.settings import PROJECT_ROOT
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.defs.batches import BATCH_TAG, IN_PROCESS_TAG
from dualollama_pipeline.defs.resources import Bench
from dualollama_pipeline.worker.campaign import finish_campaign, open_campaign
from dualollama_pipeline.worker.journal import is_finished
from dualollama_pipeline.worker.measure import Measurement

INTERRUPTED = {"DagsterExecutionInterruptedError", "KeyboardInterrupt"}
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def dagster_home() -> Path:
    """Return DAGSTER_HOME, by default the project's own, and set it for what Dagster starts."""
    home = Path(os.environ.setdefault("DAGSTER_HOME", str(PROJECT_ROOT / "dagster_home")))
    home.mkdir(parents=True, exist_ok=True)
    return home


@contextmanager
def only_runner(home: Path) -> Iterator[None]:
    """Hold the lock that says: this process executes runs of this instance itself.

    Raises:
        InputError: another process holds it.
    """
    with (home / "in_process.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                "another `dualollama run` is executing on this Dagster instance",
                "wait until it has ended, or stop it",
            ) from error
        yield


def reconcile(instance: dg.DagsterInstance) -> list[str]:
    """Fail the runs that an earlier process executed itself and did not live to end.

    Call it while holding `only_runner`: whoever ran them is gone. Returns their run ids.
    """
    unfinished = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
    runs = instance.get_runs(dg.RunsFilter(statuses=unfinished, tags={IN_PROCESS_TAG: "true"}))
    for run in runs:
        instance.report_run_failed(run, "the process that executed this run is gone")
    return [run.run_id for run in runs]


def reconcile_if_alone() -> list[str]:
    """Reconcile unless another process is executing runs itself; returns the failed run ids."""
    home = dagster_home()
    with dg.DagsterInstance.get() as instance:
        try:
            with only_runner(home):
                return reconcile(instance)
        except InputError:
            return []  # those runs are alive


def run_pipeline(
    build_definitions: Callable[[Bench], dg.Definitions],
    bench: Bench,
    config_ids: Sequence[str],
    on_configuration: Callable[[str], None],
) -> Path:
    """Materialize the partitions `config_ids` and then the report; return the page's path.

    A partition that fails is named at the end; the others and the report are made all the same.

    Raises:
        DualOllamaError: no partition succeeded, or the report failed.
    """
    warehouse = Warehouse(bench.settings.warehouse)
    home = dagster_home()
    with only_runner(home), dg.DagsterInstance.get() as instance, bench.open_pair() as pair:
        reconcile(instance)
        defs = build_definitions(replace(bench, pair=pair))
        measurement = Measurement(bench.settings, pair, bench.on_event)
        hashes = {config_id: measurement.plan_hash(config_id) for config_id in config_ids}
        campaign = open_campaign(warehouse.campaigns, hashes)
        tags = {BATCH_TAG: campaign.batch_id, IN_PROCESS_TAG: "true"}
        job = defs.resolve_job_def("trials_job")
        failures: dict[str, str] = {}
        incomplete: dict[str, str] = {}
        for config_id in config_ids:
            on_configuration(config_id)
            result = _execute(job, instance, tags, partition_key=config_id)
            if not result.success:
                failures[config_id] = _first_error(result)
            elif not is_finished(warehouse.journals(config_id)[-1]):
                incomplete[config_id] = "its servers were lost; what had been measured counts"
        if len(failures) == len(config_ids):
            raise DualOllamaError(next(iter(failures.values())), "correct this, then run again")
        failures |= incomplete
        if not failures:
            finish_campaign(warehouse.campaigns, campaign)
        on_configuration("report")
        result = _execute(defs.resolve_job_def("report_job"), instance, tags)
    if not result.success:
        raise DualOllamaError(_first_error(result), "correct this, then `dualollama report`")
    if failures:
        raise DualOllamaError(
            "\n".join(f"{config_id}: {text}" for config_id, text in failures.items()),
            "what had been measured of them before still stands in the report "
            f"({warehouse.report}); correct this, then run again",
        )
    return warehouse.report / "index.html"


def _execute(
    job: dg.JobDefinition, instance: dg.DagsterInstance, tags: dict[str, str], **where: Any
) -> dg.ExecuteInProcessResult:
    """Execute one run; a failure is in the result, but Ctrl-C ends everything."""
    result = job.execute_in_process(
        instance=instance, tags=tags, raise_on_error=False, run_config=QUIET, **where
    )
    if any(error.cls_name in INTERRUPTED for error in _errors(result)):
        raise KeyboardInterrupt
    return result


def _errors(result: dg.ExecuteInProcessResult) -> list[SerializableErrorInfo]:
    failures = [e.step_failure_data for e in result.all_events if e.is_step_failure]
    return [failure.error for failure in failures if failure.error is not None]


def _first_error(result: dg.ExecuteInProcessResult) -> str:
    """Return what a user should read of the first failed step."""
    for event in result.all_events:
        if event.is_step_failure:
            failure = event.step_failure_data
            data = failure.user_failure_data
            if data is not None and data.description:
                return data.description
            error = failure.error
            cause = error.cause if error is not None and error.cause is not None else error
            return cause.message.strip() if cause is not None else event.message or ""
    return "a run failed before its first step; see the Dagster UI (make ui)"
