"""Dagster's instance: where it is, who executes runs in it, and whether its daemon is up."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import dagster as dg
import psutil
import yaml
from filelock import FileLock, Timeout
from sqlalchemy.exc import SQLAlchemyError

from dualollama_pipeline.core.atomic import write_atomically
from dualollama_pipeline.core.errors import DualOllamaError, InputError
from dualollama_pipeline.core.places import PROJECT_ROOT, RESULTS
from dualollama_pipeline.defs.batches import BACKFILL_TAG, BATCH_TAG
from dualollama_pipeline.defs.runs import is_executed_here

CONFIGURATION = PROJECT_ROOT / "dagster_home" / "dagster.yaml"
RECONCILING_S, POLL_S = 2.0, 0.05  # who only reconciles holds the lock for a moment
QUEUE_DAEMON = "QUEUED_RUN_COORDINATOR"
SILENT_S = 60.0  # a daemon gives a sign of life every 30 s


def dagster_home() -> Path:
    """Return DAGSTER_HOME, by default beside the results, and set it for what Dagster starts."""
    home = Path(os.environ.get("DAGSTER_HOME") or RESULTS / "dagster_home").absolute()
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
        if not (home / CONFIGURATION.name).exists():  # Dagster's own would run ten at a time
            write_atomically(home / CONFIGURATION.name, CONFIGURATION.read_bytes())
        with FileLock(home / "opening.lock"):
            instance = dg.DagsterInstance.get()
    except (OSError, SQLAlchemyError, dg.DagsterError, yaml.YAMLError) as error:
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
    """Fail the runs that are at work by their records and whose process is gone.

    Call it while holding `only_runner`. Returns their run ids.
    """
    begun = [
        dg.DagsterRunStatus.NOT_STARTED,
        dg.DagsterRunStatus.STARTING,
        dg.DagsterRunStatus.STARTED,
        dg.DagsterRunStatus.CANCELING,
    ]
    failed = []
    for run in instance.get_runs(dg.RunsFilter(statuses=begun)):
        if is_executed_here(run) or not _is_alive(instance, run):
            instance.report_run_failed(run, "the process that executed this run is gone")
            failed.append(run.run_id)
    return failed


def _is_alive(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Say whether a process lives that has written events of a run, or may be going to."""
    if run.status is dg.DagsterRunStatus.NOT_STARTED:
        return True  # just made: nobody's events are expected yet
    entries = instance.all_logs(run.run_id)
    begun = [(e.dagster_event.pid, e.timestamp) for e in entries if e.dagster_event is not None]
    pids = [(pid, since) for pid, since in begun if pid]
    for pid, since in reversed(pids):
        with suppress(psutil.Error):
            if psutil.Process(pid).create_time() <= since:
                return True
    return not pids and bool(begun) and time.time() - begun[-1][1] < SILENT_S  # it starts up


def reconcile_if_alone() -> list[str]:
    """Reconcile unless another process is executing runs itself; returns the failed run ids."""
    home = dagster_home()
    with open_instance(home) as instance:
        try:
            with only_runner(home):
                return reconcile(instance)
        except InputError:
            return []  # those runs are alive


def daemon_is_up(instance: dg.DagsterInstance, now_s: Callable[[], float] = time.time) -> bool:
    """Say whether a daemon takes runs from the queue of this instance."""
    beat = instance.get_daemon_heartbeats().get(QUEUE_DAEMON)
    return beat is not None and now_s() - beat.timestamp < SILENT_S


def forget(batches: Sequence[str]) -> int:
    """Delete the runs of some batches that have ended from Dagster's records; return how many."""
    with open_instance(dagster_home()) as instance:
        filters = [dg.RunsFilter(run_ids=list(batches))] if batches else []
        filters += [
            dg.RunsFilter(tags={tag: batch})
            for tag in (BATCH_TAG, BACKFILL_TAG)
            for batch in batches
        ]
        runs = {run.run_id: run for each in filters for run in instance.get_runs(each)}
        ended = [run_id for run_id, run in runs.items() if run.is_finished]
        for run_id in ended:
            instance.delete_run(run_id)
    return len(ended)
