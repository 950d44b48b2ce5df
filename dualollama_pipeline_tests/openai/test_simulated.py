"""A study of two OpenAI-compatible servers, from its file to the tables, on the simulated pair.

In virtual time the protocol is all that can differ: the same study in Ollama's own gives the same
walls, first tokens and counts, to the last digit.
"""

from __future__ import annotations

import pandas as pd
import pytest

from dualollama_pipeline.bench.servers import ServerPair
from dualollama_pipeline.tables.build import build_tables
from dualollama_pipeline.worker.journal import Journal
from dualollama_pipeline_tests.openai.studies import measured

BLOCKS = 2
PLACE = ["block", "arm", "agent", "stage"]
SAME = ["sent_ms", "ttft_ms", "end_ms", "n_tokens", "n_prompt_tokens", "n_chunks", "done_reason"]
UNTOLD = ["load_ms", "server_total_ms", "queue_ms"]


@pytest.fixture(scope="module")
def journals(
    simulated_pair: ServerPair, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Journal]:
    folder = tmp_path_factory.mktemp("studies")
    return {
        protocol: measured(simulated_pair, folder / protocol, protocol, blocks=BLOCKS)
        for protocol in ("openai", "ollama")
    }


def calls(journal: Journal) -> pd.DataFrame:
    return build_tables(journal)[0].sort_values(PLACE, ignore_index=True)


def test_every_trial_counts(journals: dict[str, Journal]) -> None:
    """A guard made for Ollama's counters would void what has none."""
    found, _, _, runs, blocks = build_tables(journals["openai"])
    assert len(found) == BLOCKS * 4 * 3  # solo, solo, apart, shared: 2 + 2 + 4 + 4 calls
    assert set(found["status"]) == {"ok"}
    assert set(found["validity"]) == {"VALID"}, set(found["validity_reasons"])
    reasons = {reason for each in runs["validity_reasons"] for reason in each.split("; ")}
    assert reasons == {f"placement: server {n} does not show where its model is" for n in "ab"}
    assert set(runs["validity"]) == {"WARN"}
    assert blocks["weighted_speedup"].notna().all()


def test_the_same_work_has_the_same_times_in_both_protocols(journals: dict[str, Journal]) -> None:
    """A role chunk taken for a token, a stamp of the wrong chunk or a lost count would show."""
    ours, theirs = calls(journals["openai"]), calls(journals["ollama"])
    pd.testing.assert_frame_equal(ours[PLACE + SAME], theirs[PLACE + SAME])
    pd.testing.assert_series_equal(ours["eval_ms"], theirs["eval_ms"])
    assert ours[UNTOLD].isna().all(axis=None)
    assert theirs[UNTOLD].notna().all(axis=None)


def test_nothing_is_loaded_or_unloaded_and_every_trial_is_warmed(
    journals: dict[str, Journal],
) -> None:
    """A server that drops its model between trials would show its load in a first token."""
    for protocol, by_server in (("openai", True), ("ollama", False)):
        found = journals[protocol].preparations
        assert {record.by_server for record in found} == {by_server}
        assert {record.status for record in found} == {"ok"}
    warmed = [record.before_trial for record in journals["openai"].preparations]
    trials = [trial.trial_id for trial in journals["openai"].trials]
    assert warmed == [trial_id for trial_id in trials for _ in ("a", "b")]


def test_the_journal_says_who_answered(journals: dict[str, Journal]) -> None:
    """What a server does not tell is absent in the evidence, not zero."""
    (batch, record) = journals["openai"].batch, journals["openai"].identities[0]
    assert batch is not None
    assert batch.plan.protocols == {"a": "openai", "b": "openai"}
    assert {server.slots for server in record.servers} == {1}
    assert {server.size_vram_share for server in record.servers} == {None}
    assert all(server.simulated_by for server in record.servers)
