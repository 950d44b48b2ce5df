"""What the tests of this room share: the files as they are shipped, and the report's figures."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from dualollama_pipeline.core.matrix import Matrix, load_matrix
from dualollama_pipeline.decisions.cost_inputs import CostInputs, load_cost_inputs
from dualollama_pipeline.published.commands import imported_tables
from dualollama_pipeline.published.figures import load_figures
from dualollama_pipeline.published.folder import read_folder
from dualollama_pipeline_tests.published.original_tree import write_tree

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture(scope="session")
def inputs() -> CostInputs:
    return load_cost_inputs(DATA / "cost.yaml")


@pytest.fixture(scope="session")
def matrix() -> Matrix:
    return load_matrix(DATA / "matrix.yaml")


@pytest.fixture(scope="session")
def figures() -> pd.DataFrame:
    return load_figures(DATA / "published" / "figures.csv").table()


@pytest.fixture(scope="session")
def imported(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, pd.DataFrame]:
    """135 runs in the original's layout, made by arithmetic of our own."""
    return imported_tables(read_folder(write_tree(tmp_path_factory.mktemp("originals"))))


@pytest.fixture(scope="session")
def nothing_imported() -> tuple[pd.DataFrame, pd.DataFrame]:
    return imported_tables(None)
