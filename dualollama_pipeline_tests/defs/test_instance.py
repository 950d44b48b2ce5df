"""Opening Dagster's instance: several at once, and where it cannot be kept.

The trap: two processes that create its databases at once give alembic two heads, and one of them a
traceback.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from dualollama_pipeline.core.errors import DualOllamaError
from dualollama_pipeline.core.places import PROJECT_ROOT
from dualollama_pipeline.defs.batches import BACKFILL_TAG, BATCH_TAG
from dualollama_pipeline.defs.instance import forget, only_runner, open_instance
from dualollama_pipeline_tests.defs.recorded import run_of

LIMITED = (
    "import resource, sys\n"
    "from dualollama_pipeline.cli.main import main\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)\n"
    "sys.exit(main(sys.argv[2:]))\n"
)


def started(home: Path, *command: str) -> subprocess.Popen[str]:
    variables = {
        "DAGSTER_HOME": str(home / "dagster"),
        "DUALOLLAMA_WAREHOUSE": str(home / "warehouse"),
        "DUALOLLAMA_BLOCKS": "1",
    }
    return subprocess.Popen(
        [sys.executable, *command],
        env={**os.environ, **variables},
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.daemons
def test_three_starts_at_once_on_an_empty_home(tmp_path: Path) -> None:
    """One of two runs measures, the other says that it does not; reconciling finds nothing."""
    cli = ("-m", "dualollama_pipeline.cli")
    run = (*cli, "run", "--configs", "test013")
    processes = [started(tmp_path, *run), started(tmp_path, *run)]
    processes.append(started(tmp_path, *cli, "reconcile"))
    said = [process.communicate(timeout=100)[1] for process in processes]
    assert not any("Traceback" in text for text in said), said
    assert sorted(process.returncode for process in processes[:2]) == [0, 2], said
    assert "another `dualollama run` is executing" in said[0] + said[1]
    assert processes[2].returncode == 0, said


@pytest.mark.parametrize("limit", [100, 100_000])  # the first file; a database, while it is made
def test_a_full_disk_is_told(tmp_path: Path, limit: int) -> None:
    """SQLite says `disk I/O error` and no more."""
    process = started(tmp_path, "-c", LIMITED, str(limit), "reconcile")
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert str(tmp_path) in said
    assert "way out: make room" in said
    assert "Traceback" not in said


def test_a_home_that_is_none_is_told(tmp_path: Path) -> None:
    """A file where the folder should be stops root, too."""
    (tmp_path / "home").write_bytes(b"")
    with (
        pytest.raises(DualOllamaError, match=f"{tmp_path}/home: Dagster cannot keep"),
        open_instance(tmp_path / "home"),
    ):
        pass


def test_a_lock_of_another_user_is_told(tmp_path: Path) -> None:
    """What cannot be opened is no lock that can be waited for. A folder in its place does it."""
    (tmp_path / "in_process.lock").mkdir()
    with pytest.raises(DualOllamaError, match="DAGSTER_HOME"), only_runner(tmp_path):
        pass


def test_a_database_that_is_none_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that was full in the middle of a write leaves such a file."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    (tmp_path / "history").mkdir()
    (tmp_path / "history" / "runs.db").write_bytes(b"no database at all")
    with pytest.raises(DualOllamaError, match="not a database"), open_instance(tmp_path):
        pass


def test_runs_of_pruned_batches_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of other batches stay, and what a backfill launched has its id for a batch."""
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with open_instance(tmp_path) as instance:
        for tag, batch in ((BATCH_TAG, "n1"), (BACKFILL_TAG, "b1"), (BATCH_TAG, "n2")):
            run_of(instance, "trials_job", dg.DagsterRunStatus.SUCCESS, "test001", **{tag: batch})
        assert forget(["n1", "b1", "n0"]) == 2
        (left,) = instance.get_runs()
    assert left.tags[BATCH_TAG] == "n2"
