"""`imported_calls` and `imported_runs`: what the original counted as data and was none."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dualollama_pipeline.tables.conform import conform
from dualollama_pipeline.tr114.commands import imported_tables
from dualollama_pipeline.tr114.imported.folder import read_folder
from dualollama_pipeline.tr114.imported.overlap import split
from dualollama_pipeline_tests.tr114.imported.original_tree import (
    COLD_S,
    FAILED,
    LOAD_S,
    LOOP,
    PROMPT_S,
    SHARE,
    write_tree,
)

Tables = tuple[pd.DataFrame, pd.DataFrame]


def run_of(imported: Tables, config_id: str, number: int) -> dict[str, Any]:
    runs = imported[0]
    found = runs[runs["config_id"].eq(config_id) & runs["run_number"].eq(number)]
    return dict(found.astype(object).to_dict("records")[0])


def calls_of(imported: Tables, config_id: str, number: int) -> dict[tuple[str, str], Any]:
    calls = imported[1]
    found = calls[calls["config_id"].eq(config_id) & calls["run_number"].eq(number)]
    return {(row["role"], row["stage"]): row for row in found.astype(object).to_dict("records")}


def test_a_row_for_every_run_and_call(imported: Tables) -> None:
    runs, calls = imported
    assert (len(runs), len(calls)) == (135, 540)
    assert set(runs["origin"]) == set(calls["origin"]) == {"imported"}


def test_without_an_import_both_tables_are_empty() -> None:
    """And still fit their schemas: an asset must be able to publish them."""
    runs, calls = imported_tables(None)
    assert (len(runs), len(calls)) == (0, 0)
    assert len(conform("imported_runs", runs)) == 0


def test_a_stream_without_a_final_record_is_a_failed_call(imported: Tables) -> None:
    """Stored as 0 tok/s it became the study's only contention event."""
    call = calls_of(imported, *FAILED)["collector", "report"]
    assert (call["status"], call["failure_kind"]) == ("failed", "truncated")
    assert "no final record: 36000 characters" in call["failure_text"]
    assert pd.isna(call["n_tokens"])
    for name in ("total_ms", "tok_per_s", "eval_ms", "residual_ms"):
        assert math.isnan(call[name]), name
    assert (call["reported_tok_per_s"], call["is_degenerate"]) == (0.0, True)


def test_a_failed_run_keeps_the_reported_figures_and_has_none_of_ours(imported: Tables) -> None:
    run = run_of(imported, *FAILED)
    assert (run["status"], run["n_failed_calls"], run["is_clean"]) == ("failed", 1, False)
    assert run["reported_efficiency_pct"] < 75
    assert run["reported_contention"] is True
    assert math.isnan(run["balance_efficiency_pct"])
    assert math.isnan(run["collector_tok_per_s"])
    assert run["insight_tok_per_s"] > 0
    assert math.isnan(run["collector_minus_insight_tok_per_s"])
    # 0 tok/s halves the mean of two calls
    other = calls_of(imported, *FAILED)["collector", "analysis"]["tok_per_s"]
    assert run["reported_collector_tok_per_s"] == pytest.approx(other / 2)


def test_a_run_that_lacks_a_call_is_failed(tmp_path: Path) -> None:
    """An agent that stopped after its analysis would look twice as fast."""
    root = write_tree(tmp_path / "small", ["test013"], runs=2)
    path = root / "chimera_homo/test013/run_2/metrics.json"
    content = json.loads(path.read_text())
    content["insight"]["result"]["llm_calls"].pop()
    path.write_text(json.dumps(content))
    run = run_of(imported_tables(read_folder(root)), "test013", 2)
    assert (run["status"], run["n_failed_calls"], run["is_clean"]) == ("failed", 1, False)
    assert run["validity_reasons"] == "insight report is missing"
    assert math.isnan(run["insight_tok_per_s"])
    assert math.isnan(run["balance_speedup"])


def test_a_loop_that_ends_properly_is_flagged_and_no_failure(imported: Tables) -> None:
    """7,157 tokens in a run that looks like any other."""
    run = run_of(imported, *LOOP)
    assert (run["status"], run["n_degenerate_calls"], run["is_clean"]) == ("ok", 1, False)
    assert "insight report: ends in a loop" in run["validity_reasons"]


def test_ours_equals_the_reported_figure_where_nothing_failed(imported: Tables) -> None:
    runs = imported[0]
    ok = runs[runs["status"].eq("ok")]
    assert ok["balance_efficiency_pct"].to_numpy() == pytest.approx(
        ok["reported_efficiency_pct"].to_numpy(), abs=1e-9
    )
    assert ok["collector_minus_insight_tok_per_s"].to_numpy() == pytest.approx(
        -ok["reported_throughput_delta_tok_per_s"].to_numpy()
    )


def test_cold_loads_and_one_sided_loads(imported: Tables) -> None:
    """The default agent keeps what is loaded: only its partner pays, inside the measured run."""
    mixed, homo, warm = (
        run_of(imported, *key) for key in (("test001", 1), ("test013", 1), ("test013", 2))
    )
    assert (mixed["n_reloads"], mixed["is_one_sided_reload"]) == (1, True)
    assert (homo["n_reloads"], homo["is_one_sided_reload"]) == (2, False)
    assert (warm["n_reloads"], warm["validity_reasons"]) == (0, "")
    assert f"cold load of {1000 * COLD_S:.0f} ms" in homo["validity_reasons"]


def test_float32_options_group_as_one(imported: Tables) -> None:
    assert set(imported[1]["temperature"].dropna()) == {0.6, 0.8, 1.0}


def test_decode_is_split_by_what_the_partner_did(imported: Tables) -> None:
    """Together each makes SHARE of the rate, so tokens = 100 x alone + 38 x together."""
    for call in calls_of(imported, "test013", 2).values():
        expected = 100 * call["alone_s"] + 100 * SHARE * call["together_s"]
        assert call["n_tokens"] == pytest.approx(expected, abs=1e-6)
        assert call["alone_s"] + call["together_s"] == pytest.approx(call["eval_ms"] / 1000)


def test_connection_set_up_is_what_ttft_has_beyond_load_and_prompt(imported: Tables) -> None:
    call = calls_of(imported, "test013", 2)["collector", "analysis"]
    assert call["connect_ms"] == pytest.approx(0, abs=1e-6)
    assert call["has_connection_setup"] is False
    assert call["load_ms"] == pytest.approx(1000 * LOAD_S)
    assert call["prompt_eval_ms"] == pytest.approx(1000 * PROMPT_S / SHARE)


@pytest.mark.parametrize(
    ("partner", "alone", "together"),
    [
        ([], 10, 0),
        ([(0, 100)], 0, 10),
        ([(12, 15)], 7, 3),
        ([(5, 12), (18, 30)], 6, 4),
        ([(30, 40)], 10, 0),
        ([(0, 10)], 10, 0),
    ],
)
def test_alone_and_together(
    partner: list[tuple[float, float]], alone: float, together: float
) -> None:
    """A decode from 10 to 20 s."""
    assert split((10, 20), partner) == (alone, together)
