"""What the tests of the wing share: the shipped files, a full tree of 135 runs, the evidence."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from dualollama_pipeline.core.study import Study, load_study
from dualollama_pipeline.tr114.audit.audit import claim_audit, gather
from dualollama_pipeline.tr114.audit.evidence import Sources
from dualollama_pipeline.tr114.audit.figures import Figures, load_figures
from dualollama_pipeline.tr114.commands import imported_tables
from dualollama_pipeline.tr114.costs.cost_inputs import CostInputs, load_cost_inputs
from dualollama_pipeline.tr114.imported.folder import RunFolder, read_folder
from dualollama_pipeline_tests.tr114.imported.original_tree import write_tree

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture(scope="session")
def figures() -> Figures:
    return load_figures(DATA / "published" / "figures.csv")


@pytest.fixture(scope="session")
def figure_table(figures: Figures) -> pd.DataFrame:
    return figures.table()


@pytest.fixture(scope="session")
def inputs() -> CostInputs:
    return load_cost_inputs(DATA / "cost.yaml")


@pytest.fixture(scope="session")
def reported() -> CostInputs:
    return load_cost_inputs(DATA / "published" / "costs.yaml")


@pytest.fixture(scope="session")
def matrix() -> Study:
    return load_study(DATA / "studies" / "tr114" / "study.yaml")


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tree(tmp_path_factory.mktemp("originals"))


@pytest.fixture(scope="session")
def folder(tree: Path) -> RunFolder:
    return read_folder(tree)


@pytest.fixture(scope="session")
def imported(folder: RunFolder) -> tuple[pd.DataFrame, pd.DataFrame]:
    """135 runs in the original's layout, made by arithmetic of our own."""
    return imported_tables(folder)


@pytest.fixture(scope="session")
def nothing_imported() -> tuple[pd.DataFrame, pd.DataFrame]:
    return imported_tables(None)


@pytest.fixture(scope="session")
def with_runs(figures: Figures, imported: tuple[pd.DataFrame, pd.DataFrame]) -> Sources:
    runs, calls = imported
    return gather(DATA / "published", figures, runs, calls)


@pytest.fixture(scope="session")
def without_runs(figures: Figures, nothing_imported: tuple[pd.DataFrame, pd.DataFrame]) -> Sources:
    runs, calls = nothing_imported
    return gather(DATA / "published", figures, runs, calls)


@pytest.fixture(scope="session")
def audit_with(with_runs: Sources) -> pd.DataFrame:
    return claim_audit(with_runs)


@pytest.fixture(scope="session")
def audit_without(without_runs: Sources) -> pd.DataFrame:
    return claim_audit(without_runs)
