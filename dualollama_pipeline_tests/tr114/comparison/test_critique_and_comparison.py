"""The method judged on runs whose truth is known, and the comparison's refusal to crown anybody."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from dualollama_pipeline.metrics.catalog import APART_AGAINST_SHARED, APART_SECONDS, BALANCE
from dualollama_pipeline.tables.conform import conform
from dualollama_pipeline.tr114.audit.evidence import Sources
from dualollama_pipeline.tr114.comparison.comparison import runtime_comparison
from dualollama_pipeline.tr114.comparison.critique import method_critique
from dualollama_pipeline.tr114.comparison.difference import Difference
from dualollama_pipeline.tr114.comparison.jackknife import jackknife
from dualollama_pipeline_tests.tr114.imported.original_tree import (
    FAILED,
    LOAD_S,
    PROMPT_S,
    SHARE,
    SOLO_TOK_PER_S,
)

Tables = tuple[pd.DataFrame, pd.DataFrame]


@pytest.fixture(scope="module")
def critique(imported: Tables) -> pd.DataFrame:
    return conform("method_critique", method_critique(*imported))


def one(table: pd.DataFrame, finding: str, item: str) -> dict[str, float]:
    (row,) = table[table["finding"].eq(finding) & table["item"].eq(item)].to_dict("records")
    return {str(name): value for name, value in row.items()}


def test_without_runs_there_is_nothing_to_say(without_runs: Sources) -> None:
    assert conform("method_critique", method_critique(without_runs.runs, without_runs.calls)).empty


def test_reported_efficiency_is_the_balance_identity(critique: pd.DataFrame) -> None:
    """The wall time is 2 ms above the longer agent's: 50 x (t_A + t_B) x 0.002 / max^2."""
    off = one(critique, "balance identity", "largest deviation")
    assert 0 < off["value"] < 0.01
    r = one(critique, "balance identity", "correlation with the identity")
    assert r["value"] == pytest.approx(1, abs=1e-6)


def test_the_rates_of_the_tree_are_found(critique: pd.DataFrame) -> None:
    """100 tok/s alone, 38 together: two together make 0.76 of one alone."""
    alone = one(critique, "rate alone", "rate alone")
    together = one(critique, "rate alone", "rate together")
    both = one(critique, "rate alone", "both together over one alone")
    assert alone["value"] == pytest.approx(SOLO_TOK_PER_S, rel=1e-3)
    assert together["value"] == pytest.approx(SOLO_TOK_PER_S * SHARE, rel=1e-3)
    assert both["value"] == pytest.approx(2 * SHARE, rel=1e-3)
    assert alone["ci_low"] < alone["value"] < alone["ci_high"]


def test_the_true_speedup_is_a_loss_where_the_report_sees_two(
    critique: pd.DataFrame, imported: Tables
) -> None:
    """Truth: an agent alone takes 2 x (load + prompt) + n / 100 s.

    The estimate errs high only by the prompts, which take 1 / 0.38 as long beside the partner.
    """
    runs, calls = imported
    clean = runs[runs["is_clean"]].set_index(["config_id", "run_number"])
    tokens = calls.groupby(["config_id", "run_number"])["n_tokens"].sum().astype("float64")
    alone_s = tokens[clean.index] / SOLO_TOK_PER_S + 4 * (LOAD_S + PROMPT_S)
    truth = float(np.exp(np.log(alone_s / clean["wall_s"]).mean()))
    found = one(critique, "true speedup", "together against one after the other")
    assert truth < found["value"] < truth + 4 * PROMPT_S * (1 / SHARE - 1) / 55
    assert found["ci_high"] < 1
    assert float(runs["reported_speedup"].mean()) > 1.9


def test_accidents_are_listed(critique: pd.DataFrame) -> None:
    """13 homogeneous and 7 unequal pairs load on both sides, 7 mixed on one."""
    counts = critique["finding"].value_counts()
    assert counts["cold start"] == 2 * 20 + 7
    assert counts["one-sided reload"] == 7
    assert counts["loop"] == 1
    failed = critique[critique["finding"].eq("failed call counted as data")]
    assert f"{FAILED[0]} run {FAILED[1]}, collector report" in set(failed["item"])


def test_hypotheses_have_evidence_for_and_against(critique: pd.DataFrame) -> None:
    said = critique[critique["finding"].eq("hypothesis")]["statement"]
    assert len(said) == 7
    assert said.str.contains(r"^for: .*; against: ", regex=True).all()


def test_a_single_run_has_no_interval(imported: Tables) -> None:
    """From one run nobody knows how much another would differ."""
    runs, calls = (t[t["config_id"].eq("test013") & t["run_number"].eq(2)] for t in imported)
    row = one(method_critique(runs, calls), "rate alone", "rate alone")
    assert math.isnan(row["ci_low"])


def test_the_jackknife_by_hand() -> None:
    """Mean of 1, 2, 4, 8, 16: logs of the leave-one-out means, se^2 = 4/5 sum of squares."""
    rows = pd.DataFrame({"cluster": list("abcde"), "x": [1.0, 2.0, 4.0, 8.0, 16.0]})
    found = jackknife(rows, lambda part: float(part["x"].mean()))
    logs = np.log([30 / 4, 29 / 4, 27 / 4, 23 / 4, 15 / 4])
    half = 2.7764451 * math.sqrt(4 / 5 * ((logs - logs.mean()) ** 2).sum())  # t(0.975, 4)
    assert found.value == pytest.approx(6.2)
    assert found.low == pytest.approx(6.2 * math.exp(-half))
    assert found.high == pytest.approx(6.2 * math.exp(half))


