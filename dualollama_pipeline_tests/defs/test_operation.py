"""What the graph does by itself: batches, campaigns, the report after them, nights.

The trap: a report in mid-batch, a batch launched twice, or none because one partition failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import pytest

from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.defs.assembly import build_definitions
from dualollama_pipeline.defs.batches import BACKFILL_TAG, BATCH_TAG, IN_PROCESS_TAG, UNFINISHED
from dualollama_pipeline.defs.jobs import campaign_jobs, smoke_job
from dualollama_pipeline.defs.resources import Bench
from dualollama_pipeline.defs.schedules import nightly_schedule
from dualollama_pipeline.defs.sensors import (
    alarm_sensor,
    campaign_sensor,
    ended_batches,
    report_sensor,
)
from dualollama_pipeline.tables.store import TableStore
from dualollama_pipeline_tests.statistics.campaign import sound_statistics

S = dg.DagsterRunStatus
OBSERVED = ("study", "benchmark_corpus", "cost_inputs", "service_levels", "ollama_server_a")


def run(status: S, run_id: str = "", **tags: str) -> dg.DagsterRun:
    named = {
        {"batch": BATCH_TAG, "backfill": BACKFILL_TAG, "here": IN_PROCESS_TAG}[k]: v
        for k, v in tags.items()
    }
    return dg.DagsterRun("trials_job", run_id=run_id or str(uuid4()), status=status, tags=named)


def test_a_batch_has_ended_when_none_of_its_runs_is_left() -> None:
    """With one run at work it is too early; with one failed run it is not too late."""
    runs = [
        run(S.SUCCESS, "3", batch="night"),
        run(S.FAILURE, "2", batch="night"),
        run(S.CANCELED, "1", batch="night"),
    ]
    assert ended_batches(runs) == {"night": "3"}
    assert S.QUEUED in UNFINISHED  # Dagster makes no queued run without a code location
    for left in set(UNFINISHED) - {S.QUEUED}:
        assert ended_batches([run(left, "4", batch="night"), *runs]) == {}
        assert ended_batches([*runs, run(left, "0", batch="night")]) == {}


def test_batches_end_one_by_one() -> None:
    """A night that goes on must not hold back the report of a single configuration."""
    runs = [run(S.STARTING, batch="night"), run(S.SUCCESS, "7"), run(S.SUCCESS, batch="night")]
    assert ended_batches(runs) == {"7": "7"}


def test_a_backfill_is_at_work_until_its_last_run_is_launched() -> None:
    """Between two of its runs nothing is queued, and nothing has ended."""
    runs = [run(S.SUCCESS, "1", backfill="b")]
    assert ended_batches(runs, ["b"]) == {}
    assert ended_batches(runs) == {"b": "1"}


def test_what_dualollama_run_executes_makes_its_own_report() -> None:
    """A second report in another process would write the same files."""
    assert ended_batches([run(S.SUCCESS, here="true", batch="run-1")]) == {}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


def add(instance: dg.DagsterInstance, status: S, **tags: str) -> str:
    """Record a run of trials_job in an instance."""
    job = build_definitions(Bench(Settings())).resolve_job_def("trials_job")
    made = run(status, **tags)
    return instance.create_run_for_job(job, status=status, tags=made.tags).run_id


def evaluate(instance: dg.DagsterInstance, cursor: str | None = None) -> Any:
    return report_sensor(dg.build_sensor_context(instance=instance, cursor=cursor))


def test_the_report_is_asked_for_once_a_batch(instance: dg.DagsterInstance) -> None:
    """Asked for at every look, it would be rendered every 30 s for ever."""
    assert isinstance(evaluate(instance), dg.SkipReason)
    add(instance, S.SUCCESS, batch="n1")
    last = add(instance, S.FAILURE, batch="n1")
    result = evaluate(instance)
    assert [request.run_key for request in result.run_requests] == [last]
    assert [request.tags[BATCH_TAG] for request in result.run_requests] == ["n1"]
    assert isinstance(evaluate(instance, result.cursor), dg.SkipReason)
    again = add(instance, S.SUCCESS, batch="n1")  # a retry ends the batch anew
    result = evaluate(instance, result.cursor)
    assert [request.run_key for request in result.run_requests] == [again]


def test_two_batches_that_ended_need_one_report(instance: dg.DagsterInstance) -> None:
    """It shows all that has been measured; a second one would show the same."""
    add(instance, S.SUCCESS, batch="n1")
    add(instance, S.SUCCESS, batch="n2")
    result = evaluate(instance)
    assert len(result.run_requests) == 1
    assert isinstance(evaluate(instance, result.cursor), dg.SkipReason)


def test_a_campaign_is_launched_as_one_batch(instance: dg.DagsterInstance) -> None:
    """Runs without a common batch would be 13 batches, with 13 reports."""
    homo = next(job for job in campaign_jobs if job.name == "chimera_homo_job")
    result = homo.execute_in_process(instance=instance)
    event = next(e for e in result.all_events if e.event_type == dg.DagsterEventType.RUN_SUCCESS)
    context = dg.build_run_status_sensor_context(
        sensor_name="campaign_sensor",
        dagster_event=event,
        dagster_instance=instance,
        dagster_run=result.dagster_run,
    )
    requests: list[Any] = list(campaign_sensor(context))  # type: ignore[call-overload]
    assert len(requests) == 13
    assert {request.tags[BATCH_TAG] for request in requests} == {result.run_id}
    assert len({request.run_key for request in requests}) == 13
    assert {request.job_name for request in requests} == {"trials_job"}


def test_the_campaigns_cover_the_matrix() -> None:
    """A configuration that no scenario's job names would only be measured at night."""
    named = {job.name: job.tags["dualollama/configurations"].split(",") for job in campaign_jobs}
    assert named.pop(smoke_job.name) == ["test001"]
    assert sorted(map(len, named.values())) == [7, 7, 13]
    assert len({config_id for ids in named.values() for config_id in ids}) == 27


