"""`dualollama ui` as a person has it running, and the clicks that its browser would send."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import httpx

from dualollama_pipeline.core.places import PROJECT_ROOT
from dualollama_pipeline_tests.kills.harness import environment

PATIENCE_S = 150.0
REPOSITORY = {
    "repositoryName": "__repository__",
    "repositoryLocationName": "dualollama_pipeline",
}
LAUNCH = """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
BACKFILL = """mutation($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
AGAIN = """mutation($params: ReexecutionParams!) {
  launchRunReexecution(reexecutionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""


def until(found: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    """Wait for something to be there; fail after a while, saying what did not come."""
    deadline = time.monotonic() + patience_s
    while time.monotonic() < deadline:
        value = found()
        if value:
            return value
        time.sleep(0.2)
    raise AssertionError(f"{what}: not within {patience_s:.0f} s")


@dataclass
class Daemon:
    """A running Dagster: its home, its instance as another process sees it, its GraphQL URL."""

    home: Path
    instance: dg.DagsterInstance
    url: str

    def ask(self, query: str, **params: Any) -> dict[str, Any]:
        body = {"query": query, "variables": {"params": params}}
        said = httpx.post(self.url, json=body, trust_env=False, timeout=60).json()
        (answer,) = said["data"].values()
        assert "Success" in answer["__typename"], said
        return dict(answer)

    def launch(
        self,
        config_id: str | None = None,
        job: str = "trials_job",
        assets: Sequence[str] = (),
        config: dict[str, Any] | None = None,
    ) -> str:
        """Launch a job, or some assets (`job` is then Dagster's own); return the run's id."""
        keys = [{"path": [name]} for name in assets]
        selector = {"jobName": "__ASSET_JOB" if assets else job, **REPOSITORY}
        tags = [{"key": "dagster/partition", "value": config_id}] if config_id else []
        answer = self.ask(
            LAUNCH,
            selector=selector | ({"assetSelection": keys} if assets else {}),
            runConfigData=config or {},
            executionMetadata={"tags": tags},
        )
        return str(answer["run"]["runId"])

    def backfill(self, config_ids: Sequence[str], assets: Sequence[str] = ()) -> str:
        """Launch a backfill of some assets, or of trials_job; return its id."""
        if assets:
            of = {"assetSelection": [{"path": [name]} for name in assets]}
        else:
            name = "trials_job_partition_set"
            of = {"selector": {"partitionSetName": name, "repositorySelector": REPOSITORY}}
        return str(self.ask(BACKFILL, partitionNames=list(config_ids), **of)["backfillId"])

    def again(self, run_id: str, strategy: str = "ALL_STEPS") -> str:
        """Execute a run again; return the new run's id."""
        return str(self.ask(AGAIN, parentRunId=run_id, strategy=strategy)["run"]["runId"])

    def ended(self, run_id: str) -> dg.DagsterRunStatus | None:
        run = self.instance.get_run_by_id(run_id)
        return run.status if run is not None and run.is_finished else None

    def end_of(self, run_id: str) -> dg.DagsterRunStatus:
        status = until(lambda: self.ended(run_id), f"the end of run {run_id}")
        assert isinstance(status, dg.DagsterRunStatus)
        return status


@contextmanager
def daemon(home: Path, **variables: str) -> Iterator[Daemon]:
    """Yield a running `dualollama ui` on a home of its own; DAGSTER_HOME must name that home."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "dualollama_pipeline.cli", "ui"]
    with dg.DagsterInstance.get() as instance, (home / "ui.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--port", str(port), "--report-port", "0"],
            env={**environment(home), **variables},
            cwd=PROJECT_ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        made = Daemon(home, instance, f"http://127.0.0.1:{port}/graphql")
        try:
            until(lambda: _answers(made.url), "the webserver")
            yield made
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def _answers(url: str) -> bool:
    try:
        return bool(httpx.post(url, json={"query": "{version}"}, trust_env=False).is_success)
    except httpx.TransportError:
        return False
