"""Assets on a bench that measures nothing: failures, batches, fan-in, observation."""

from __future__ import annotations

import os
from pathlib import Path

import dagster as dg
import pytest

from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.defs.assembly import build_definitions
from dualollama_pipeline.defs.assets import inputs, servers
from dualollama_pipeline.defs.assets.trials import batch_of
from dualollama_pipeline.defs.instance import only_runner, reconcile
from dualollama_pipeline.defs.resources import Bench
from dualollama_pipeline.defs.runs import HERE_TAG
from dualollama_pipeline_tests.defs.recorded import dead_url


def test_dead_servers_fail_the_trials_with_a_sentence(tmp_path: Path) -> None:
    """Nothing could be measured: that, and only that, fails the asset; no table is published."""
    settings = Settings(servers="external", url_a=dead_url(), url_b=dead_url(), warehouse=tmp_path)
    job = build_definitions(Bench(settings)).resolve_job_def("trials_job")
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(
            instance=instance, partition_key="test013", raise_on_error=False
        )
    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    data = failure.step_failure_data.user_failure_data
    assert data is not None
    assert data.description is not None
    assert "start it, or correct its URL" in data.description
    assert not (tmp_path / "tables").exists()


def test_the_report_without_any_partition_says_what_to_do(tmp_path: Path) -> None:
    """report_job before the first measurement: a page with a way out, no stack of pandas."""
    job = build_definitions(Bench(Settings(warehouse=tmp_path))).resolve_job_def("report_job")
    with dg.DagsterInstance.ephemeral() as instance:
        assert job.execute_in_process(instance=instance).success
    page = (tmp_path / "report" / "index.html").read_text()
    assert "Nothing has been measured yet." in page
    assert "dualollama run" in page


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"dualollama/batch": "nightly-1", "dagster/backfill": "bf"}, "nightly-1"),
        ({"dagster/backfill": "bf"}, "bf"),
        ({"dagster/root_run_id": "root", "dagster/parent_run_id": "parent"}, "root"),
        ({}, "own"),
    ],
)
def test_a_retry_belongs_to_the_batch_of_what_it_retries(
    tags: dict[str, str], expected: str
) -> None:
    """Under its own id a retry would open a second batch and measure everything again."""
    run = dg.DagsterRun(
        job_name="trials_job",
        run_id="own",
        tags=tags,
        root_run_id=tags.get("dagster/root_run_id"),
        parent_run_id=tags.get("dagster/parent_run_id"),
    )
    assert batch_of(run) == expected


def observed_versions(bench: Bench, *names: str) -> list[str]:
    """Observe source assets as the UI's button does; return their data versions."""
    definitions = dg.Definitions(
        assets=dg.load_assets_from_modules([inputs, servers]),
        jobs=[dg.define_asset_job("observation", selection=list(names))],
        resources={"bench": bench},
    )
    with dg.DagsterInstance.ephemeral() as instance:
        result = definitions.resolve_job_def("observation").execute_in_process(instance=instance)
        events = [result.asset_observations_for_node(name)[0] for name in names]
    return [event.data_version or "" for event in events]


def test_a_changed_matrix_or_corpus_changes_the_data_version(tmp_path: Path) -> None:
    """Partitions measured with other inputs must show as stale."""

    def versions() -> list[str]:
        return observed_versions(Bench(Settings(data=tmp_path)), "study", "benchmark_corpus")

    matrix = tmp_path / "matrix.yaml"
    matrix.write_text(
        "configurations:\n- {config_id: x, scenario: chimera_homo, collector: {}, insight: {}}\n"
    )
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "a.csv").write_text("x\n1\n")
    before = versions()
    matrix.write_text(matrix.read_text().replace("config_id: x", "config_id: y"))
    (tmp_path / "corpus" / "a.csv").write_text("x\n2\n")
    after = versions()
    assert all(old != new for old, new in zip(before, after, strict=True))


def test_simulated_servers_are_observed_without_a_process() -> None:
    """Observation must not start a simulator, nor claim a real Ollama."""
    (version,) = observed_versions(Bench(Settings()), "ollama_server_a")
    assert version.startswith("simulated-")


def test_managed_servers_are_not_simulated_ones() -> None:
    """They have no URL of their own before they are started: that made them simulated."""
    (version,) = observed_versions(Bench(Settings(servers="managed")), "ollama_server_a")
    assert version == "managed gemma3:latest"


def test_runs_of_a_killed_process_are_failed_and_others_left_alone(tmp_path: Path) -> None:
    """A run that stays STARTED for ever blocks the queue: one run at a time.

    Told by the process that wrote its events; the mark of our own runs is copied when one is
    executed again.
    """
    with dg.DagsterInstance.ephemeral() as instance:
        for run_id, mark in (("own", "own"), ("launched", "own"), ("killed", "own")):
            run = dg.DagsterRun(
                job_name="trials_job",
                run_id=run_id,
                tags={HERE_TAG: mark},
                status=dg.DagsterRunStatus.STARTED,
            )
            instance.add_run(run)
            if run_id != "killed":
                start = dg.DagsterEvent("PIPELINE_START", run.job_name, pid=os.getpid())
                instance.report_dagster_event(start, run.run_id)
        with only_runner(tmp_path):
            assert set(reconcile(instance)) == {"own", "killed"}
        statuses = {run.run_id: run.status for run in instance.get_runs()}
    assert statuses["own"] is statuses["killed"] is dg.DagsterRunStatus.FAILURE
    assert statuses["launched"] is dg.DagsterRunStatus.STARTED


def test_only_one_process_executes_runs_itself(tmp_path: Path) -> None:
    """The second would fail the first one's runs as left over."""
    with only_runner(tmp_path), pytest.raises(InputError, match="another"), only_runner(tmp_path):
        pass
