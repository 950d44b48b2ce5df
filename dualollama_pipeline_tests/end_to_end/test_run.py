"""`dualollama run` as a user runs it: worker, simulated pair, Dagster and files are real."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pandas as pd
import pytest

from dualollama_pipeline.cli.main import main
from dualollama_pipeline.core.places import PROJECT_ROOT
from dualollama_pipeline.core.study import COLLECTOR, load_study
from dualollama_pipeline.simulator.profile import Profile
from dualollama_pipeline.simulator.truth import noise_free_walls, true_speedup
from dualollama_pipeline.tables.build import build_tables
from dualollama_pipeline.tables.store import TableStore
from dualollama_pipeline.worker.journal import read_journal

CONFIGS = ["test001", "test013"]
# What depends on the host or names the campaign; everything else of a simulated table is exact.
NOT_EXACT = ["batch_id", "started_at", "ingest_s", "workflow_s"]
COMMAND = [sys.executable, "-m", "dualollama_pipeline.cli"]
TABLES = ("call_table", "agent_table", "run_table", "block_table")


def prepare(home: Path) -> dict[str, str]:
    """Make a Dagster home with the project's settings; return the environment for it."""
    (home / "dagster").mkdir(parents=True, exist_ok=True)
    settings = (PROJECT_ROOT / "dagster_home" / "dagster.yaml").read_text()
    (home / "dagster" / "dagster.yaml").write_text(settings)
    return {
        **os.environ,
        "DAGSTER_HOME": str(home / "dagster"),
        "DUALOLLAMA_WAREHOUSE": str(home / "warehouse"),
    }


def dualollama(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a home of its own."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env=prepare(home),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two configurations, five blocks, the report."""
    home = tmp_path_factory.mktemp("home")
    done = dualollama(home, "run", "--configs", *CONFIGS)
    assert done.returncode == 0, done.stderr
    assert f"report: {home}/warehouse/report/index.html" in done.stdout
    assert "Warning" not in done.stderr
    return home


@pytest.fixture
def of_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of `home`, for what need not be a process of its own."""
    monkeypatch.setenv("DAGSTER_HOME", str(home / "dagster"))
    monkeypatch.setenv("DUALOLLAMA_WAREHOUSE", str(home / "warehouse"))


def load(home: Path, table: str) -> pd.DataFrame:
    return TableStore(home / "warehouse" / "tables").load_all(table, CONFIGS)[0]


def test_the_files_of_the_contract_are_there(home: Path) -> None:
    """Users and scripts rely on these names."""
    warehouse = home / "warehouse"
    for config_id in CONFIGS:
        (journal,) = (warehouse / "journals" / config_id).glob("*.jsonl")
        for table in TABLES:
            assert (warehouse / "tables" / table / f"{config_id}.parquet").exists()
            history = warehouse / "tables" / "history" / table / config_id
            assert (history / f"{journal.stem}.parquet").exists()
    for table in ("config_statistics", "scenario_statistics", "population_statistics"):
        assert (warehouse / "tables" / f"{table}.parquet").exists()
    for name in ("index.html", "report.md", "summary.json"):
        assert (warehouse / "report" / name).exists()


def test_every_planned_row_is_there(home: Path) -> None:
    """Silent drops would show as a smaller n only: 5 blocks x 4 arms x 2 configurations."""
    assert len(load(home, "run_table")) == 40
    assert len(load(home, "block_table")) == 20  # two arms of several agents a block
    assert len(load(home, "agent_table")) == 2 * 5 * 6
    assert len(load(home, "call_table")) == 2 * 5 * 12
    assert set(load(home, "call_table")["status"]) == {"ok"}


def test_simulated_numbers_say_so_everywhere(home: Path) -> None:
    """A simulated figure that loses its label becomes somebody's deployment."""
    for table in TABLES:
        assert set(load(home, table)["origin"]) == {"simulated"}
    report = home / "warehouse" / "report"
    assert "simulated" in (report / "index.html").read_text().lower()
    assert "simulated" in (report / "report.md").read_text().splitlines()[0].lower()
    assert json.loads((report / "summary.json").read_text())["origin"] == "simulated"


def test_the_true_speedup_of_the_simulation_is_covered(home: Path) -> None:
    """The truth is known here: the same model without noise, driven without HTTP."""
    journal = read_journal(next((home / "warehouse" / "journals" / "test013").glob("*.jsonl")))
    assert journal.batch is not None
    apart = next(t for t in journal.batch.plan.trials if t.arm == "apart")
    agent = next(a for a in apart.agents if a.server == COLLECTOR.server)
    stages = [(len(s.nonce + s.prompt), s.num_predict or 0) for s in agent.stages]
    options = agent.options.given()
    walls = noise_free_walls(Profile.load("standard").noise_free(), options, options, stages)
    table = TableStore(home / "warehouse" / "tables").load("config_statistics")
    table = table[table["config_id"] == "test013"].set_index(["metric", "arm"])
    for arm in ("apart", "shared"):
        row = table.loc["true_speedup", arm]
        # one interval of 95 %: three standard errors would fail one campaign in 70
        half = (row["ci_high"] - row["ci_low"]) / 2
        assert abs(row["value"] - true_speedup(walls, arm)) < 2 * half


def test_the_same_campaign_twice_is_bit_identical(home: Path, tmp_path: Path) -> None:
    """Tables must not depend on how the host happened to schedule two processes."""
    done = dualollama(tmp_path, "measure", "test001")
    assert done.returncode == 0, done.stderr
    (journal,) = (tmp_path / "warehouse" / "journals" / "test001").glob("*.jsonl")
    again = build_tables(read_journal(journal))._asdict()
    for table in TABLES:
        first, second = (
            rows.drop(columns=NOT_EXACT, errors="ignore").reset_index(drop=True)
            for rows in (load(home, table).query("config_id == 'test001'"), again[table])
        )
        pd.testing.assert_frame_equal(first, second, check_exact=True)


@pytest.mark.usefixtures("of_home")
def test_runs_and_materializations_are_in_the_dagster_instance() -> None:
    """`make ui` opens the same instance: what `make run` made must be visible there."""
    with dg.DagsterInstance.get() as instance:
        for asset in ("benchmark_trials", *TABLES):
            assert instance.get_materialized_partitions(dg.AssetKey(asset)) == set(CONFIGS)
        event = instance.get_latest_materialization_event(dg.AssetKey("comparison_report"))
        runs = instance.get_runs()
    assert event is not None
    assert event.asset_materialization is not None
    assert "answer" in event.asset_materialization.metadata
    link = event.asset_materialization.metadata["report"]  # as `make ui`, which comes later, serves
    assert link.value == "http://127.0.0.1:8114/index.html"
    assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}
    assert len({run.tags["dualollama/batch"] for run in runs}) == 1


