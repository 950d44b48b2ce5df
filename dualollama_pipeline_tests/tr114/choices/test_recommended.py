"""Tiers as TOML, read back by tomllib and by `measure --agents`."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pandas as pd
import pytest

from dualollama_pipeline.advice.candidates import Candidate
from dualollama_pipeline.advice.recommended import write_recommended
from dualollama_pipeline.core.agents_file import read_agents_file
from dualollama_pipeline.core.errors import TableError
from dualollama_pipeline.core.study import Study
from dualollama_pipeline.tables.conform import conform
from dualollama_pipeline.tr114.choices.tiers import configuration_tiers
from dualollama_pipeline_tests.tr114.choices.choices import candidate

Imported = tuple[pd.DataFrame, pd.DataFrame]


def written(
    folder: Path, matrix: Study, imported: Imported, *candidates: Candidate
) -> dict[str, Path]:
    tiers = conform("configuration_tiers", configuration_tiers(candidates, imported[0], matrix))
    return {path.name: path for path in write_recommended(tiers, matrix, folder)}


def test_each_tier_is_read_back_as_the_configuration_that_it_names(
    tmp_path: Path, matrix: Study, nothing_imported: Imported
) -> None:
    """Homo as [agents], default options as an empty table, the rest as two tables."""
    files = written(
        tmp_path, matrix, nothing_imported,
        candidate("test011", speedup=1.3, ttft_ms=900),
        candidate("test108", speedup=1.3, ttft_ms=200, gb=9),
        candidate("test004", speedup=0.9, gb=5),
    )  # fmt: skip
    expected = {
        "maximum_efficiency": "test011",
        "balanced": "test108",
        "resource_constrained": "test004",
    }
    assert set(files) == {f"{tier}.toml" for tier in expected}
    for tier, config_id in expected.items():
        read = read_agents_file(files[f"{tier}.toml"])
        wanted = matrix.get(config_id)
        assert read.configuration.specs == wanted.specs
        assert read.configuration.scenario == wanted.scenario
        assert read.urls == ("http://localhost:11434", "http://localhost:11435")
    homo = tomllib.loads(files["balanced.toml"].read_text(encoding="utf-8"))
    assert set(homo) == {"agents", "expected"}
    mixed = tomllib.loads(files["resource_constrained.toml"].read_text(encoding="utf-8"))
    assert mixed["agent_a"] == {"base_url": "http://localhost:11434"}


def test_expected_figures_have_n_and_interval(
    tmp_path: Path, matrix: Study, nothing_imported: Imported
) -> None:
    files = written(
        tmp_path, matrix, nothing_imported, candidate("test001"), candidate("test015", "test200")
    )
    expected = tomllib.loads(files["maximum_efficiency.toml"].read_text(encoding="utf-8"))[
        "expected"
    ]
    for name in ("weighted_speedup", "ttft_ms", "balance_efficiency_pct", "balance_contention_pct"):
        assert expected[f"{name}_low"] <= expected[name] <= expected[f"{name}_high"]
        assert expected[f"n_{name}"] == 11
    assert {*expected["equal_to_it"], *expected["not_separated_from"]} == {
        "test001", "test015", "test200",
    }  # fmt: skip
    assert expected["level"] == 0.95


def test_a_file_from_the_simulator_says_so(
    tmp_path: Path, matrix: Study, nothing_imported: Imported
) -> None:
    files = written(tmp_path, matrix, nothing_imported, candidate("test001", origin="simulated"))
    text = files["balanced.toml"].read_text(encoding="utf-8")
    assert text.count("# SIMULATED, an illustration") == 1
    assert tomllib.loads(text)["expected"]["evidence"] == "illustration"


def test_a_tier_that_is_no_longer_recommended_leaves_no_file(
    tmp_path: Path, matrix: Study, nothing_imported: Imported
) -> None:
    """Last month's recommendation would be measured as today's."""
    written(tmp_path, matrix, nothing_imported, candidate("test001"))
    assert written(tmp_path, matrix, nothing_imported, candidate("test001", n_failed=11)) == {}
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written(
    tmp_path: Path, matrix: Study, nothing_imported: Imported
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(TableError, match="way out"):
        written(tmp_path / "file", matrix, nothing_imported, candidate("test001"))
