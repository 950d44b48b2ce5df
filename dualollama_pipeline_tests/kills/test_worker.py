"""kill -9 of the worker, at every step of writing and at random moments.

The trap: a record that is torn, glued to the next one, lost after it was told, or measured twice.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from dualollama_pipeline.bench.servers import ServerPair
from dualollama_pipeline.core.design import BatchSettings, build_plan
from dualollama_pipeline.core.places import PROJECT_ROOT
from dualollama_pipeline.core.plan import Plan
from dualollama_pipeline.core.study import load_study
from dualollama_pipeline.core.workload import standard_workload
from dualollama_pipeline.worker.journal import Journal, read_journal
from dualollama_pipeline_tests.kills.harness import (
    CONFIG,
    WORKER,
    check_equal,
    check_kept,
    check_once,
    plan_file,
    run,
)

KILLED = -9
MOMENTS = 6


def small(pair: ServerPair) -> Plan:
    """One block of one configuration, on the simulated pair."""
    configuration = load_study(PROJECT_ROOT / "data" / "studies" / "tr114" / "study.yaml").get(
        CONFIG
    )
    workload = standard_workload(PROJECT_ROOT / "data" / "corpus")
    return build_plan(
        configuration, workload, BatchSettings("kill", 1, "gemma3:latest", pair.urls, pair.clock)
    )


@pytest.fixture(scope="module")
def undisturbed(
    simulated_pair: ServerPair, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Journal, int]:
    """The journal that nobody disturbed, and how many steps it took to write."""
    home = tmp_path_factory.mktemp("undisturbed")
    arguments = plan_file(home, small(simulated_pair))
    ended = run(home, WORKER, *arguments, step=0)
    assert ended.code == 0, ended.said
    assert ended.steps is not None
    return read_journal(Path(arguments[1])), ended.steps


def test_killed_at_every_step(
    simulated_pair: ServerPair, undisturbed: tuple[Journal, int], tmp_path: Path
) -> None:
    """One batch is killed at its first step, resumed and killed at the next, and so on to its end.

    Each life dies one step later than the one before it had come, so that every kind of step (the
    first half of a record, the whole, before and after fsync) is met in every kind of record.
    """
    whole, steps = undisturbed
    arguments = plan_file(tmp_path, small(simulated_pair))
    journal = Path(arguments[1])
    torn = deaths = 0
    for step in range(1, steps + 1):
        life = run(tmp_path, WORKER, *arguments, step=step % 16 + 1)
        check_kept(journal, life)
        torn += bool(list(tmp_path.glob("*.torn*")))
        if life.code == 0:
            break
        assert life.code == KILLED, life.said
        deaths += 1
    assert deaths >= 12
    assert torn  # else no life met a half-written record, and this shows nothing
    assert run(tmp_path, WORKER, *arguments).code == 0
    check_once(read_journal(journal))
    check_equal(read_journal(journal), whole)


def test_killed_at_random_moments(
    simulated_pair: ServerPair, undisturbed: tuple[Journal, int], tmp_path: Path
) -> None:
    """Not only where we thought of it."""
    whole, _ = undisturbed
    chance = random.Random(20261122)
    for number in range(MOMENTS):
        home = tmp_path / str(number)
        arguments = plan_file(home, small(simulated_pair))
        life = run(home, WORKER, *arguments, after_s=chance.uniform(0.1, 0.9))
        check_kept(Path(arguments[1]), life)
        assert run(home, WORKER, *arguments).code == 0
        check_once(read_journal(Path(arguments[1])))
        check_equal(read_journal(Path(arguments[1])), whole)
