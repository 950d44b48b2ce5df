"""Measured on the simulator, then decided: candidates, the graph, and the command line."""

from __future__ import annotations

import tomllib
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from dualollama_pipeline.advice.candidates import Candidate, find_candidates
from dualollama_pipeline.bench.measure import Measurement
from dualollama_pipeline.bench.servers import ServerPair
from dualollama_pipeline.cli import main as cli
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.core.study import Study
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.defs.assembly import build_definitions
from dualollama_pipeline.defs.resources import Bench
from dualollama_pipeline.statistics import samples
from dualollama_pipeline.tables.rebuild import rebuild_tables
from dualollama_pipeline.tables.store import TableStore
from dualollama_pipeline.tr114.costs.cost_inputs import CostInputs
from dualollama_pipeline.worker.run import run_here

MEASURED = ["test004", "test011", "test013", "test015", "test108"]
GROUP = ["configuration_tiers", "anti_patterns", "cost_model", "cost_sensitivity", "slo_evaluation"]


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory, simulated_pair: ServerPair) -> Path:
    root = tmp_path_factory.mktemp("warehouse")
    settings = Settings(warehouse=root)
    for config_id in MEASURED:
        Measurement(settings, simulated_pair, lambda _: None, run_here).run(config_id, "night1")
    rebuild_tables(settings)
    return root


@pytest.fixture(scope="module")
def decided(warehouse: Path) -> TableStore:
    """Everything below the tables but for the report, as report_job does it."""
    definitions = build_definitions(Bench(Settings(warehouse=warehouse)))
    job = definitions.resolve_job_def("report_job")
    keys = job.asset_layer.executable_asset_keys - {dg.AssetKey("comparison_report")}
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, asset_selection=list(keys))
    assert result.success
    return TableStore(Warehouse(warehouse).tables)


