"""A run that is killed under the daemon is noticed and tried again, and the queue moves on.

The trap: without run monitoring it stays STARTED for ever, and with one run at a time nothing
follows it, all night.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import psutil
import pytest

from dualollama_pipeline.core.settings import PROJECT_ROOT
from dualollama_pipeline.worker.journal import read_journal
from dualollama_pipeline_tests.kills.harness import environment

PATIENCE_S = 150.0
BLOCKS = 20  # some seconds of measuring, long enough to be killed in
LAUNCH = """mutation($params: ExecutionParams!) { launchRun(executionParams: $params) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""


@contextmanager
def dagster_dev(home: Path, instance: dg.DagsterInstance) -> Iterator[str]:
    """Webserver, daemon and code server as `make ui` starts them; yield the GraphQL URL."""
    instance.get_runs()  # makes the storage, as `make ui` does: several at once would race
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "dagster", "dev", "--workspace", "workspace.yaml"]
    with (home / "dev.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            env={**environment(home), "DUALOLLAMA_BLOCKS": str(BLOCKS)},
            cwd=PROJECT_ROOT,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield f"http://127.0.0.1:{port}/graphql"
    finally:
        os.killpg(process.pid, signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(20)


def until(found: Callable[[], Any], what: str) -> Any:
    """Wait for something to be there; fail after a while, saying what did not come."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        value = found()
        if value:
            return value
        time.sleep(0.2)
    raise AssertionError(f"{what}: not within {PATIENCE_S:.0f} s")


def answers(url: str) -> bool:
    try:
        return bool(httpx.post(url, json={"query": "{version}"}, trust_env=False).is_success)
    except httpx.TransportError:
        return False


def launch(url: str, config_id: str) -> str:
    selector = {
        "jobName": "trials_job",
        "repositoryName": "__repository__",
        "repositoryLocationName": "dualollama_pipeline",
    }
    tags = [{"key": "dagster/partition", "value": config_id}]
    params = {"selector": selector, "executionMetadata": {"tags": tags}}
    body = {"query": LAUNCH, "variables": {"params": params}}
    said = httpx.post(url, json=body, trust_env=False, timeout=60).json()
    return str(said["data"]["launchRun"]["run"]["runId"])


def run_process(journals: Path) -> psutil.Process | None:
    """The process of the run at work: the parent of the worker that writes below `journals`."""
    for process in psutil.process_iter(["cmdline"]):
        command = " ".join(process.info["cmdline"] or ())
        if "dualollama_pipeline.worker" in command and str(journals) in command:
            return process.parent()
    return None


@pytest.mark.daemons
def test_a_killed_run_is_retried_and_the_next_one_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed while it measures; its retry goes on with the same journal."""
    monkeypatch.setenv("DAGSTER_HOME", environment(tmp_path)["DAGSTER_HOME"])
    with (
        dg.DagsterInstance.get() as instance,
        dagster_dev(tmp_path, instance) as url,
    ):
        until(lambda: answers(url), "the webserver")
        first, second = launch(url, "test013"), launch(url, "test014")
        journals = tmp_path / "warehouse" / "journals"
        until(lambda: list(journals.glob("test013/*.jsonl")), "the first journal")
        until(lambda: run_process(journals), "the run's process").kill()

        def retry() -> str | None:
            runs = instance.get_runs(dg.RunsFilter(tags={"dagster/parent_run_id": first}))
            return runs[0].run_id if runs else None

        def ended(run_id: str) -> dg.DagsterRunStatus | None:
            run = instance.get_run_by_id(run_id)
            return run.status if run is not None and run.is_finished else None

        assert until(lambda: ended(first), "the killed run's end") is dg.DagsterRunStatus.FAILURE
        again = until(retry, "the retry")
        assert until(lambda: ended(second), "the next run") is dg.DagsterRunStatus.SUCCESS
        assert until(lambda: ended(again), "the retry's end") is dg.DagsterRunStatus.SUCCESS
    (journal,) = journals.glob("test013/*.jsonl")  # resumed, not begun anew
    finished = [t.trial_id for t in read_journal(journal).trials if t.status == "ok"]
    assert len(finished) == len(set(finished)) == 4 * BLOCKS