# --- comparison ----------------------------------------------------------------------------------


def statistics(origin: str, value: float = 1.25) -> pd.DataFrame:
    keys = (APART_SECONDS, APART_AGAINST_SHARED, BALANCE)
    values = (0.83, value, 99.5)
    return pd.DataFrame(
        {
            **{name: [getattr(key, name) for key in keys] for name in BALANCE._fields},
            "config_id": ["test001"] * 3,
            "origin": [origin] * 3,
            "unit": ["x", "x", "%"],
            "n": [5] * 3,
            "value": values,
            "ci_low": [v - 0.01 for v in values],
            "ci_high": [v + 0.01 for v in values],
        }
    )


def compared(
    evidence: Sources, critique: pd.DataFrame, origin: str, value: float = 1.25
) -> pd.DataFrame:
    here = statistics(origin, value)
    return conform("runtime_comparison", runtime_comparison(evidence, critique, here, here))


@pytest.mark.parametrize(
    ("difference", "winner", "reason"),
    [
        (Difference(2.0, 1.0, 3.0), "right", "excludes zero"),
        (Difference(-2.0, -3.0, -1.0), "left", "excludes zero"),
        (Difference(-2.0, -3.0, -1.0, larger_is_better=False), "right", "excludes zero"),
        (Difference(2.0, -1.0, 5.0), "", "holds zero"),
        (Difference(2.0), "", "no interval"),
        (Difference(2.0, 1.0, 3.0, obstacle="units differ"), "", "units differ"),
    ],
)
def test_a_winner_needs_an_interval_and_no_obstacle(
    difference: Difference, winner: str, reason: str
) -> None:
    found, why = difference.verdict()
    assert found == winner
    assert reason in why


def test_nobody_wins_against_printed_figures(with_runs: Sources, critique: pd.DataFrame) -> None:
    """Where the peer's runs are missing a lead of 2.48 pp is no result."""
    table = compared(with_runs, critique, "simulated")
    assert set(table["winner"]) == {""}
    assert (table["reason"].str.len() > 0).all()
    mean = table[table["level"].eq("mean over runs")].iloc[0]
    assert mean["ci_low"] < mean["difference"] < mean["ci_high"]
    assert "TR110's runs are not at hand" in mean["reason"]


def test_rust_comes_from_runs_where_they_are_imported(
    with_runs: Sources, without_runs: Sources, critique: pd.DataFrame
) -> None:
    columns = ["left_value", "right_value", "origin"]
    imported, printed = (
        compared(e, critique, "simulated")
        .query("level == 'standard deviation over runs; section 4.4 prints it in a row called CV'")[
            columns
        ]
        .iloc[0]
        for e in (with_runs, without_runs)
    )
    assert (printed["right_value"], printed["origin"]) == (4.9, "published")
    sd = float(with_runs.runs["reported_efficiency_pct"].std())
    assert (imported["right_value"], imported["origin"]) == (pytest.approx(sd), "imported")


def test_the_mean_difference_interval_by_hand(
    without_runs: Sources, critique: pd.DataFrame
) -> None:
    """2.481 +- t x sqrt(7.4^2 / 150 + 4.9^2 / 135), se 0.7372, Welch's freedom about 261."""
    row = compared(without_runs, critique, "simulated").iloc[0]
    se = math.sqrt(7.4**2 / 150 + 4.9**2 / 135)
    assert row["difference"] == pytest.approx(2.481)
    assert row["ci_high"] - row["difference"] == pytest.approx(1.969 * se, rel=1e-3)


def test_simulated_rows_say_so_and_win_nothing(
    without_runs: Sources, critique: pd.DataFrame
) -> None:
    """Two servers against one is measured on both sides, so a winner is allowed, once measured."""
    pair = "metric == 'against_shared, apart'"
    simulated = compared(without_runs, critique, "simulated").query(pair).iloc[0]
    measured = compared(without_runs, critique, "measured").query(pair).iloc[0]
    slower = compared(without_runs, critique, "measured", 0.8).query(pair).iloc[0]
    assert (simulated["winner"], simulated["origin"]) == ("", "simulated")
    assert "illustration" in simulated["reason"]
    assert (measured["winner"], measured["difference"]) == ("right", pytest.approx(25))
    assert slower["winner"] == "left"


def test_the_residual_stands_beside_the_estimates(
    with_runs: Sources, critique: pd.DataFrame
) -> None:
    """Parts of 180 to 380 ms; the tree's calls have no time outside their counters."""
    table = compared(with_runs, critique, "simulated")
    overhead = table[table["topic"].eq("overhead")].set_index("metric")
    total = overhead.loc["sum of the estimates"]
    assert (total["left_value"], total["right_value"]) == (180, 380)
    residual = overhead.loc["measured residual: total - load - prompt - eval"]
    assert residual["right_value"] == pytest.approx(0, abs=1e-6)


def test_single_agent_changes_by_hand(without_runs: Sources, critique: pd.DataFrame) -> None:
    table = compared(without_runs, critique, "simulated")
    change = table[table["topic"].eq("one agent alone")].set_index("metric")["difference"]
    assert change["throughput"] == pytest.approx(15.301, abs=1e-3)  # 114.54 / 99.34 - 1
    assert change["memory"] == pytest.approx(-70)  # 75 / 250 - 1
