"""What an option really was. The trap: a `default` that ran with the options of the call before."""

from __future__ import annotations

from typing import Any

import pandas as pd

from dualollama_pipeline.core.records import CallRecord, IdentityRecord
from dualollama_pipeline.tables.build import build_tables
from dualollama_pipeline_tests.tables.journals import (
    SOLO_A,
    SOLO_B,
    block_of,
    calls_of,
    identity,
    journal,
    row,
    stages,
    trial,
)

FORTY = {"num_gpu": 40, "num_ctx": 512, "temperature": 0.8}
TWENTY = {"num_gpu": 20, "num_ctx": 4096, "temperature": 0.8}


def given(calls: list[CallRecord], **options: dict[str, Any]) -> list[CallRecord]:
    """The calls with these options by role."""
    return [c.model_copy(update={"options": options.get(c.agent, {})}) for c in calls]


def effective(made: Any, arm: str) -> list[tuple[Any, Any]]:
    calls = made.call_table[made.call_table["arm"] == arm].sort_values("sent_ms", kind="stable")
    return list(zip(calls["effective_num_gpu"], calls["effective_num_ctx"], strict=True))


def test_more_layers_than_there_are_have_the_same_effect_as_all() -> None:
    """num_gpu 60, 80 and 120 of 35 layers would be three groups of one and the same thing."""
    options = {"collector": FORTY, "insight": TWENTY}
    trials = [
        trial(arm, calls=given(calls_of(arm), **options)) for arm in (SOLO_A, SOLO_B, "apart")
    ]
    servers = (identity("a", context_length=2048), identity("b", context_length=4096))
    made = build_tables(journal(trials, servers=servers))
    assert effective(made, SOLO_A) == [(35, 2048)] * 2  # the floor of 2048 in effect
    assert effective(made, SOLO_B) == [(20, 4096)] * 2
    assert row(made.block_table, arm="apart")["effective_class"] == (
        "collector: m:1b, 35 layers, context 2048, temperature 0.8 | "
        "insight: m:1b, 20 layers, context 4096, temperature 0.8"
    )


def test_defaults_are_what_the_server_chose() -> None:
    """No option: all layers if all of it is in GPU memory, else nobody knows how many."""
    trials = [trial(arm, calls=given(calls_of(arm))) for arm in (SOLO_A, SOLO_B)]
    made = build_tables(journal(trials, servers=(identity("a"), identity("b"))))
    assert effective(made, SOLO_A) == [(35, 512)] * 2
    partly = (identity("a", size_vram_share=0.4), identity("b"))
    made = build_tables(journal(trials, servers=partly))
    assert pd.isna(effective(made, SOLO_A)[0][0])
    assert pd.isna(row(made.block_table, arm="apart")["effective_class"])


def test_in_single_a_default_keeps_what_the_other_agent_loaded() -> None:
    """Ollama reads an absent option as `no change`: the default agent runs with 20 layers."""
    single = [
        *stages("collector", 5_000, server="a"),  # 0 and 5 s
        *stages("insight", 6_000, 1_000, server="a"),  # 1 and 7 s
    ]
    trials = [
        *(trial(a, calls=given(calls_of(a), insight=TWENTY)) for a in (SOLO_A, SOLO_B, "apart")),
        trial("shared", calls=given(single, insight=TWENTY)),
    ]
    servers = (identity("a", context_length=4096), identity("b", context_length=4096))
    made = build_tables(journal(trials, servers=servers))
    # the collector's first call has its own; then the insight agent loads 20 layers, and they stay
    assert effective(made, "shared") == [(35, 4096), (20, 4096), (20, 4096), (20, 4096)]


def test_equal_configurations_have_one_class() -> None:
    """test003 and test202 are one: as two they would count double in a factor."""
    first = build_tables(journal(block_of()))
    second = build_tables(journal(block_of(), batch_id="other"))
    assert set(first.run_table["effective_class"]) == set(second.run_table["effective_class"])
    assert len(set(first.run_table["effective_class"])) == 1


def test_what_single_left_on_a_server_is_not_its_own_agents() -> None:
    """The default collector has 4096; after `single` its server holds the other's 2048."""
    made = journal(block_of(), servers=(identity("a", context_length=4096), identity("b")))
    after = (identity("a", context_length=2048), identity("b"))
    made.identities.append(IdentityRecord(arm="shared", moment="after", servers=after))
    assert effective(build_tables(made), SOLO_A) == [(35, 4096)] * 2
