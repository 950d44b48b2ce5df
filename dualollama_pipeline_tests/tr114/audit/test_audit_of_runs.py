"""The audit on 135 runs: figures recomputed from them, and the arithmetic written out here."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dualollama_pipeline.tr114.audit.audit import claim_audit, gather
from dualollama_pipeline.tr114.audit.evidence import Sources
from dualollama_pipeline.tr114.audit.figures import Figures
from dualollama_pipeline_tests.tr114.audit.test_audit import rows, verdict
from dualollama_pipeline_tests.tr114.conftest import DATA


def test_population_figures_follow_from_the_runs(
    audit_with: pd.DataFrame, with_runs: Sources
) -> None:
    """Recomputed here by numpy from the table, not by the code under test."""
    values = with_runs.runs["reported_efficiency_pct"].to_numpy("float64")
    for statistic, value in (
        ("mean", values.mean()),
        ("std", values.std(ddof=1)),
        ("cv", 100 * values.std(ddof=1) / values.mean()),
        ("min", values.min()),
        ("max", values.max()),
        ("p5", np.quantile(values, 0.05)),
        ("range", np.ptp(values)),
        ("count <95", (values < 95).sum()),
        ("share in 96-100", 100 * ((values >= 96) & (values <= 100)).mean()),
    ):
        found = rows(audit_with, "population", "efficiency", statistic)
        assert found["recomputed"].to_numpy() == pytest.approx(value), statistic
        assert set(found["basis"]) == {"imported runs"}


def test_a_failed_call_stays_in_the_reported_figures(
    audit_with: pd.DataFrame, with_runs: Sources
) -> None:
    """The question is what the original made of its runs; ours stand in their own columns."""
    found = rows(audit_with, "test005", "efficiency", "mean")
    runs = with_runs.config_runs(["test005"])
    assert found["recomputed"].to_numpy() == pytest.approx(
        float(runs["reported_efficiency_pct"].mean())
    )
    assert float(runs["balance_efficiency_pct"].mean()) > found["recomputed"].iloc[0] + 4


def test_the_stated_sign_decides(with_runs: Sources) -> None:
    """The report defines collector - insight; printing insight - collector is no excuse for it."""
    stored = with_runs.runs["reported_throughput_delta_tok_per_s"].astype("float64")
    table = with_runs.figures.table()
    lowest = table["metric"].eq("throughput_delta") & table["statistic"].eq("min")
    table.loc[lowest, "value"] = f"{stored.min():.2f}"
    evidence = gather(
        DATA / "published", Figures.from_table(table), with_runs.runs, with_runs.calls
    )
    (row,) = rows(claim_audit(evidence), "population", "throughput_delta", "min").to_dict("records")
    assert row["verdict"] == "contradicted"
    assert row["recomputed"] == pytest.approx(float((-stored).min()))
    assert "insight - collector" in row["explanation"]


def test_a_mode_is_counted_in_the_bin_that_is_printed(
    audit_with: pd.DataFrame, with_runs: Sources
) -> None:
    """`98-99 % (50+ runs)` is not right because another bin holds 50."""
    values = with_runs.runs["reported_efficiency_pct"].to_numpy("float64")
    inside, fuller = ((values >= 98) & (values < 99)).sum(), ((values >= 99) & (values < 100)).sum()
    assert inside < 50 < fuller
    (row,) = rows(audit_with, "population", "efficiency", "modal count").to_dict("records")
    assert (row["verdict"], row["recomputed"]) == ("contradicted", inside)


def test_formulas_are_tried_on_the_stored_parts(audit_with: pd.DataFrame) -> None:
    assert verdict(audit_with, "formula", "speedup", "rule", "seq/wall") == "reproduced"
    assert verdict(audit_with, "formula", "ttft_delta", "rule", "collector-insight") == "reproduced"
    (row, _) = rows(audit_with, "formula", "throughput_delta", "rule").to_dict("records")
    assert row["verdict"] == "contradicted"
    assert "stored insight - collector" in row["explanation"]


def test_neighbouring_bins_are_not_rounding(audit_with: pd.DataFrame) -> None:
    """99-100 is one unit off 98-99 at both ends, and another bin."""
    (row,) = rows(audit_with, "population", "efficiency", "modal bin").to_dict("records")
    assert (row["verdict"], row["recomputed_text"]) == ("contradicted", "99 to 100")


def test_differences_take_our_side_from_the_runs(
    audit_with: pd.DataFrame, with_runs: Sources
) -> None:
    """Python's side stays as printed; the best of a scenario is the best of its runs."""
    homo = with_runs.scenario_runs("chimera-homo")
    best = homo.groupby("config_id")["reported_efficiency_pct"].mean().max()
    found = rows(audit_with, "delta", "efficiency", "delta")
    found = found[found["value"].eq("-0.24")]
    assert found["recomputed"].to_numpy() == pytest.approx(float(best) - 99.25)
    sd = with_runs.runs["reported_efficiency_pct"].std() - 7.4
    found = rows(audit_with, "delta", "efficiency", "sd delta")
    assert found["recomputed"].to_numpy() == pytest.approx(float(sd))


def test_the_cause_is_read_from_the_failed_call(audit_with: pd.DataFrame) -> None:
    """The agent that failed had asked for no GPU layers at all."""
    (row,) = rows(audit_with, "test005", "root cause", "claim").to_dict("records")
    assert row["verdict"] == "contradicted"
    assert "the collector's report call, which asked for the server's default" in row["explanation"]


