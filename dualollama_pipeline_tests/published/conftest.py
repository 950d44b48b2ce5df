"""What the tests of this room share: a full tree of 135 runs, its tables, and the evidence."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from dualollama_pipeline.published.audit import claim_audit, gather
from dualollama_pipeline.published.commands import imported_tables
from dualollama_pipeline.published.evidence import Evidence
from dualollama_pipeline.published.figures import Figures, load_figures
from dualollama_pipeline.published.folder import RunFolder, read_folder
from dualollama_pipeline_tests.published.original_tree import write_tree

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture(scope="session")
def figures() -> Figures:
    return load_figures(DATA / "published" / "figures.csv")


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tree(tmp_path_factory.mktemp("originals"))


@pytest.fixture(scope="session")
def folder(tree: Path) -> RunFolder:
    return read_folder(tree)


@pytest.fixture(scope="session")
def imported(folder: RunFolder) -> tuple[pd.DataFrame, pd.DataFrame]:
    return imported_tables(folder)


@pytest.fixture(scope="session")
def with_runs(figures: Figures, imported: tuple[pd.DataFrame, pd.DataFrame]) -> Evidence:
    runs, calls = imported
    return gather(DATA / "published", figures, runs, calls)


@pytest.fixture(scope="session")
def without_runs(figures: Figures) -> Evidence:
    runs, calls = imported_tables(None)
    return gather(DATA / "published", figures, runs, calls)


@pytest.fixture(scope="session")
def audit_with(with_runs: Evidence) -> pd.DataFrame:
    return claim_audit(with_runs)


@pytest.fixture(scope="session")
def audit_without(without_runs: Evidence) -> pd.DataFrame:
    return claim_audit(without_runs)