def test_a_night_is_one_batch_with_a_run_for_each_configuration() -> None:
    """The date in the key: the schedule that is evaluated twice launches once."""
    night = datetime(2026, 11, 22, 2, tzinfo=UTC)
    requests = nightly_schedule(dg.build_schedule_context(scheduled_execution_time=night))
    assert isinstance(requests, list)
    assert len(requests) == 27
    assert {request.tags[BATCH_TAG] for request in requests} == {"nightly-2026-11-22"}
    assert requests[0].run_key == "nightly-2026-11-22/test001"
    assert nightly_schedule.default_status == dg.DefaultScheduleStatus.STOPPED


def test_observations_look_at_everything_that_a_person_writes(tmp_path: Path) -> None:
    """A change of corpus or prices that nobody sees leaves what was made from it green."""
    data = tmp_path / "data"
    (data / "corpus").mkdir(parents=True)
    source = Settings().data
    for name in ("cost.yaml", "slo.yaml"):
        (data / name).write_text((source / name).read_text())
    (data / "matrix.yaml").write_text(Settings().study_file.read_text())
    (data / "corpus" / "a.md").write_text("one")

    def versions() -> dict[str, str]:
        job = build_definitions(Bench(Settings(data=data))).resolve_job_def("observe_job")
        with dg.DagsterInstance.ephemeral() as instance:
            assert job.execute_in_process(instance=instance).success
            return {
                name: str(observed.tags["dagster/data_version"])
                for name in OBSERVED
                for observed in [
                    record.asset_observation
                    for record in instance.fetch_observations(dg.AssetKey(name), 1).records
                ]
                if observed is not None and observed.tags is not None
            }

    before = versions()
    assert set(before) == set(OBSERVED)
    (data / "corpus" / "a.md").write_text("two")
    (data / "slo.yaml").write_text((source / "slo.yaml").read_text() + "# mine\n")
    after = versions()
    changed = {name for name, version in before.items() if after[name] != version}
    assert changed == {"benchmark_corpus", "service_levels"}


def published_trend(tmp_path: Path, alarm: bool) -> Bench:
    """A warehouse whose latest trend has (or has not) one alarm."""
    bench = Bench(Settings(warehouse=tmp_path))
    rows = sound_statistics()["trend"].assign(alarm=False)
    rows.loc[rows.index[0], "alarm"] = alarm
    TableStore(Warehouse(tmp_path).tables).publish("trend", rows)
    return bench


@pytest.mark.parametrize("alarm", [True, False])
def test_an_alarm_is_a_red_run_and_no_alarm_is_none(
    tmp_path: Path, instance: dg.DagsterInstance, alarm: bool
) -> None:
    """A red run is what every notification of Dagster's can be hooked to."""
    job = build_definitions(published_trend(tmp_path, alarm)).resolve_job_def("alarm_job")
    result = job.execute_in_process(instance=instance, raise_on_error=False)
    assert result.success is not alarm
    if alarm:
        failure = next(e for e in result.all_events if e.is_step_failure).step_failure_data
        assert "tolerated" in failure.user_failure_data.description
        assert "interval" in failure.user_failure_data.description


def test_the_same_alarm_is_raised_once(tmp_path: Path, instance: dg.DagsterInstance) -> None:
    """The report is made again and again; the alarm of one batch is one alarm."""
    smoke = smoke_job.execute_in_process(instance=instance)  # any run stands for the report's

    def ask(bench: Bench) -> Any:
        event = next(e for e in smoke.all_events if e.event_type == dg.DagsterEventType.RUN_SUCCESS)
        return alarm_sensor(
            dg.build_run_status_sensor_context(
                sensor_name="alarm_sensor",
                dagster_event=event,
                dagster_instance=instance,
                dagster_run=smoke.dagster_run,
                resources={"bench": bench},
            )
        )

    first, again = (ask(published_trend(tmp_path, alarm=True)) for _ in range(2))
    assert isinstance(first, dg.RunRequest)
    assert first.run_key == again.run_key
    assert isinstance(ask(published_trend(tmp_path, alarm=False)), dg.SkipReason)
