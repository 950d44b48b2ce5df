"""The linter and what the data say of it. The trap: a rule that stays because nobody looked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from dualollama_pipeline.advice.lint import RULES, lint_configuration, lint_deployment
from dualollama_pipeline.core.study import Study
from dualollama_pipeline.metrics.catalog import APART_AGAINST_SHARED
from dualollama_pipeline.statistics.contrasts import contrasts
from dualollama_pipeline.statistics.estimate import population_statistics
from dualollama_pipeline.statistics.factors import factor_effects
from dualollama_pipeline.tables.conform import conform
from dualollama_pipeline.tr114.choices.anti_patterns import (
    Statistics,
    anti_patterns,
    imported_samples,
)
from dualollama_pipeline_tests.statistics.campaign import joined, one, rows

Imported = tuple[pd.DataFrame, pd.DataFrame]
Judge = Callable[..., pd.DataFrame]
SLOW = [0.80, 0.81, 0.79, 0.805, 0.795]
FAST = [value * 1.5 for value in SLOW]


def test_the_linter_finds_what_the_report_warns_of(matrix: Study) -> None:
    """Section 7.3 names test005 and test100; the rules fire on their like, and on no other."""
    hits = {
        rule.name: [
            each.config_id for each in matrix.configurations if rule in lint_configuration(each)
        ]
        for rule in RULES
    }
    assert hits["AP1"] == ["test005", "test006"]
    assert hits["AP2"] == hits["BP3"] == ["test100", "test103", "test106"]
    assert hits["AP4"] == ["test013", "test014"]
    assert {"test013", "test201"} <= set(hits["BP2"])
    assert not {"test001", "test011"} & set(hits["BP2"])
    assert hits["AP3"] == hits["BP5"] == []


def test_one_server_for_two_agents_is_found() -> None:
    one_server = ("http://localhost:11434", "http://LOCALHOST:11434/")
    assert [rule.name for rule in lint_deployment(one_server)] == ["AP3", "BP1"]
    assert lint_deployment(("http://localhost:11434", "http://localhost:11435")) == []
    assert lint_deployment((None, None)) == []


@pytest.fixture
def judge(matrix: Study, nothing_imported: Imported) -> Judge:
    """Rules against samples: test004 is num_gpu 80 beside a default agent, test006 is 120."""

    def made(*parts: pd.DataFrame, imported: pd.DataFrame | None = None) -> pd.DataFrame:
        samples = joined(*parts)
        found = Statistics(
            conform("contrasts", contrasts(samples)),
            conform("factor_effects", factor_effects(samples, matrix)),
            conform("population_statistics", population_statistics(samples)),
        )
        runs = nothing_imported[0] if imported is None else imported
        return conform("anti_patterns", anti_patterns(found, runs, matrix, matrix))

    return made


def mixed(of_80: list[float], of_120: list[float], **changes: Any) -> list[pd.DataFrame]:
    changes = {"scenario": "baseline_vs_chimera", **changes}
    return [rows("test004", of_80, **changes), rows("test006", of_120, **changes)]


def test_a_rule_is_supported_by_the_difference_that_it_claims(judge: Judge) -> None:
    """AP1 says that 120 is worse than 80; 0.8 / 1.2 is."""
    found = one(judge(*mixed(FAST, SLOW)), rule="AP1")
    assert (found["verdict"], found["would_be"]) == ("supported", "supported")
    assert found["statistical_verdict"] == "worse"
    assert found["value"] == pytest.approx(1 / 1.5)
    assert found["n"] == 10
    assert found["evidence"] == "measured"


def test_a_rule_is_not_supported_by_the_opposite(judge: Judge) -> None:
    """A clear difference the other way is no support."""
    found = one(judge(*mixed(SLOW, FAST)), rule="AP1")
    assert (found["verdict"], found["statistical_verdict"]) == ("not supported", "better")
    assert found["value"] == pytest.approx(1.5)


def test_simulated_data_support_nothing(judge: Judge) -> None:
    """Whatever the simulator was told is no finding; what it would be stands beside it."""
    found = one(judge(*mixed(FAST, SLOW, origin="simulated")), rule="AP1")
    assert (found["verdict"], found["would_be"]) == ("illustration", "supported")
    assert found["evidence"] == "illustration"


def test_equal_by_definition_is_no_support(judge: Judge) -> None:
    """60 and 80 layers of a model that has 35 load the same: AP4 cannot be right there."""
    same = {"effective_class": "both load 35 layers"}
    table = judge(rows("test013", SLOW, **same), rows("test015", SLOW, **same))
    found = one(table, rule="AP4")
    assert found["verdict"] == "not supported"
    assert "by definition" in found["finding"]
    assert found["n"] == 0


def test_what_was_not_run_is_not_testable(judge: Judge) -> None:
    table = judge(*mixed(SLOW, FAST))
    for rule in ("AP2", "AP3", "AP4", "BP1", "BP2", "BP3", "BP4", "BP5"):
        assert one(table, rule=rule)["verdict"] == "not testable", rule
    assert "nothing that was run compares this" in one(table, rule="AP2")["finding"]


def test_undetermined_is_not_testable(judge: Judge) -> None:
    """Two blocks a side say nothing: neither for the rule nor against it."""
    found = one(judge(*mixed(SLOW[:2], FAST[:2])), rule="AP1")
    assert (found["verdict"], found["statistical_verdict"]) == ("not testable", "undetermined")


def test_one_server_stands_apart_where_it_reloads(judge: Judge) -> None:
    """Two servers lose by a third without reloads, and win with them: both are said."""
    key = APART_AGAINST_SHARED
    table = judge(
        rows("test015", [value / 1.2 for value in SLOW], key),
        rows("test011", FAST, key, pools=False, scenario="chimera_hetero"),
        rows("test015", SLOW),
    )
    found = one(table, rule="AP3")
    assert (found["verdict"], found["statistical_verdict"]) == ("not supported", "worse")
    assert "where one server reloads the model between agents: better, 1.2" in found["finding"]


def test_imported_runs_are_held_against_by_balance(judge: Judge, imported: Imported) -> None:
    """All that they hold; the failed run of test005 does not count."""
    table = judge(*mixed(SLOW, FAST), imported=imported[0])
    found = one(table, rule="AP1", origin="imported")
    assert found["metric"] == "balance_efficiency_pct"
    assert found["evidence"] == "imported"
    assert found["n"] == 10 + 5 + 9  # test004 and test003 = test202 with 80; test005, test006
    assert one(table, rule="AP3", origin="imported")["verdict"] == "not testable"
    assert len(table) == 2 * len(RULES)


def test_samples_of_imported_runs(imported: Imported, matrix: Study) -> None:
    samples = imported_samples(imported[0], matrix)
    assert (len(samples), int(samples["counts"].sum())) == (135, 134)
    classes = dict(zip(samples["config_id"], samples["effective_class"], strict=True))
    assert classes["test202"] == classes["test003"] == "test003"
