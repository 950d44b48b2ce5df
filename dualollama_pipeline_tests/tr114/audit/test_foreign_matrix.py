"""The audit is about TR114: what the user measures, and with which matrix, turns no verdict."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.tables.conform import conform
from dualollama_pipeline.tr114.audit.evidence import Sources, load_plan
from dualollama_pipeline.tr114.commands import audit_lines, import_folder
from dualollama_pipeline.tr114.comparison.comparison import runtime_comparison
from dualollama_pipeline.tr114.comparison.critique import method_critique
from dualollama_pipeline_tests.tr114.conftest import DATA
from dualollama_pipeline_tests.tr114.imported.original_tree import write_tree

OWN = "- {{config_id: {name}, scenario: chimera_homo, collector: {{}}, insight: {{}}}}\n"
TR114 = (DATA / "published" / "plan.yaml").read_text(encoding="utf-8")


def own(n: int) -> str:
    return "".join(OWN.format(name=f"mine{number}") for number in range(n))


FOREIGN = {
    "one of my own": "configurations:\n" + own(1),
    "two of my own": "configurations:\n" + own(2),
    "forty of my own": "configurations:\n" + own(40),
    "one more than TR114": TR114 + "  " + OWN.format(name="test203"),
    "damaged": "configurations: [",
}


def audited(data: Path, warehouse: Path) -> Any:
    (text,) = audit_lines(Settings(data=data, warehouse=warehouse), as_json=True)
    return json.loads(text)


@pytest.fixture(scope="module", params=["imported", "nothing imported"])
def warehouse(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A warehouse that holds an import and nothing else, or nothing at all."""
    folder = tmp_path_factory.mktemp("only-an-import")
    if request.param == "imported":
        runs = write_tree(folder / "originals", ["test004", "test005", "test108"])
        import_folder(Settings(warehouse=folder / "warehouse"), runs)
    return folder / "warehouse"


@pytest.fixture(scope="module")
def as_shipped(warehouse: Path) -> Any:
    return audited(DATA, warehouse)


@pytest.mark.parametrize("matrix", FOREIGN.values(), ids=FOREIGN.keys())
def test_no_verdict_depends_on_the_users_matrix(
    matrix: str, warehouse: Path, as_shipped: Any, tmp_path: Path
) -> None:
    """An added configuration turned ten verdicts; without test004 there was none at all."""
    shutil.copytree(DATA / "published", tmp_path / "published")
    (tmp_path / "matrix.yaml").write_text(matrix, encoding="utf-8")
    assert audited(tmp_path, warehouse) == as_shipped
    assert sum(as_shipped["counts"].values()) == 630


def test_gaps_are_those_of_tr114s_plan(tmp_path: Path) -> None:
    shutil.copytree(DATA / "published", tmp_path / "published")
    (tmp_path / "matrix.yaml").write_text(FOREIGN["one of my own"], encoding="utf-8")
    settings = Settings(data=tmp_path, warehouse=tmp_path / "warehouse")
    lines = import_folder(settings, write_tree(tmp_path / "originals", ["test013"]))
    assert not [line for line in lines if "mine0" in line or "not a configuration" in line]


def test_the_plan_is_that_of_the_report() -> None:
    plan = load_plan(DATA / "published")
    assert len(plan.config_ids) == 27
    assert (plan.config_ids[0], plan.config_ids[-1]) == ("test001", "test202")


@pytest.mark.parametrize("columns", [(), ("metric", "value", "config_id")], ids=["none", "some"])
def test_nothing_measured_is_no_row_and_no_error(
    with_runs: Sources, without_runs: Sources, columns: tuple[str, ...]
) -> None:
    """A warehouse that holds only an import has empty tables, with or without their columns."""
    nothing = pd.DataFrame(columns=list(columns))
    for evidence in (with_runs, without_runs):
        critique = method_critique(evidence.runs, evidence.calls)
        made = conform("runtime_comparison", runtime_comparison(evidence, critique, *[nothing] * 2))
        assert not made["topic"].eq("this machine").any()


def test_runs_whose_calls_all_failed_show_nothing_and_say_so(with_runs: Sources) -> None:
    runs = with_runs.runs.assign(is_clean=False)
    critique = method_critique(runs, with_runs.calls.assign(status="failed"))
    said = critique[critique["finding"].eq("hypothesis")]
    assert said.loc[said["unit"].isin(["tok/s", "ms", "% CV of tokens"]), "value"].isna().all()
    assert not said["statement"].str.contains("nan").any()
    assert said["statement"].str.contains("too few calls").sum() == 2
