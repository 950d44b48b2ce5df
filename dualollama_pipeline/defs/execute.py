"""What `dualollama run` does: measure configurations, each as a run, then the report.

Here, run after run in this process; through the queue where a daemon is up (queue.py).
"""

import signal
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol
from uuid import uuid4

import dagster as dg

from dualollama_pipeline.bench.batches import close_campaign, open_campaign
from dualollama_pipeline.bench.measure import Measurement
from dualollama_pipeline.bench.servers import Servers
from dualollama_pipeline.core.errors import DualOllamaError, InputError
from dualollama_pipeline.core.study import study_of
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.defs.batches import BATCH_TAG, UNFINISHED
from dualollama_pipeline.defs.instance import (
    daemon_is_up,
    dagster_home,
    only_runner,
    open_instance,
    reconcile,
)
from dualollama_pipeline.defs.queue import Queue, Wanted
from dualollama_pipeline.defs.resources import Bench, run_config
from dualollama_pipeline.defs.runs import create_run, execute, failures, first_error, made
from dualollama_pipeline.worker.events import notice
from dualollama_pipeline.worker.journal import is_finished, read_journal

INTERRUPTED = {"DagsterExecutionInterruptedError", "KeyboardInterrupt"}
INTERRUPTING = {signal.SIGINT, signal.SIGTERM}  # Dagster takes the second for the first
MOST_LOST = 2  # configurations in a row, before the servers are asked whether they are there
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
REPORT = Wanted("report_job")
QUEUED = (
    "a Dagster daemon is up, so the runs go through its queue, each in a process of its own: some "
    "seconds more for each configuration"
)
OTHERWISE = (
    "something else was measured: the daemon's own environment or study says so; start it with "
    "the same variables"
)
ELSEWHERE = "its journal is not in {}; start the daemon with the same DUALOLLAMA_WAREHOUSE"


class Runner(Protocol):
    """How runs are executed."""

    def begin(self, wanted: Sequence[Wanted]) -> None:
        """Hear of all runs, in their order, before the first of them."""

    def run(self, wanted: Wanted) -> dg.DagsterRun:
        """Return a run when it has ended, however it did."""

    def unreachable(self) -> list[str]:
        """Return the URLs of servers that are known to be gone."""


