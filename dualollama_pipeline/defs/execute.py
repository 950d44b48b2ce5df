"""Running both jobs in this process, partition after partition: what `dualollama run` does."""

import os
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
from dagster_shared.error import SerializableErrorInfo
from filelock import FileLock, Timeout
from sqlalchemy.exc import SQLAlchemyError

from dualollama_pipeline.bench.batches import close_campaign, open_campaign
from dualollama_pipeline.bench.measure import Measurement
from dualollama_pipeline.core.errors import DualOllamaError, InputError
from dualollama_pipeline.core.settings import PROJECT_ROOT
from dualollama_pipeline.core.study import study_of
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.defs.batches import BATCH_TAG, IN_PROCESS_TAG
from dualollama_pipeline.defs.resources import Bench
from dualollama_pipeline.worker.events import notice
from dualollama_pipeline.worker.journal import is_finished

INTERRUPTED = {"DagsterExecutionInterruptedError", "KeyboardInterrupt"}
INTERRUPTING = {signal.SIGINT, signal.SIGTERM}  # Dagster takes the second for the first
RECONCILING_S, POLL_S = 2.0, 0.05  # who only reconciles holds the lock for a moment
MOST_LOST = 2  # configurations in a row, before the servers are asked whether they are there
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def dagster_home() -> Path:
    """Return DAGSTER_HOME, by default the project's own, and set it for what Dagster starts."""
    home = Path(os.environ.get("DAGSTER_HOME") or PROJECT_ROOT / "dagster_home").absolute()
    os.environ["DAGSTER_HOME"] = str(home)
    return home


@contextmanager
def open_instance(home: Path) -> Iterator[dg.DagsterInstance]:
    """Yield the Dagster instance of a home; processes that create it at once take turns.

    Raises:
        DualOllamaError: the home, or a database in it, cannot be read or written.
    """
    try:
        home.mkdir(parents=True, exist_ok=True)
        with FileLock(home / "opening.lock"):
            instance = dg.DagsterInstance.get()
    except (OSError, SQLAlchemyError, dg.DagsterError) as error:
        raise _unusable(home, error) from error
    with instance:
        try:
            yield instance
        except SQLAlchemyError as error:  # nobody else here uses a database
            raise _unusable(home, error) from error


def _unusable(path: Path, error: Exception) -> DualOllamaError:
    return DualOllamaError(
        f"{path}: Dagster cannot keep its records there ({str(error).splitlines()[0]})",
        "make room on that disk and see that you may write there, or set DAGSTER_HOME to a "
        "folder of your own",
    )


@contextmanager
def only_runner(home: Path) -> Iterator[None]:
    """Hold the lock that says: this process executes runs of this instance itself.

    Raises:
        InputError: another process holds it.
        DualOllamaError: the lock is another user's.
    """
    lock = FileLock(home / "in_process.lock", timeout=RECONCILING_S, poll_interval=POLL_S)
    try:
        lock.acquire()
    except Timeout as error:
        raise InputError(
            "another `dualollama run` is executing on this Dagster instance",
            "wait until it has ended, or stop it",
        ) from error
    except OSError as error:
        raise _unusable(Path(lock.lock_file), error) from error
    try:
        yield
    finally:
        lock.release()


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
    with open_instance(home) as instance:
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

    A partition that fails is named at the end; the others and the report are made all the same,
    unless two in a row fail and a server is not there any more: then the rest is not tried.

    Raises:
        DualOllamaError: a partition or the report failed, or Dagster cannot keep records.
        KeyboardInterrupt: stopped, at whatever moment; no run is left unfinished.
    """
    warehouse = Warehouse(bench.settings.warehouse)
    home = dagster_home()
    with open_instance(home) as instance, only_runner(home), bench.open_servers() as servers:
        reconcile(instance)
        defs = build_definitions(replace(bench, servers=servers))
        study = study_of(bench.settings)
        servers.begin(study.get(config_ids[0]).servers)
        hashes = {
            config_id: Measurement(
                bench.settings, servers.planned(study.get(config_id).servers), bench.on_event
            ).plan_hash(config_id)
            for config_id in config_ids
        }
        warehouse.belongs_to(study.name)
        campaign = open_campaign(warehouse.campaigns, hashes, bench.settings.servers)
        tags = {BATCH_TAG: campaign.batch_id, IN_PROCESS_TAG: "true"}
        job = defs.resolve_job_def("trials_job")
        failures: dict[str, str] = {}
        n_lost = 0
        for config_id in config_ids:
            if n_lost >= MOST_LOST and (gone := servers.unreachable()):
                failures[config_id] = f"not tried: {' and '.join(gone)} did not answer any more"
                continue
            on_configuration(config_id)
            result = _execute(job, instance, tags, partition_key=config_id)
            if not result.success:
                failures[config_id] = _first_error(result)
            elif not is_finished(warehouse.journals(config_id)[-1]):
                failures[config_id] = "its servers were lost; what had been measured counts"
            n_lost = n_lost + 1 if config_id in failures else 0
        close_campaign(warehouse.campaigns, campaign, failures)
        on_configuration("report")
        result = _execute(defs.resolve_job_def("report_job"), instance, tags)
    if not result.success:
        if not result.asset_materializations_for_node("comparison_report"):
            raise DualOllamaError(_first_error(result), "correct this, then `dualollama report`")
        bench.on_event(
            notice(f"the report is there, but not all beside it: {_first_error(result)}")
        )
    if failures:
        raise DualOllamaError(
            "\n".join(f"{config_id}: {text}" for config_id, text in failures.items()),
            "what had been measured of them before still stands in the report "
            f"({warehouse.report / 'index.html'}); correct this, then run again",
        )
    return warehouse.report / "index.html"


def _execute(
    job: dg.JobDefinition, instance: dg.DagsterInstance, tags: dict[str, str], **where: Any
) -> dg.ExecuteInProcessResult:
    """Execute one run; a failure is in the result, but Ctrl-C ends everything."""
    run_id = str(uuid4())
    with _signals_noted() as interrupted:
        try:
            result = job.execute_in_process(
                instance=instance,
                tags=tags,
                raise_on_error=False,
                run_config=QUIET,
                run_id=run_id,
                **where,
            )
        except BaseException as error:
            if interrupted():
                raise KeyboardInterrupt from error
            raise
        finally:
            run = instance.get_run_by_id(run_id)
            if run is not None and not run.is_finished:
                instance.report_run_failed(run, "the process that executed this run was stopped")
        if interrupted() or any(error.cls_name in INTERRUPTED for error in _errors(result)):
            raise KeyboardInterrupt
    return result


@contextmanager
def _signals_noted() -> Iterator[Callable[[], bool]]:
    """Yield what says whether a signal to stop has come since.

    The interpreter itself notes it: Dagster's own handlers come and go while it plans a run, turn
    the signal into a failure of the run, or forget it.
    """
    noted, note = socket.socketpair()
    with noted, note:
        noted.setblocking(False)
        note.setblocking(False)
        before = signal.set_wakeup_fd(note.fileno(), warn_on_full_buffer=False)

        def came() -> bool:
            with suppress(BlockingIOError):
                return not INTERRUPTING.isdisjoint(noted.recv(4096))
            return False

        try:
            yield came
        finally:
            signal.set_wakeup_fd(before)


def _errors(result: dg.ExecuteInProcessResult) -> list[SerializableErrorInfo]:
    """Return why steps failed, and why the run did where no step had."""
    errors = [e.step_failure_data.error for e in result.all_events if e.is_step_failure]
    errors += [e.job_failure_data.error for e in result.all_events if e.is_job_failure]
    return [error for error in errors if error is not None]


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
