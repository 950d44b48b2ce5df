"""A load that no counter shows: it is seen in a first token, and its trial does not count.

The trap: a cold solo, which makes running together look several times faster than it is.
"""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from dualollama_pipeline.core.records import BatchRecord, CallRecord, ServerCounters, TrialRecord
from dualollama_pipeline.tables.build import build_tables
from dualollama_pipeline_tests.tables.journals import (
    ANALYSIS,
    COLLECTOR,
    REPORT,
    block_of,
    call,
    calls_of,
    journal,
)

UNTOLD = {"total_duration": None, "load_duration": None, "prompt_eval_duration": None}


def untold(record: CallRecord) -> CallRecord:
    """The same call of a server that tells no times."""
    counters = record.counters.model_dump() | UNTOLD | {"eval_duration": None}
    return record.model_copy(update={"counters": ServerCounters(**counters)})


def calls_with(arm: str, ttft: float, protocol: str = "openai") -> pd.DataFrame:
    """The call table of two blocks; in the second, one first token of the collector is late."""
    late = call(COLLECTOR, ANALYSIS, 0, 20_000, ttft=ttft, server="a")
    then = call(COLLECTOR, REPORT, 20_000, 5_000, server="a")
    others = [each for each in calls_of(arm) if each.agent != COLLECTOR]
    trials: list[TrialRecord] = [*block_of(1), *block_of(2, **{arm: [late, then, *others]})]
    made = [t.model_copy(update={"calls": tuple(map(untold, t.calls))}) for t in trials]
    found = journal(made)
    assert found.batch is not None
    protocols = {} if protocol == "ollama" else dict.fromkeys(("a", "b"), protocol)
    plan = found.batch.plan.model_copy(update={"protocols": protocols})
    found.batch = BatchRecord(started_at="now", plan_hash=plan.plan_hash, plan=plan)
    return build_tables(found)[0]


def spoken_of(calls: pd.DataFrame, guard: str) -> list[dict[str, Any]]:
    found = calls[calls["validity_reasons"].str.contains(guard)]
    return found[["block", "arm", "agent", "stage", "validity"]].to_dict("records")


@pytest.mark.parametrize("arm", ["solo_collector", "apart"])
def test_a_first_token_that_looks_like_a_load_does_not_count(arm: str) -> None:
    """More than 5 times the usual one, and 0.5 s over it."""
    calls = calls_with(arm, 9_000)
    place = {"block": 2, "arm": arm, "agent": COLLECTOR, "stage": ANALYSIS}
    assert spoken_of(calls, "looks like a load") == [place | {"validity": "INVALID"}]
    assert calls["is_reload"].sum() == 1


@pytest.mark.parametrize("ttft", [300, 700, 1_250])
def test_a_slow_first_token_counts(ttft: float) -> None:
    """Sharing a GPU makes a prompt two or three times slower; that is the condition.

    The usual one takes 250 ms: 5 times as much is no load yet.
    """
    calls = calls_with("apart", ttft)
    assert spoken_of(calls, "looks like a load") == []
    assert not calls.loc[calls["arm"].ne("shared"), "is_reload"].any()


def test_in_shared_it_may_have_queued() -> None:
    """Nobody can tell a load from a queue there, so nothing is said of loads."""
    calls = calls_with("shared", 9_000)
    assert spoken_of(calls, "looks like a load") == []
    assert calls.loc[calls["arm"].eq("shared"), "is_reload"].isna().all()


def test_ollamas_own_protocol_tells_its_loads() -> None:
    """Where it leaves one out, it was none: its first tokens are not held against it."""
    assert spoken_of(calls_with("solo_collector", 9_000, "ollama"), "looks like a load") == []