@dataclass
class Here:
    """Executes runs in this process, on servers that stay open."""

    instance: dg.DagsterInstance
    defs: dg.Definitions
    tags: dict[str, str]
    servers: Servers

    def begin(self, wanted: Sequence[Wanted]) -> None:
        """Need to know nothing."""

    def run(self, wanted: Wanted) -> dg.DagsterRun:
        """Execute one run; a failure is in it, but Ctrl-C ends everything."""
        job, run_id = self.defs.resolve_job_def(wanted.job), str(uuid4())
        with _signals_noted() as interrupted:
            try:
                run = create_run(self.instance, job, self.tags, QUIET, wanted.config_id, run_id)
                execute(self.instance, job, run)
            except BaseException as error:
                if interrupted():
                    raise KeyboardInterrupt from error
                raise
            finally:
                ended = self.instance.get_run_by_id(run_id)
                if ended is not None and not ended.is_finished:
                    text = "the process that executed this run was stopped"
                    self.instance.report_run_failed(ended, text)
            if interrupted() or ended is None or _was_interrupted(self.instance, ended):
                raise KeyboardInterrupt
        return ended

    def unreachable(self) -> list[str]:
        """Ask the servers."""
        return self.servers.unreachable()


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
        KeyboardInterrupt: stopped, at whatever moment; no run of this process is left unfinished.
    """
    settings, home = bench.settings, dagster_home()
    warehouse, study = Warehouse(settings.warehouse), study_of(settings)
    with open_instance(home) as instance, ExitStack() as held:
        in_queue = daemon_is_up(instance)
        if not in_queue:
            held.enter_context(only_runner(home))
            reconcile(instance)
        servers = held.enter_context(bench.open_servers())
        if not in_queue:
            servers.begin(study.get(config_ids[0]).servers)
        hashes = {
            config_id: Measurement(
                settings, servers.planned(study.get(config_id).servers), bench.on_event
            ).plan_hash(config_id)
            for config_id in config_ids
        }
        warehouse.belongs_to(study.name)
        campaign = open_campaign(warehouse.campaigns, hashes, settings.servers)
        tags = {BATCH_TAG: campaign.batch_id}
        runner: Runner
        if in_queue:
            if instance.get_runs(dg.RunsFilter(tags=tags, statuses=UNFINISHED), limit=1):
                raise InputError(
                    f"this is being measured already: batch {campaign.batch_id} is in the queue",
                    "wait until it has ended, or take its runs out of the queue",
                )
            bench.on_event(notice(QUEUED))
            held.enter_context(_terminated_like_interrupted())
            defs = build_definitions(bench)
            runner = held.enter_context(
                Queue(instance, defs, tags, run_config(settings.within(study)))
            )
        else:
            defs = build_definitions(replace(bench, servers=servers))
            runner = Here(instance, defs, tags, servers)
        runner.begin([*(Wanted("trials_job", config_id) for config_id in config_ids), REPORT])
        expected = hashes if in_queue else dict.fromkeys(config_ids, "")
        failed = _measure(instance, runner, warehouse, expected, on_configuration)
        close_campaign(warehouse.campaigns, campaign, failed)
        on_configuration("report")
        report = runner.run(REPORT)
        page = warehouse.report / "index.html"
        if not report.is_success:
            why = first_error(instance, report)
            if not made(instance, report.run_id, "comparison_report"):
                raise DualOllamaError(why, "correct this, then `dualollama report`")
            bench.on_event(notice(f"the report is there, but not all beside it: {why}"))
    if failed:
        raise DualOllamaError(
            "\n".join(f"{config_id}: {text}" for config_id, text in failed.items()),
            f"what had been measured of them before still stands in the report ({page}); correct "
            "this, then run again",
        )
    return page


def _is_of(journal: Path, plan_hash: str) -> bool:
    batch = read_journal(journal).batch
    return batch is not None and batch.plan_hash == plan_hash


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Let SIGTERM end what waits, too: what it left in the queue would begin later."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _measure(
    instance: dg.DagsterInstance,
    runner: Runner,
    warehouse: Warehouse,
    hashes: Mapping[str, str],
    on_configuration: Callable[[str], None],
) -> dict[str, str]:
    """Measure configurations; return why some could not be, by their ids.

    `hashes` are those of their plans, where another process measures them; else empty.
    """
    failed: dict[str, str] = {}
    n_lost = 0
    for config_id, plan_hash in hashes.items():
        if n_lost >= MOST_LOST and (gone := runner.unreachable()):
            failed[config_id] = f"not tried: {' and '.join(gone)} did not answer any more"
            continue
        on_configuration(config_id)
        run = runner.run(Wanted("trials_job", config_id))
        if not run.is_success:
            failed[config_id] = first_error(instance, run)
        elif not (journals := warehouse.journals(config_id)):
            failed[config_id] = ELSEWHERE.format(warehouse.root)
        elif plan_hash and not _is_of(journals[-1], plan_hash):
            failed[config_id] = OTHERWISE
        elif not is_finished(journals[-1]):
            failed[config_id] = "its servers were lost; what had been measured counts"
        n_lost = n_lost + 1 if config_id in failed else 0
    return failed


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


def _was_interrupted(instance: dg.DagsterInstance, run: dg.DagsterRun) -> bool:
    """Say whether a run failed by a signal: of a step, or of the run where no step had begun."""
    if run.is_success:
        return False
    data = (
        e.step_failure_data if e.is_step_failure else e.job_failure_data
        for e in failures(instance, run.run_id)
    )
    return any(each.error is not None and each.error.cls_name in INTERRUPTED for each in data)
