"""What follows by itself: tables after trials, the report after everything, once.

The trap: a report in mid-batch, one for each partition, one every 15 s, or none because all failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import dagster as dg
import pytest

from dualollama_pipeline.defs.batches import BATCH_TAG, UNFINISHED, batch_of, is_asked_anew
from dualollama_pipeline.defs.runs import HERE_TAG, is_executed_here
from dualollama_pipeline.defs.sensors import report_sensor
from dualollama_pipeline_tests.defs.recorded import run_of

S = dg.DagsterRunStatus
ALL = ("benchmark_trials", "block_table")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def asked(instance: dg.DagsterInstance) -> Any:
    """What the sensor asks for now: (job, partition) of each run, or why it asks for none."""
    result = report_sensor(dg.build_sensor_context(instance=instance))
    if isinstance(result, dg.SkipReason):
        return result.skip_message
    assert isinstance(result, list)
    return [(request.job_name, request.partition_key) for request in result]


REPORT = [("report_job", None)]


def test_nothing_follows_nothing(instance: dg.DagsterInstance) -> None:
    """A fresh instance must not render a page every 15 s."""
    assert asked(instance) == "nothing has been measured since the last report"


@pytest.mark.parametrize("left", [status for status in UNFINISHED if status is not S.QUEUED])
def test_the_report_waits_for_all_that_is_at_work(instance: dg.DagsterInstance, left: S) -> None:
    """In mid-batch it would be made once for each partition, and take from what is measured."""
    run_of(instance, "trials_job", S.SUCCESS, "test001", made=ALL)
    assert asked(instance) == REPORT
    run_of(instance, "trials_job", left, "test002")
    assert "runs are at work" in asked(instance)


@pytest.mark.parametrize("end", [S.SUCCESS, S.FAILURE, S.CANCELED])
def test_the_report_follows_however_it_ended_and_once(instance: dg.DagsterInstance, end: S) -> None:
    """Also after a run that made nothing: the page then says what is missing."""
    run_of(instance, "trials_job", end, "test001", made=ALL if end is S.SUCCESS else ())
    assert asked(instance) == REPORT
    run_of(instance, "report_job", S.SUCCESS, made=("comparison_report",))
    assert asked(instance) == "nothing has been measured since the last report"


def test_trials_alone_are_followed_by_their_tables_first(instance: dg.DagsterInstance) -> None:
    """The most natural click, on benchmark_trials, led nowhere."""
    run_of(instance, "trials_job", S.SUCCESS, "test001", made=ALL)
    run_of(instance, "trials_job", S.SUCCESS, "test002", made=("benchmark_trials",))
    assert asked(instance) == [("tables_job", "test002")]
    run_of(instance, "tables_job", S.SUCCESS, "test002", made=("block_table",))
    assert asked(instance) == REPORT


def test_tables_that_cannot_be_made_hold_back_no_report(instance: dg.DagsterInstance) -> None:
    """A damaged journal of one configuration left all others without a report."""
    run_of(instance, "trials_job", S.SUCCESS, "test001", made=ALL)
    run_of(instance, "trials_job", S.SUCCESS, "test002", made=("benchmark_trials",))
    result = report_sensor(dg.build_sensor_context(instance=instance))
    assert isinstance(result, list)
    run_of(instance, "tables_job", S.FAILURE, "test002", **{"dagster/run_key": result[0].run_key})
    assert asked(instance) == REPORT


def test_what_dualollama_run_executes_makes_its_own_report(instance: dg.DagsterInstance) -> None:
    """A second report in another process would write the same files."""
    run = instance.get_run_by_id(run_of(instance, "trials_job", S.SUCCESS, "test001", made=ALL))
    assert run is not None
    instance.add_run_tags(run.run_id, {HERE_TAG: run.run_id})
    assert asked(instance) == "nothing has been measured since the last report"


def test_a_run_that_is_executed_again_is_a_run_of_its_own() -> None:
    """It copies the tags of the first: it was failed as left over, and measured nothing."""
    tags = {HERE_TAG: "first", BATCH_TAG: "run-1"}
    first = dg.DagsterRun("trials_job", run_id="first", tags=tags)
    again = dg.DagsterRun("trials_job", run_id="2", tags=tags, parent_run_id="first",
                          root_run_id="first")  # fmt: skip
    assert is_executed_here(first)
    assert not is_executed_here(again)
    assert is_asked_anew(again)
    retry = dg.DagsterRun("trials_job", run_id="3", tags={**tags, "dagster/retry_number": "1"},
                          parent_run_id="first", root_run_id="first")  # fmt: skip
    assert not is_asked_anew(retry)  # it goes on with the batch that was cut off
    assert batch_of(retry) == "run-1"
