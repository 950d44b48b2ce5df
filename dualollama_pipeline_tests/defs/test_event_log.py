"""One event log for all runs, over a connection that stays open.

The trap: SQLite folds what was written into the file only when the last connection is closed, so a
UI that waits for the file to change shows nothing while a run goes on.
"""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import dagster as dg
import pytest

from dualollama_pipeline.core.places import PROJECT_ROOT
from dualollama_pipeline.defs.event_log import OneEventLog
from dualollama_pipeline.defs.instance import open_instance

PATIENCE_S = 30.0


@dg.job
def nothing() -> None:
    """A run of no step."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The project's own settings, in a home of this test."""
    shutil.copy(PROJECT_ROOT / "dagster_home" / "dagster.yaml", tmp_path)
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    return tmp_path


def test_all_runs_are_in_one_file(home: Path) -> None:
    """A database for each run is made with all its tables first: a tenth of a second each."""
    with open_instance(home) as instance:
        runs = [nothing.execute_in_process(instance=instance) for _ in range(2)]
        assert isinstance(instance.event_log_storage, OneEventLog)
        assert all(instance.all_logs(run.run_id) for run in runs)
    logs = [path for path in home.rglob("*.db") if path.name not in {"runs.db", "schedules.db"}]
    assert [path.name for path in logs] == ["event_log.db"]


def test_a_second_process_hears_of_events_at_once(home: Path) -> None:
    """The UI is one. Both connections stay open all the while."""
    heard: list[str] = []
    came = threading.Event()

    def hear(entry: dg.EventLogEntry, _: str) -> None:
        heard.append(entry.run_id)
        came.set()

    with open_instance(home) as writer, open_instance(home) as reader:
        run = writer.create_run_for_job(nothing)
        reader.watch_event_logs(run.run_id, None, hear)
        writer.report_engine_event("started", run)
        assert came.wait(PATIENCE_S)
        reader.end_watch_event_logs(run.run_id, hear)
    assert set(heard) == {run.run_id}


def test_events_are_there_after_the_writer_was_closed(home: Path) -> None:
    """What is still in the log beside the file belongs to it."""
    with open_instance(home) as instance:
        run_id = nothing.execute_in_process(instance=instance).run_id
    with open_instance(home) as instance:
        assert any(entry.dagster_event for entry in instance.all_logs(run_id))


def test_a_start_that_was_killed_is_no_end(home: Path) -> None:
    """Dagster makes the tables only with the file: a file without them stayed so for ever."""
    (home / "event_log.db").write_bytes(b"")
    with open_instance(home) as instance:
        run = nothing.execute_in_process(instance=instance)
        assert instance.get_records_for_run(run.run_id).records
