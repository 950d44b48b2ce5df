"""kill -9 of `dualollama run` and of a Dagster run process: both ways on from there end well.

The trap: a run that stays STARTED for ever, half a table, a lock that nobody holds any more.
"""

from __future__ import annotations

import random
from pathlib import Path

import dagster as dg
import pytest

from dualollama_pipeline.tables.store import TableStore
from dualollama_pipeline.worker.journal import Journal, read_journal
from dualollama_pipeline_tests.kills.harness import (
    CONFIG,
    ONE_RUN,
    PIPELINE,
    check_equal,
    check_once,
    environment,
    run,
)

KILLED = -9
RUN = ("run", "--configs", CONFIG)
TABLES = ("call_table", "cell_table", "agent_table", "run_table", "block_table")


def journals(home: Path) -> list[Path]:
    return sorted((home / "warehouse" / "journals" / CONFIG).glob("*.jsonl"))


def check_home(home: Path, undisturbed: Journal) -> None:
    """Every batch measured once and whole, every table there and readable, nothing half written."""
    for path in journals(home):
        check_once(read_journal(path))
        check_equal(read_journal(path), undisturbed)
    store = TableStore(home / "warehouse" / "tables")
    for table in TABLES:
        assert set(store.load(table, CONFIG)["batch_id"]) == {journals(home)[-1].stem}
    assert not list((home / "warehouse").rglob("*.part"))


def unfinished_runs(home: Path) -> list[dg.DagsterRun]:
    at_work = [dg.DagsterRunStatus.STARTING, dg.DagsterRunStatus.STARTED]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", environment(home)["DAGSTER_HOME"])
        with dg.DagsterInstance.get() as instance:
            return list(instance.get_runs(dg.RunsFilter(statuses=at_work)))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Journal, int]:
    """What `dualollama run` leaves when nobody disturbs it, and its number of steps."""
    home = tmp_path_factory.mktemp("undisturbed")
    ended = run(home, PIPELINE, *RUN, step=0)
    assert ended.code == 0, ended.said
    assert ended.steps is not None
    return read_journal(journals(home)[0]), ended.steps


def test_make_run_killed_between_its_files(
    undisturbed: tuple[Journal, int], tmp_path: Path
) -> None:
    """Killed again and again, each time further on among campaign, tables and report."""
    whole, steps = undisturbed
    for share in (0.05, 0.15):  # among the first tables: the campaign is unfinished
        assert run(tmp_path, PIPELINE, *RUN, step=round(steps * share)).code == KILLED
    assert len(journals(tmp_path)) == 1
    # late: perhaps in the report, when all is measured, and the next run is a new campaign
    assert run(tmp_path, PIPELINE, *RUN, step=round(steps * 0.7)).code == KILLED
    done = run(tmp_path, PIPELINE, *RUN)
    assert done.code == 0, done.said
    check_home(tmp_path, whole)
    assert unfinished_runs(tmp_path) == []


def test_make_run_killed_at_a_random_moment(
    undisturbed: tuple[Journal, int], tmp_path: Path
) -> None:
    """The worker and the simulated pair end with it, and a run of Dagster's own goes on."""
    whole, _ = undisturbed
    chance = random.Random("make run")
    life = run(tmp_path, PIPELINE, *RUN, after_s=chance.uniform(2.0, 4.0))
    assert life.code == KILLED
    done = run(tmp_path, ONE_RUN, CONFIG)
    assert done.code == 0, done.said
    for path in journals(tmp_path):
        check_once(read_journal(path))
        check_equal(read_journal(path), whole)


def test_a_run_process_killed_is_resumed_by_the_next(
    undisturbed: tuple[Journal, int], tmp_path: Path
) -> None:
    """What the UI's `Re-execute` does; the journal of the dead run is gone on with."""
    whole, _ = undisturbed
    chance = random.Random("one run")
    killed = 0
    for _ in range(2):
        life = run(tmp_path, ONE_RUN, CONFIG, after_s=chance.uniform(1.5, 3.5))
        killed += life.code == KILLED
    assert killed
    done = run(tmp_path, ONE_RUN, CONFIG)
    assert done.code == 0, done.said
    for path in journals(tmp_path):
        check_once(read_journal(path))
        check_equal(read_journal(path), whole)
