"""Killing what measures, at a step or at a moment, and looking at what is left.

Acknowledged is what the process has told: a trial in its progress events, or a finished command.
Nothing acknowledged may be lost or torn, and the tables of the resumed batch must equal those of
an undisturbed one, apart from what names the batch, the host's clock, or the attempt.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field, replace
from pathlib import Path

import pandas as pd

from dualollama_pipeline.core.places import PROJECT_ROOT
from dualollama_pipeline.core.plan import Plan
from dualollama_pipeline.tables.build import build_tables
from dualollama_pipeline.worker.journal import Journal, read_journal

WORKER = "dualollama_pipeline.worker"
PIPELINE = "dualollama_pipeline.cli"
ONE_RUN = "dualollama_pipeline_tests.kills.one_run"
NOT_EXACT = ["batch_id", "started_at", "ingest_s", "workflow_s", "attempt"]
PATIENCE_S = 60.0
CONFIG = "test013"


def environment(home: Path) -> dict[str, str]:
    """A Dagster home and a warehouse of its own, one block a configuration."""
    dagster = home / "dagster"
    dagster.mkdir(parents=True, exist_ok=True)
    settings = (PROJECT_ROOT / "dagster_home" / "dagster.yaml").read_text()
    (dagster / "dagster.yaml").write_text(settings)
    return {
        **os.environ,
        "DAGSTER_HOME": str(dagster),
        "DUALOLLAMA_WAREHOUSE": str(home / "warehouse"),
        "DUALOLLAMA_BLOCKS": "1",
        "PYTHONPATH": str(PROJECT_ROOT),
    }


@dataclass
class Ended:
    """How a process ended and what it had told until then."""

    code: int
    events: list[dict[str, object]] = field(default_factory=list)
    steps: int | None = None
    said: str = ""

    @property
    def acknowledged(self) -> set[str]:
        """The trials that the process has told to be finished."""
        return {
            f"b{event['block']}.{event['arm']}"
            for event in self.events
            if event["event"] == "trial"
        }


def run(
    home: Path, module: str, *arguments: str, step: int | None = None, after_s: float | None = None
) -> Ended:
    """Run a module to its end, to its deadly step, or until it is killed after some time."""
    stepwise = [] if step is None else ["dualollama_pipeline_tests.kills.stepwise", str(step)]
    command = [sys.executable, "-m", *stepwise, module, *arguments]
    with subprocess.Popen(
        command,
        env=environment(home),
        cwd=PROJECT_ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        if after_s is not None:
            time.sleep(after_s)  # the moment of the kill is what is drawn at random
            process.send_signal(signal.SIGKILL)
        out, err = process.communicate(timeout=PATIENCE_S)
    events = [json.loads(line) for line in out.splitlines() if line.startswith("{")]
    told = [line for line in err.splitlines() if line.startswith("steps ")]
    return Ended(process.returncode, events, int(told[-1].split()[1]) if told else None, err)


def plan_file(home: Path, plan: Plan) -> tuple[str, str]:
    """Write a plan; return the worker's two arguments."""
    home.mkdir(parents=True, exist_ok=True)
    path = home / "plan.json"
    path.write_text(plan.model_dump_json())
    return str(path), str(home / "journal.jsonl")


def canonical(journal: Journal) -> dict[str, pd.DataFrame]:
    """The tables of a journal without what differs from run to run, and without lost attempts."""
    lost = {(t.trial_id, t.attempt) for t in journal.trials if t.status == "interrupted"}
    kept = replace(
        journal, trials=[t for t in journal.trials if (t.trial_id, t.attempt) not in lost]
    )
    return {
        name: df.drop(columns=NOT_EXACT, errors="ignore").reset_index(drop=True)
        for name, df in build_tables(kept)._asdict().items()
    }


def check_equal(journal: Journal, undisturbed: Journal) -> None:
    """Fail where a table of a resumed batch is not that of the undisturbed one, bit for bit."""
    expected = canonical(undisturbed)
    for name, df in canonical(journal).items():
        pd.testing.assert_frame_equal(df, expected[name], check_exact=True)


def check_kept(path: Path, ended: Ended) -> Journal | None:
    """Fail where an acknowledged trial is not in the journal, or the journal cannot be read."""
    if not path.exists():
        assert not ended.acknowledged
        return None
    journal = read_journal(path)
    recorded = {f"b{t.block}.{t.arm}" for t in journal.trials if t.status == "ok"}
    assert ended.acknowledged <= recorded
    return journal


def check_once(journal: Journal) -> None:
    """Fail where a finished trial was measured again, or the end does not add up."""
    finished = [t.trial_id for t in journal.trials if t.status == "ok"]
    assert len(finished) == len(set(finished))
    assert journal.end is not None
    end = journal.end
    assert end.planned == end.ok + end.failed + end.interrupted + end.skipped == len(finished)
