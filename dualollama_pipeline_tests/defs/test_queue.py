"""Runs through a daemon's queue, without a daemon: what is asked for, and what if none takes it.

The trap: waiting for ever for a daemon that is gone, or runs left in the queue that begin a day
later beside somebody's work.
"""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._daemon.types import DaemonHeartbeat

from dualollama_pipeline.core.errors import DualOllamaError
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.defs.instance import QUEUE_DAEMON, daemon_is_up
from dualollama_pipeline.defs.queue import Queue, Wanted
from dualollama_pipeline.defs.resources import run_config
from dualollama_pipeline_tests.defs.recorded import definitions

NOW = 1_800_000_000.0
WANTED = [Wanted("trials_job", "test001"), Wanted("trials_job", "test002"), Wanted("report_job")]
TAGS = {"dualollama/batch": "run-1"}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def beat(instance: dg.DagsterInstance, at_s: float) -> None:
    instance.add_daemon_heartbeat(DaemonHeartbeat(at_s, QUEUE_DAEMON, "id", None))


def test_a_daemon_that_was_silent_for_a_minute_is_gone(instance: dg.DagsterInstance) -> None:
    """Its last sign of life stays in the database."""
    assert not daemon_is_up(instance)
    beat(instance, NOW)
    assert daemon_is_up(instance, lambda: NOW + 31)
    assert not daemon_is_up(instance, lambda: NOW + 61)


def test_runs_stand_in_the_queue_in_order_and_as_they_were_asked_for(
    instance: dg.DagsterInstance,
) -> None:
    """The report last; servers and blocks of this command, not of the daemon's environment."""
    config = run_config(Settings(blocks=2, servers="external", url_a="http://127.0.0.1:1"))
    with Queue(instance, definitions(), TAGS, config) as queue:
        queue.begin(WANTED)
        runs = list(reversed(instance.get_runs()))
        assert [(run.job_name, run.tags.get("dagster/partition")) for run in runs] == WANTED
        assert {run.status for run in runs} == {dg.DagsterRunStatus.QUEUED}
        assert {run.tags["dualollama/batch"] for run in runs} == {"run-1"}
        asked = runs[0].run_config
        workload = {"blocks": 2, "workload": "standard"}
        assert asked["ops"]["benchmark_trials"]["config"] == workload
        bench = asked["resources"]["bench"]["config"]
        assert (bench["servers"], bench["url"]) == ("external", {"a": "http://127.0.0.1:1"})
        assert bench["model"] == Settings().model  # also what nobody changed here
        origin = runs[0].remote_job_origin
        assert origin is not None
        assert origin.location_name == "dualollama_pipeline"


def test_a_run_is_waited_for(instance: dg.DagsterInstance) -> None:
    """However it ends, it is returned."""

    def fail_it(_: float) -> None:
        (run,) = instance.get_runs(dg.RunsFilter(tags={"dagster/partition": "test001"}))
        instance.report_run_failed(run)

    with Queue(instance, definitions(), TAGS, run_config(Settings()), fail_it) as queue:
        queue.begin(WANTED)
        beat(instance, 2 * NOW)  # long after today
        assert queue.run(WANTED[0]).status is dg.DagsterRunStatus.FAILURE


def test_what_a_lost_daemon_has_not_begun_is_taken_out(instance: dg.DagsterInstance) -> None:
    """Else it would begin when somebody opens the UI next week."""
    beat(instance, NOW - 1e9)
    queue = Queue(instance, definitions(), TAGS, run_config(Settings()))
    queue.begin(WANTED)
    with pytest.raises(DualOllamaError, match="test001: Dagster's daemon has stopped"), queue:
        queue.run(WANTED[0])
    assert {run.status for run in instance.get_runs()} == {dg.DagsterRunStatus.CANCELED}