def tables(
    store: TableStore, config_ids: list[str], matrix: Study
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Samples, trials, agents and calls of some configurations."""
    runs, agents, blocks, calls = (
        store.load_all(f"{name}_table", config_ids)[0] for name in ("run", "agent", "block", "call")
    )
    found = samples.collect_samples(runs, agents, blocks, samples.option_classes(matrix))
    return found, runs, agents, calls


@pytest.fixture(scope="module")
def candidates(warehouse: Path, matrix: Study, inputs: CostInputs) -> list[Candidate]:
    store = TableStore(Warehouse(warehouse).tables)
    return find_candidates(*tables(store, MEASURED, matrix), inputs.models)


def test_what_the_servers_make_equal_is_one_candidate(candidates: list[Candidate]) -> None:
    """60, 80, 120 and 140 of 35 layers, and 512 and 1024 below the floor, are the same."""
    by_first = {candidate.config_ids[0]: candidate for candidate in candidates}
    assert by_first["test011"].config_ids == ("test011", "test013", "test015")
    assert (by_first["test011"].n_blocks, by_first["test011"].n_trials) == (15, 15)
    assert by_first["test108"].n_blocks == 5


def test_memory_is_weights_and_cache_of_both_servers(candidates: list[Candidate]) -> None:
    """2 x (3.3 + 2048 x 139264 / 10^9) = 7.170 GB; a default context of 4096 adds 0.285 GB."""
    by_first = {candidate.config_ids[0]: candidate.memory for candidate in candidates}
    assert by_first["test108"].gb == pytest.approx(2 * (3.3 + 2048 * 139264 / 1e9))
    assert by_first["test004"].gb == pytest.approx(6.6 + (4096 + 2048) * 139264 / 1e9)
    assert "not measured" in by_first["test108"].reason


def test_memory_of_an_unknown_model_is_null(warehouse: Path, matrix: Study) -> None:
    store = TableStore(Warehouse(warehouse).tables)
    (only,) = find_candidates(*tables(store, ["test108"], matrix), {})
    assert only.memory.gb != only.memory.gb
    assert only.memory.reason == "data/cost.yaml does not know the memory of gemma3:latest"


def test_a_failed_trial_is_counted_and_left_out(
    warehouse: Path, matrix: Study, inputs: CostInputs
) -> None:
    """Its wait must not enter the mean, nor vanish from the failures."""
    store = TableStore(Warehouse(warehouse).tables)
    found, runs, agents, calls = tables(store, ["test108"], matrix)
    runs.loc[runs["arm"].eq("apart") & runs["block"].eq(1), "status"] = "failed"
    slow = agents["arm"].eq("apart") & agents["block"].eq(1) & agents["agent"].eq("collector")
    agents.loc[slow, "mean_ttft_ms"] = 1e6
    (only,) = find_candidates(found, runs, agents, calls, inputs.models)
    assert (only.n_trials, only.n_failed, only.n_ttft) == (5, 1, 4)
    assert only.ttft.value < 10  # logs of ms: e^10 is 22 s


def test_every_decision_is_published_and_none_is_more_than_an_illustration(
    decided: TableStore,
) -> None:
    for name in GROUP:
        table = decided.load(name)
        assert len(table) > 0
        assert set(table.loc[table["origin"].eq("simulated"), "evidence"]) <= {
            "illustration", "none",
        }  # fmt: skip
    assert not decided.load("anti_patterns")["verdict"].eq("supported").any()
    tiers = decided.load("configuration_tiers")
    assert tiers["standing"].eq("recommended").sum() == 3


def test_slos_rest_on_every_night(decided: TableStore) -> None:
    """5 configurations x 5 blocks; 4 calls each in the arm apart."""
    rows = decided.load("slo_evaluation")
    mine = rows[rows["origin"].eq("simulated")].set_index(["kind", "name"])
    assert mine.loc[("target", "parallel efficiency"), "n"] == 25
    assert mine.loc[("target", "error rate"), "n"] == 100
    assert mine.loc[("sla", "latency p95 end to end"), "batches"] == "night1"


@pytest.mark.usefixtures("decided")
def test_the_files_lie_where_the_report_does(warehouse: Path) -> None:
    folder = Warehouse(warehouse).report / "recommended"
    assert sorted(path.stem for path in folder.iterdir()) == [
        "balanced", "maximum_efficiency", "resource_constrained",
    ]  # fmt: skip
    for path in folder.iterdir():
        assert "expected" in tomllib.loads(path.read_text(encoding="utf-8"))


@pytest.mark.usefixtures("decided")
def test_recommend(
    warehouse: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DUALOLLAMA_WAREHOUSE", str(warehouse))
    asked = ["recommend", "--vram-gb", "12", "--priority", "performance", "--needs", "low_cost"]
    assert cli.main(asked) == 0
    said = capsys.readouterr().out
    assert "tier1: hetero, num_gpu 120/140 (section 7.2)" in said
    assert "from the data in hand (illustration): test011" in said
    assert "memory 7.17 GB of 12 GB fits" in said
    assert "maximum_efficiency.toml" in said
    assert "approach by section 10.3: rust" in said
    assert "report (published): python 67,000 $" in said
    assert cli.main(["recommend", "--vram-gb", "7", "--priority", "cost"]) == 0
    said = capsys.readouterr().out
    assert "test013: AP4 warns of the same low num_gpu" in said
    assert "illustration; num_gpu 60/60 to 80/80" in said
    assert "does NOT fit" in said


def test_recommend_before_any_measurement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DUALOLLAMA_WAREHOUSE", str(tmp_path / "none"))
    assert cli.main(["recommend", "--vram-gb", "8", "--needs", "low_cost"]) == 0
    said = capsys.readouterr().out
    assert "nothing has been decided from data yet" in said
    assert not (tmp_path / "none").exists()
    assert cli.main(["recommend", "--vram-gb", "0"]) == 2
    assert "way out: name a number of GB above 0" in capsys.readouterr().err
