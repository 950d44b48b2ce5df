"""A run that is killed under the daemon is noticed and tried again, and the queue moves on.

The trap: without run monitoring it stays STARTED for ever, and with one run at a time nothing
follows it, all night.
"""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import psutil
import pytest

from dualollama_pipeline.worker.journal import read_journal
from dualollama_pipeline_tests.daemon import daemon, until
from dualollama_pipeline_tests.kills.harness import environment

BLOCKS = 20  # some seconds of measuring, long enough to be killed in


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
    with daemon(tmp_path, DUALOLLAMA_BLOCKS=str(BLOCKS)) as dagster:
        first, second = dagster.launch("test013"), dagster.launch("test014")
        journals = tmp_path / "warehouse" / "journals"
        until(lambda: list(journals.glob("test013/*.jsonl")), "the first journal")
        until(lambda: run_process(journals), "the run's process").kill()

        def retry() -> str | None:
            tags = {"dagster/parent_run_id": first}
            runs = dagster.instance.get_runs(dg.RunsFilter(tags=tags))
            return runs[0].run_id if runs else None

        assert dagster.end_of(first) is dg.DagsterRunStatus.FAILURE
        again = until(retry, "the retry")
        assert dagster.end_of(second) is dg.DagsterRunStatus.SUCCESS
        assert dagster.end_of(again) is dg.DagsterRunStatus.SUCCESS
    (journal,) = journals.glob("test013/*.jsonl")  # resumed, not begun anew
    finished = [t.trial_id for t in read_journal(journal).trials if t.status == "ok"]
    assert len(finished) == len(set(finished)) == 4 * BLOCKS
