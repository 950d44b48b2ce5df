"""From the command line and in the graph: import, audit, and assets with or without an import."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pytest

from dualollama_pipeline.cli import main as cli
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.defs.assets.computed import computed
from dualollama_pipeline.defs.io_managers import TableIOManager
from dualollama_pipeline.defs.resources import Bench
from dualollama_pipeline.tables.store import TableStore
from dualollama_pipeline_tests.tr114.imported.original_tree import write_tree

ASSETS = ["published_figures", "imported_calls", "imported_runs", "claim_audit", "method_critique"]


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DUALOLLAMA_WAREHOUSE", str(tmp_path / "warehouse"))
    return tmp_path / "warehouse"


def audit(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert cli.main(["audit", "--json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_audit_works_before_any_import(warehouse: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = audit(capsys)
    assert (found["imported"], found["n_runs"], len(found["figures"])) == (None, 0, 630)
    assert sum(found["counts"].values()) == 630
    assert not warehouse.exists()  # asking changes nothing


@pytest.mark.usefixtures("warehouse")
def test_audit_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["audit"]) == 0
    said = capsys.readouterr().out
    assert "imported: nothing imported; `dualollama import DIR`" in said
    assert (
        "INTERNALLY INCONSISTENT: printed 64, 100 x (of python - of hybrid) / of python: 53.75"
        in said
    )
    assert "630 published figures:" in said


def test_import_then_audit(
    warehouse: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = write_tree(tmp_path / "originals", ["test005", "test100"])
    (folder / "chimera-homo/test100/run_3/metrics.json").write_text("{")
    assert cli.main(["import", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "originals: 9 runs of 2 configurations" in said
    assert "not read: chimera-homo/test100/run_3/metrics.json: cannot be read as JSON" in said
    assert "gaps: test100: run 3 missing" in said
    assert "test005 run 4: collector report failed (no final record" in said
    store = TableStore(Warehouse(warehouse).tables)
    assert len(store.load("imported_runs")) == 9
    assert len(store.load("imported_calls")) == 36
    found = audit(capsys)
    assert (found["imported"], found["n_runs"]) == ("originals", 9)
    bases = {f["basis"] for f in found["figures"] if f["subject"] == "test005"}
    assert "imported runs" in bases


def test_what_became_of_the_copy_is_said(
    warehouse: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """133 of 135 runs were audited, and nobody was told."""
    assert (
        cli.main(["import", str(write_tree(tmp_path / "originals", ["test005", "test013"]))]) == 0
    )
    copies = sorted((warehouse / "imported").rglob("metrics.json"))
    copies[0].unlink()
    copies[7].write_text("{}")
    capsys.readouterr()
    assert cli.main(["audit"]) == 0
    said = capsys.readouterr().out
    assert (
        "the imported copy has changed since: 8 of 10 runs are as imported; changed: "
        "baseline-vs-chimera/test005/run_1/metrics.json (gone), "
        "chimera_homo/test013/run_3/metrics.json; import again" in said
    )
    for copy in copies[1:]:
        copy.unlink()
    found = audit(capsys)
    assert (found["n_runs"], len(found["changed"])) == (0, 10)
    assert cli.main(["audit"]) == 0
    assert "0 of 10 runs are as imported" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["nowhere", "."])
def test_a_wrong_folder_is_bad_input(
    warehouse: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert cli.main(["import", str(tmp_path / name)]) == 2
    said = capsys.readouterr().err
    assert "way out:" in said
    assert not warehouse.exists()


def materialize(warehouse: Path) -> dg.ExecuteInProcessResult:
    settings = Settings(warehouse=warehouse)
    definitions = dg.Definitions(
        assets=[asset for asset in computed if asset.key.path[-1] in ASSETS],
        jobs=[dg.define_asset_job("audit_job", selection=ASSETS)],
        resources={"bench": Bench(settings), "io_manager": TableIOManager(settings)},
        executor=dg.in_process_executor,
    )
    with dg.DagsterInstance.ephemeral() as instance:
        job = definitions.resolve_job_def("audit_job")
        return job.execute_in_process(instance=instance)


def metadata(result: dg.ExecuteInProcessResult, name: str) -> dict[str, Any]:
    (event,) = result.asset_materializations_for_node(name)
    return {key: value.value for key, value in event.metadata.items()}


def table(warehouse: Path, name: str) -> pd.DataFrame:
    return TableStore(Warehouse(warehouse).tables).load(name)


def test_assets_without_an_import(tmp_path: Path) -> None:
    """Empty tables with a reason, and the audit all the same."""
    result = materialize(tmp_path)
    assert metadata(result, "imported_runs")["source"].startswith("nothing imported")
    assert metadata(result, "claim_audit")["imported runs"] == 0
    assert len(table(tmp_path, "claim_audit")) == 630
    assert len(table(tmp_path, "imported_runs")) == len(table(tmp_path, "method_critique")) == 0


def test_assets_rebuild_from_the_imported_copies(
    warehouse: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The tables of the command and of the graph are one."""
    assert cli.main(["import", str(write_tree(tmp_path / "originals", ["test100"]))]) == 0
    capsys.readouterr()
    before = table(warehouse, "imported_runs")
    result = materialize(warehouse)
    pd.testing.assert_frame_equal(table(warehouse, "imported_runs"), before)
    found = metadata(result, "imported_runs")
    assert found["source"] == "originals: 5 runs of 1 configurations"
    assert "test101, test102, test105" in found["gaps"]
    assert metadata(result, "claim_audit")["imported runs"] == 5


def test_lineage_from_file_to_verdict() -> None:
    """What a verdict rests on must be seen in the graph."""
    deps = {
        asset.key.path[-1]: {dep.path[-1] for dep in asset.asset_deps[asset.key]}
        for asset in computed
    }
    assert deps["claim_audit"] == {"published_figures", "imported_runs", "imported_calls"}
    assert deps["imported_runs"] == {"imported_calls"}
    assert deps["runtime_comparison"] >= {"population_statistics", "method_critique"}
