"""The audit on no runs and on 135: every figure a row, verdicts that follow from the numbers."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pandas as pd
import pytest

from dualollama_pipeline.tables.conform import conform
from dualollama_pipeline.tr114.audit import (
    audit,
    rules_claims,
    rules_comparison,
    rules_costs,
    rules_design,
    rules_results,
    rules_sources,
    rules_targets,
    rules_throughput,
)
from dualollama_pipeline.tr114.audit.audit import (
    RULES,
    claim_audit,
    gather,
    rule_for,
    verdict_counts,
)
from dualollama_pipeline.tr114.audit.evidence import Sources
from dualollama_pipeline.tr114.audit.figures import Figures
from dualollama_pipeline_tests.tr114.conftest import DATA

MODULES = [
    audit,
    rules_claims,
    rules_comparison,
    rules_costs,
    rules_design,
    rules_results,
    rules_sources,
    rules_targets,
    rules_throughput,
]


def rows(table: pd.DataFrame, subject: str, metric: str, statistic: str) -> pd.DataFrame:
    found = table[
        table["subject"].eq(subject) & table["metric"].eq(metric) & table["statistic"].eq(statistic)
    ]
    assert len(found) > 0
    return found


def verdict(table: pd.DataFrame, subject: str, metric: str, statistic: str, value: str) -> str:
    found = rows(table, subject, metric, statistic)
    words = set(found.loc[found["value"].eq(value), "verdict"])
    assert len(words) == 1
    return words.pop()


# --- rules ---------------------------------------------------------------------------------------


def test_every_figure_has_a_rule_and_every_rule_a_figure(figures: Figures) -> None:
    """A figure without a rule would silently be `not checkable`; a rule without one is dead."""
    chosen = [rule_for(figure) for figure in figures]
    assert [f.claim_id for f, rule in zip(figures, chosen, strict=True) if rule is None] == []
    used = {id(rule) for rule in chosen}
    assert [rule for rule in RULES if id(rule) not in used] == []


def test_no_rule_names_a_claim() -> None:
    """A verdict written for one claim is no rule."""
    for module in MODULES:
        source = inspect.getsource(module)
        assert re.search(r"\bC\d{3}\b", source) is None, module.__name__
        assert "claim_id" not in source.replace("claim_audit", ""), module.__name__


def test_verdicts_do_not_depend_on_names_or_order(without_runs: Sources, figures: Figures) -> None:
    """Renamed claims are judged alike."""
    renamed = figures.table().assign(claim_id=[f"X{n}" for n in range(len(figures))])
    again = gather(
        DATA / "published", Figures.from_table(renamed), without_runs.runs, without_runs.calls
    )
    assert list(claim_audit(again)["verdict"]) == list(claim_audit(without_runs)["verdict"])


# --- both tables ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["audit_with", "audit_without"])
def test_every_figure_gets_a_row_with_a_reason(name: str, request: pytest.FixtureRequest) -> None:
    table = conform("claim_audit", request.getfixturevalue(name))
    assert len(table) == 630
    assert (table["explanation"].str.len() > 10).all()
    unchecked = table["verdict"].eq("not checkable")
    assert table.loc[unchecked, "recomputed"].isna().all()
    judged = ~unchecked & table["verdict"].ne("normative")
    assert (table.loc[judged, "basis"] != "none").all()


def test_counts(audit_without: pd.DataFrame, audit_with: pd.DataFrame) -> None:
    """With all runs only other reports' figures, and the report's inputs, stay unchecked."""
    without, complete = verdict_counts(audit_without), verdict_counts(audit_with)
    assert sum(without.values()) == sum(complete.values()) == 630
    assert without["not checkable"] > complete["not checkable"]
    left = audit_with[audit_with["verdict"].eq("not checkable")]["explanation"]
    others, inputs = left.str.startswith("rests on TR1"), left.str.startswith("an assumption")
    assert list(audit_with.loc[left.index[~(others | inputs)], "subject"]) == ["RAM"]
    # 4 overheads, 3 x 3 costs to build, 3 x 2 to keep, the executions of the cost scenario
    assert inputs.sum() == 4 + 9 + 6 + 1


def test_without_runs_what_needs_them_says_so(audit_without: pd.DataFrame) -> None:
    (row,) = rows(audit_without, "population", "throughput_delta", "min").to_dict("records")
    assert row["verdict"] == "not checkable"
    assert "needs the 135 runs of 27 configurations, 0 are imported" in row["explanation"]
    assert "imported runs" not in set(audit_without["basis"])


# --- the report's own arithmetic -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("which", "value", "word", "number"),
    [
        # 8.2: (400 - 185) / 400
        (("hybrid vs python", "savings", "share"), "64", "internally inconsistent", 53.75),
        (("hybrid vs rust", "savings", "share"), "8", "reproduced", 7.5),
        (("cost", "savings", "annual"), "2400", "reproduced", 2400),
        # 8.3: 41 - 33
        (("hybrid vs rust", "dev cost", "delta"), "19", "internally inconsistent", 8),
        (("hybrid vs rust", "dev cost", "delta"), "8", "reproduced", 8),
        (("hybrid evolution", "dev cost", "delta"), "19", "internally inconsistent", 8),
        (("hybrid vs python", "dev cost", "delta"), "19", "reproduced", 19),
        (("hybrid", "5-year TCO", "sum"), "68.6", "reproduced", 68.6),  # 41 + 5 x 5.52
        (("rust vs python", "TCO", "share"), "13", "reproduced", 100 * 9 / 67),
        # 8.4: 12 x 11 / 4 and 12 x 19 / 3.48 = 65.52
        (("rust vs python", "break-even", "months"), "33", "reproduced", 33),
        (("hybrid vs python", "break-even", "months"), "65", "rounding", 65.5172),
        (("rust vs python", "break-even", "years"), "3", "internally inconsistent", 2.75),
        (("hybrid vs rust", "ops", "annual saving"), "-520", "reproduced", -520),
        # 5.2: 114.54 / 99.34, 75 / 250, 0.2 / 1.5
        (("rust vs python", "throughput", "delta"), "15.2", "rounding", 15.301),
        (("rust vs python", "throughput", "delta"), "15", "reproduced", 15.301),
        (("rust vs python", "TTFT", "delta"), "-58.0", "reproduced", -58.0376),
        (("rust vs python", "memory", "delta"), "-67", "internally inconsistent", -70),
        (("rust vs python", "memory", "delta"), "67", "internally inconsistent", 70),
        (("rust vs python", "startup", "delta"), "-83", "internally inconsistent", -86.6667),
        # 1.1: 95.7 - 82.2
        (("TR114 v1", "efficiency", "delta vs TR113"), "17.3", "internally inconsistent", 13.5),
        (("python TR110", "efficiency", "cv"), "7.7", "reproduced", 7.7244),  # 7.4 / 95.8
        (("overhead", "total", "high"), "380", "reproduced", 380),
        (("overhead", "total", "range"), "0.18-0.38", "reproduced", 0.18),
        (("campaign", "runs", "sum"), "285", "reproduced", 285),
    ],
)
def test_arithmetic_needs_no_runs(
    request: pytest.FixtureRequest,
    which: tuple[str, str, str],
    value: str,
    word: str,
    number: float,
) -> None:
    for name in ("audit_without", "audit_with"):
        found = rows(request.getfixturevalue(name), *which)
        found = found[found["value"].eq(value)]
        assert set(found["verdict"]) == {word}
        assert found["recomputed"].to_numpy() == pytest.approx(number, abs=1e-3)


@pytest.mark.parametrize(
    ("subject", "metric", "statistic", "value", "word"),
    [
        ("test001", "efficiency", "mean", "97.41", "reproduced"),  # 50 x 1.9481
        # 99.396 - 99.25, and 99.992 - 99.25
        ("rust vs python", "efficiency", "delta of best configs", "0.15", "reproduced"),
        ("delta", "efficiency", "delta", "0.74", "reproduced"),
        ("delta", "efficiency", "delta", "-2.5", "reproduced"),  # 4.9 - 7.4
        ("delta", "efficiency", "delta", "-0.24", "internally inconsistent"),  # test018: 99.356
        ("delta", "contention", "delta", "-10-14", "rounding"),  # 0.74 - 10 = -9.26
        ("population", "efficiency", "std", "4.9", "reproduced"),  # 50 x 0.098
        ("population", "efficiency", "median", "98.6", "internally inconsistent"),  # 50 x 1.977
        ("population", "efficiency", "max", "99.98", "internally inconsistent"),  # 99.992
        ("population", "efficiency", "p5", "88.9", "internally inconsistent"),  # 3 below 95 %
        ("population", "efficiency", "skew", "right", "internally inconsistent"),
        ("test004/test006", "efficiency", "peak", "99.992", "internally inconsistent"),
        ("Tier 3 (test004)", "efficiency", "peak", "99.992", "internally inconsistent"),
        ("test004", "efficiency", "peak", "99.96", "internally inconsistent"),  # 99.487
        ("test108", "efficiency", "peak", "99.990", "rounding"),
        ("test108", "peak run index", "index", "4", "internally inconsistent"),
        ("chimera-hetero", "efficiency", "mean", "98.79", "reproduced"),
        ("chimera-hetero", "efficiency", "peak", "99.57", "internally inconsistent"),  # 99.90
        ("chimera-homo", "efficiency", "best config", "99.01", "internally inconsistent"),
        ("test018", "num_gpu", "config", "80/80", "contradicted"),
        ("GPU CUDA cores", "hardware", "spec", "9728", "contradicted"),
        ("CPU cores", "hardware", "spec", "24", "reproduced"),
        ("Ollama", "version", "spec", "0.1.17", "contradicted"),
        ("python", "TCO rank", "claim", "highest cost", "internally inconsistent"),
        ("hetero vs homo", "efficiency", "mean delta", "1-2", "internally inconsistent"),
        ("SLA", "latency", "p95 target", "2", "normative"),
        ("rollback", "errors", "trigger", "1", "normative"),
        ("TR115", "runtimes", "count", "5", "not checkable"),  # four are listed, not all five
        ("rust dev", "Initial Development", "cost", "25", "not checkable"),  # an input of 33
        ("rust dev", "total", "sum", "33", "reproduced"),  # 25 + 7 + 1
        ("overhead", "HTTP", "estimate", "100-200", "not checkable"),
        ("python TR110", "efficiency", "mean", "95.8", "not checkable"),
        ("TR113", "contention", "rate", "63", "not checkable"),
    ],
)
def test_figures_check_each_other(
    audit_without: pd.DataFrame, subject: str, metric: str, statistic: str, value: str, word: str
) -> None:
    assert verdict(audit_without, subject, metric, statistic, value) == word


def test_a_differing_twin_is_told_without_taking_sides(audit_without: pd.DataFrame) -> None:
    """The mean is right and the speedup beside it is wrong, but only the runs can say so."""
    found = rows(audit_without, "population", "efficiency", "mean")
    assert set(found["verdict"]) == {"internally inconsistent"}
    assert found["explanation"].str.contains("only the runs say which").all()
    # what section 3.1 states is the reference, not the summary that comes first
    assert found["explanation"].str.contains("line 227 states 98.281", regex=False).sum() == 11


# --- on runs -------------------------------------------------------------------------------------


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
