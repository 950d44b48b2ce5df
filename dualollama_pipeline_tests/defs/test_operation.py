"""Campaigns, nights and observations: who asks for which runs.

The trap: a batch launched twice, a night beside the night before, partitions that look fresh.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.defs.assembly import build_definitions
from dualollama_pipeline.defs.batches import BATCH_TAG
from dualollama_pipeline.defs.jobs import campaign_jobs, smoke_job
from dualollama_pipeline.defs.resources import Bench
from dualollama_pipeline.defs.schedules import nightly_schedule, observe_schedule
from dualollama_pipeline.defs.sensors import campaign_sensor
from dualollama_pipeline_tests.defs.recorded import dead_url, run_of

S = dg.DagsterRunStatus
OBSERVED = ("study", "benchmark_corpus", "cost_inputs", "service_levels", "ollama_server_a")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path)) as made:  # a schedule takes no other
        yield made


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


def evening(instance: dg.DagsterInstance, **settings: Any) -> Any:
    return nightly_schedule(
        dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=datetime(2026, 11, 22, 2, tzinfo=UTC),
            resources={"bench": Bench(Settings(**settings))},
        )
    )


def test_a_night_is_one_batch_with_a_run_for_each_configuration(
    instance: dg.DagsterInstance,
) -> None:
    """The date in the key: the schedule that is evaluated twice launches once."""
    requests = evening(instance)
    assert isinstance(requests, list)
    assert len(requests) == 27
    assert {request.tags[BATCH_TAG] for request in requests} == {"nightly-2026-11-22"}
    assert requests[0].run_key == "nightly-2026-11-22/test001"
    assert nightly_schedule.default_status == dg.DefaultScheduleStatus.STOPPED


def test_no_night_begins_beside_the_last_one(instance: dg.DagsterInstance) -> None:
    """The queue would hold two nights, and the second would be measured in daytime."""
    run_of(instance, "trials_job", S.STARTED, "test001")
    assert "1 runs are still at work" in evening(instance).skip_message
    looked = observe_schedule(dg.build_schedule_context(instance=instance))
    assert isinstance(looked, dg.SkipReason)  # a look at a server takes from what it measures


def test_a_night_without_servers_says_so(instance: dg.DagsterInstance) -> None:
    """Without it: 27 runs that fail one after the other."""
    dead = [dead_url(), dead_url()]
    skipped = evening(instance, servers="external", url=dict(zip("ab", dead, strict=True)))
    assert f"no answer from {dead[0]} and {dead[1]}" in skipped.skip_message


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