@pytest.mark.usefixtures("of_home")
def test_dagster_shows_the_figures_and_what_they_rest_on(home: Path) -> None:
    """Floats, for its plots draw no text; the versions of this run, or all is stale at once."""
    trials = dg.AssetKey("benchmark_trials")
    with dg.DagsterInstance.get() as instance:
        wanted = dg.AssetRecordsFilter(trials, asset_partitions=["test001"])
        record = instance.fetch_materializations(wanted, limit=1).records[0]
        seen = {
            name: instance.fetch_observations(dg.AssetKey(name), limit=1).records[0]
            for name in ("study", "benchmark_corpus", "ollama_server_a")
        }
    event = record.asset_materialization
    assert event is not None
    assert event.tags is not None
    for name, each in seen.items():
        version = each.asset_observation and each.asset_observation.tags["dagster/data_version"]
        assert event.tags[f"dagster/input_data_version/{name}"] == version
    figures = {name: each.value for name, each in event.metadata.items()}
    summary = json.loads((home / "warehouse" / "report" / "summary.json").read_text())
    (told,) = [each for each in summary["configurations"] if each["config_id"] == "test001"]
    estimates = {(each["metric"], each["arm"]): each for each in told["estimates"]}
    speedup = estimates["weighted_speedup", "apart"]
    assert figures["weighted_speedup_apart"] == pytest.approx(speedup["value"], rel=1e-3)
    assert figures["weighted_speedup_apart_n"] == speedup["n"]
    assert figures["blocks_counted"] == figures["blocks"] == speedup["n"]
    assert isinstance(figures["ttft_ms_apart_collector"], float)
    assert figures["answer"].startswith("SIMULATED")


@pytest.mark.usefixtures("of_home")
def test_the_report_can_be_rebuilt_from_the_tables(home: Path) -> None:
    """Everything after the journal is recomputable, to the same bytes."""
    page = home / "warehouse" / "report" / "index.html"
    before = page.read_text()
    page.unlink()
    assert main(["report"]) == 0
    assert page.read_text() == before