@pytest.mark.parametrize(("num_gpu", "word"), [(120, "reproduced"), (60, "contradicted")])
def test_a_cause_stands_if_the_failed_call_had_it(
    with_runs: Sources, num_gpu: int, word: str
) -> None:
    """Had the failed call asked for the layers that are blamed, the rule must say so."""
    calls = with_runs.calls.copy()
    calls.loc[calls["status"].eq("failed"), "num_gpu"] = num_gpu
    table = claim_audit(gather(DATA / "published", with_runs.figures, with_runs.runs, calls))
    assert verdict(table, "test005", "root cause", "claim", "GPU=120") == word


def test_contention_rates_by_hand(audit_with: pd.DataFrame, audit_without: pd.DataFrame) -> None:
    """The tree's failed call and its loop are flagged: 2 of 135; the report prints 1."""
    for table, flagged in ((audit_with, 2), (audit_without, 1)):
        rate = rows(table, "population", "contention", "rate")
        found = rate[rate["section"].eq("3.4")]["recomputed"]
        assert found.to_numpy() == pytest.approx(100 * flagged / 135)
    (mixed,) = rows(audit_with, "baseline-vs-chimera", "contention", "rate")["recomputed"]
    assert mixed == pytest.approx(100 / 35)


def test_what_is_set_gets_no_verdict_but_what_is_attained_beside_it(
    audit_with: pd.DataFrame, with_runs: Sources
) -> None:
    """A wish that the runs happen to meet is not reproduced, and one they miss not contradicted."""
    normative = audit_with[audit_with["verdict"].eq("normative")]
    assert set(normative["subject"]) == {
        "SLA", "population", "rollback", "rollout", "pilot", "TTFT delta",
    }  # fmt: skip
    assert len(normative) == 26
    stated = audit_with["statistic"].str.contains("target|trigger|threshold|^steps?$")
    assert set(audit_with.loc[stated, "verdict"]) == {"normative"}
    runs, calls = with_runs.runs, with_runs.calls
    for metric, value, attained in (
        ("speedup", "1.95", runs["reported_speedup"].mean()),
        ("efficiency", "98", runs["reported_efficiency_pct"].mean()),
        ("errors", "0.1", 100 / 540),
    ):
        found = rows(audit_with, "SLA", metric, "target")
        (row,) = found[found["value"].eq(value)].to_dict("records")
        assert row["recomputed"] == pytest.approx(float(attained))
        assert row["explanation"].startswith("set by the report, not found")
    (ttft,) = rows(audit_with, "SLA", "TTFT", "p95 target")["recomputed"]
    assert ttft == pytest.approx(np.quantile(calls["ttft_ms"], 0.95) / 1000)


def test_advice_without_support_in_the_runs(audit_with: pd.DataFrame) -> None:
    """The tree has no factor effects at all; an interval must say so."""
    for subject, metric, statistic in (
        ("gpu 120 mixed", "advice", "rule"),
        ("temp 0.6", "advice", "rule"),
        ("gpu 60/60 vs 60/80", "efficiency", "ranking"),
    ):
        (row,) = rows(audit_with, subject, metric, statistic).to_dict("records")
        assert row["verdict"] == "contradicted"
        assert "95 % interval" in row["explanation"]


def test_an_effect_that_is_there_is_found(with_runs: Sources) -> None:
    """The same rule on runs in which num_gpu 120 does cost balance."""
    heavy = with_runs.runs["config_id"].isin(["test005", "test006"])
    runs = with_runs.runs.assign(
        balance_efficiency_pct=with_runs.runs["balance_efficiency_pct"].where(
            ~heavy, with_runs.runs["balance_efficiency_pct"] - 10
        )
    )
    table = claim_audit(gather(DATA / "published", with_runs.figures, runs, with_runs.calls))
    assert verdict(table, "gpu 120 mixed", "advice", "rule", "avoid gpu 120") == "reproduced"


def test_one_missing_run_unchecks_what_needs_it(
    with_runs: Sources, audit_with: pd.DataFrame
) -> None:
    """A mean over 134 runs is not the published one; other configurations are checked as before."""
    gone = with_runs.runs["config_id"].eq("test001") & with_runs.runs["run_number"].eq(3)
    table = claim_audit(
        gather(DATA / "published", with_runs.figures, with_runs.runs[~gone], with_runs.calls)
    )
    (row,) = rows(table, "population", "ttft_delta", "min").to_dict("records")
    assert "134 are imported" in row["explanation"]
    peak = rows(table, "test001", "efficiency", "peak")
    assert "needs the 5 runs of test001, 4 are imported" in peak["explanation"].iloc[0]
    before, after = (rows(t, "test002", "efficiency", "peak") for t in (audit_with, table))
    assert list(before["verdict"]) == list(after["verdict"])


def test_published_figures_of_the_runs_at_hand_are_reproduced(with_runs: Sources) -> None:
    """Print what the runs give, at each figure's own decimals: no rule may then object."""
    table = with_runs.figures.table()
    audited = claim_audit(with_runs)
    numeric = (
        audited["basis"].eq("imported runs")
        & audited["recomputed"].notna()
        & audited["recomputed_high"].isna()
        & audited["bound"].eq("")
        & ~audited["value"].str.contains("-", regex=False)
        & ~audited["metric"].isin(["contention", "throughput_delta"])
        & ~audited["section"].eq("9.3")
        & ~audited["subject"].eq("rust vs python")  # its operands are chosen by printed figures
    )
    decimals = table["value"].str.partition(".")[2].str.len()
    table.loc[numeric, "value"] = [
        f"{value:.{places}f}"
        for value, places in zip(audited.loc[numeric, "recomputed"], decimals[numeric], strict=True)
    ]
    again = claim_audit(
        gather(DATA / "published", Figures.from_table(table), with_runs.runs, with_runs.calls)
    )
    assert numeric.sum() > 200
    assert set(again.loc[numeric, "verdict"]) == {"reproduced"}
