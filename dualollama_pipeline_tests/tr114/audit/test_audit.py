"""The audit on no runs and on 135: every figure a row, verdicts that follow from the numbers."""

from __future__ import annotations

import inspect
import re

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