@pytest.mark.usefixtures("of_home")
def test_tables_can_be_rebuilt_from_the_journals(home: Path) -> None:
    """Everything after the journal is recomputable: tables, statistics, page."""
    page = home / "warehouse" / "report" / "index.html"
    before = {table: load(home, table) for table in TABLES}
    text = page.read_text()
    shutil.rmtree(home / "warehouse" / "tables")
    assert main(["report", "--from-journals"]) == 0
    for table, rows in before.items():
        pd.testing.assert_frame_equal(load(home, table), rows, check_exact=True)
    assert page.read_text() == text


@pytest.mark.usefixtures("of_home")
def test_measuring_again_opens_a_new_batch_and_keeps_the_old(home: Path) -> None:
    """History feeds the trend: a second night must not overwrite the first."""
    assert main(["run", "--configs", "test013", "--blocks", "1"]) == 0
    history = home / "warehouse" / "tables" / "history" / "run_table" / "test013"
    assert len(list(history.glob("*.parquet"))) == 2
    assert set(load(home, "run_table").query("config_id == 'test013'")["block"]) == {1}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "--configs", "nonsense"], "nonsense"),
        (["run", "--blocks", "0"], "no whole number"),
        (["run", "--servers", "external"], "DUALOLLAMA_URL_A"),
        (["simulate", "--ports", "1,x"], "--ports"),
    ],
)
def test_bad_input_is_explained(tmp_path: Path, arguments: list[str], said: str) -> None:
    """A traceback tells a user nothing about the way out."""
    done = dualollama(tmp_path, *arguments)
    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_the_matrix_of_the_project_is_what_runs() -> None:
    """The default command measures all 27 configurations of the report."""
    assert (
        len(load_study(PROJECT_ROOT / "data" / "studies" / "tr114" / "study.yaml").config_ids) == 27
    )


def test_ctrl_c_stops_everything_and_the_next_run_goes_on(tmp_path: Path) -> None:
    """Stopping one partition must not start the next, and nothing measured is measured again."""
    command = [*COMMAND, "run", "--configs", *CONFIGS, "--blocks", "10"]
    process = subprocess.Popen(
        command,
        env=prepare(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    journals = tmp_path / "warehouse" / "journals"
    while not any(b'"record":"trial"' in path.read_bytes() for path in journals.glob("*/*.jsonl")):
        assert process.poll() is None
        time.sleep(0.05)  # until the first trial is on the disk
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to all of the group
    out, err = process.communicate(timeout=20)
    assert process.returncode == 130, err
    assert "2/2" not in out
    assert "run again to go on" in err
    (journal,) = journals.glob("*/*.jsonl")
    kept = [t.trial_id for t in read_journal(journal).trials if t.status == "ok"]
    assert kept
    done = dualollama(tmp_path, "run", "--configs", *CONFIGS, "--blocks", "10")
    assert done.returncode == 0, done.stderr
    trials = [t.trial_id for t in read_journal(journal).trials if t.status == "ok"]
    assert len(trials) == len(set(trials)) == 40


def test_measure_without_dagster(tmp_path: Path) -> None:
    """One configuration, four arms on the screen, the journal on disk; no Dagster home is made."""
    done = dualollama(tmp_path, "measure", "test013", "--blocks", "5")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert sum(line.endswith(": ok") for line in lines) == 20
    assert any("SIMULATED" in line for line in lines)
    assert all(
        any(arm in line for line in lines)
        for arm in ("solo_collector", "solo_insight", "apart", "shared")
    )
    (speedup,) = [line for line in lines if line.startswith("weighted_speedup, apart")]
    assert "n 5" in speedup
    assert "95 % interval 0.8" in speedup
    journal = Path(lines[-1].removeprefix("journal: "))
    assert journal.is_relative_to(tmp_path / "warehouse" / "journals" / "test013")
    assert read_journal(journal).end is not None
    assert [path.name for path in (tmp_path / "dagster").iterdir()] == ["dagster.yaml"]


def test_the_doctor_finds_dead_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 1, each server named, the way out beside it."""
    monkeypatch.setenv("DUALOLLAMA_URL_A", "http://127.0.0.1:1")
    monkeypatch.setenv("DUALOLLAMA_URL_B", "http://127.0.0.1:2")
    done = dualollama(tmp_path, "doctor", "--servers", "external")
    assert done.returncode == 1
    assert "FAIL  server a: http://127.0.0.1:1" in done.stdout
    assert "start it, or correct its URL" in done.stdout
    assert "Traceback" not in done.stderr
