"""Whatever a person clicks under a real daemon, tables and report follow, once.

The trap: the most natural click (trials of one configuration) led nowhere, and a backfill of which
one partition failed ended without a report. One daemon for all of it: a start costs half a minute.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import httpx
import pytest

from dualollama_pipeline.core.places import PROJECT_ROOT
from dualollama_pipeline.defs.batches import UNFINISHED
from dualollama_pipeline.defs.sensors import report_sensor
from dualollama_pipeline_tests.daemon import Daemon, daemon, until
from dualollama_pipeline_tests.kills.harness import environment

S = dg.DagsterRunStatus
PAGE = dg.AssetKey("comparison_report")
TABLE = dg.AssetKey("block_table")
DEAD = {"servers": "external", "url": {"a": "http://127.0.0.1:9", "b": "http://127.0.0.1:19"}}
DEAD_SERVERS = {"resources": {"bench": {"config": DEAD}}}
ONE_BLOCK = {"ops": {"benchmark_trials": {"config": {"blocks": 2}}}}
CANNOT = "test003"  # a file lies where the folder of its journals should be

pytestmark = pytest.mark.daemons


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    home = tmp_path_factory.mktemp("ui")
    (home / "warehouse" / "journals").mkdir(parents=True)
    (home / "warehouse" / "journals" / CANNOT).write_bytes(b"")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", environment(home)["DAGSTER_HOME"])
        with daemon(home) as made:
            yield made


def made(ui: Daemon, key: dg.AssetKey, partition: str | None = None) -> int:
    """How often an asset was materialized."""
    wanted = dg.AssetRecordsFilter(key, asset_partitions=[partition] if partition else None)
    return len(ui.instance.fetch_materializations(wanted, limit=500).records)


def at_work(ui: Daemon) -> bool:
    left = ui.instance.get_runs(dg.RunsFilter(statuses=UNFINISHED))
    going = [each.status.value for each in ui.instance.get_backfills(limit=5)]
    return bool(left) or "REQUESTED" in going


def all_assets(ui: Daemon) -> list[str]:
    query = "{ assetNodes { assetKey { path } isMaterializable } }"
    said = httpx.post(ui.url, json={"query": query}, trust_env=False, timeout=60).json()
    nodes = said["data"]["assetNodes"]
    names = [each["assetKey"]["path"][0] for each in nodes if each["isMaterializable"]]
    return [name for name in names if name != "capacity"]  # which measures by itself


def run_here(ui: Daemon, command: str, *arguments: str) -> None:
    """Run a command of our environment beside the UI."""
    subprocess.run(
        [Path(sys.executable).with_name(command), *arguments],
        env=environment(ui.home), cwd=PROJECT_ROOT, check=True, capture_output=True, timeout=150,
    )  # fmt: skip


Click = Callable[[Daemon], object]
CLICKS: dict[str, Click] = {
    "trials of one configuration": lambda ui: ui.launch("test001", assets=["benchmark_trials"]),
    "one table": lambda ui: ui.launch("test001", assets=["call_table"]),
    "trials, configured": lambda ui: ui.launch("test002", config=ONE_BLOCK),
    "trials that all fail": lambda ui: ui.launch("test002", config=DEAD_SERVERS),
    "all assets, one configuration": lambda ui: ui.launch("test004", assets=all_assets(ui)),
    "all assets, one that fails": lambda ui: ui.launch(CANNOT, assets=all_assets(ui)),
    "a backfill of assets, one fails": lambda ui: ui.backfill(
        ["test005", CANNOT], ["benchmark_trials"]
    ),
    "a backfill of all assets": lambda ui: ui.backfill(["test001", "test002"], all_assets(ui)),
    "a backfill of the job": lambda ui: ui.backfill(["test001", CANNOT]),
    "dualollama run": lambda ui: run_here(
        ui, "dualollama", "run", "--configs", "test001", "test002"
    ),
    "dg launch": lambda ui: run_here(
        ui, "dg", "launch", "--assets", "benchmark_trials",
        "--partition", "test001",
    ),
}  # fmt: skip


@pytest.mark.parametrize("click", CLICKS)
def test_the_report_follows_once(ui: Daemon, click: str) -> None:
    """One page more, whatever it was, and then nothing more."""
    before = made(ui, PAGE)
    CLICKS[click](ui)
    until(lambda: made(ui, PAGE) > before and not at_work(ui), f"{click}: the report", 240)
    assert made(ui, PAGE) == before + 1
    due = report_sensor(dg.build_sensor_context(instance=ui.instance))
    assert isinstance(due, dg.SkipReason), due  # so there comes no second one


def test_trials_and_tables_are_of_one_partition(ui: Daemon) -> None:
    """After all of the above: what was measured has its tables, what failed has none."""
    for config_id in ("test001", "test002", "test004", "test005"):
        assert made(ui, TABLE, config_id) >= 1, config_id
    assert made(ui, TABLE, CANNOT) == 0


def test_a_run_is_executed_again(ui: Daemon) -> None:
    """By a person: measured anew under a batch of its own, not resumed as finished."""
    journals = ui.home / "warehouse" / "journals" / "test001"
    run_id = ui.launch("test001")
    assert ui.end_of(run_id) is S.SUCCESS
    before = set(journals.glob("*.jsonl"))
    again = ui.again(run_id)
    assert ui.end_of(again) is S.SUCCESS
    assert {path.stem for path in set(journals.glob("*.jsonl")) - before} == {again}


def test_the_ui_warns_of_nothing(ui: Daemon) -> None:
    """A first start that begins with somebody's warnings is no first-class one."""
    said = (ui.home / "ui.log").read_text()
    for word in ("SupersessionWarning", "BetaWarning", "DeprecationWarning"):
        assert word not in said
