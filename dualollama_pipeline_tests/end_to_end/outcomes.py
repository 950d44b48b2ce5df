"""Warehouses for every outcome that a user can come to, made from journals written by hand."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml

from dualollama_pipeline.bench.batches import close_campaign, open_campaign
from dualollama_pipeline.core.design import BatchSettings, build_plan
from dualollama_pipeline.core.plan import Plan
from dualollama_pipeline.core.records import (
    BatchRecord,
    CallRecord,
    EndRecord,
    IdentityRecord,
    NoteRecord,
    TrialRecord,
)
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.core.study import Configuration, study_of
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.core.workload import StageTemplate, Workload
from dualollama_pipeline.worker.journal import JournalWriter
from dualollama_pipeline_tests.tables.journals import (
    ANALYSIS,
    CALL_MS,
    INGEST_S,
    REPORT,
    failed,
    identity,
    stages,
    trial,
    unsent,
)
from dualollama_pipeline_tests.tr114.imported.original_tree import write_tree

DATA = Path(__file__).resolve().parents[2] / "data"
URLS = {"a": "http://127.0.0.1:1", "b": "http://127.0.0.1:2"}
OWN = {"num_gpu": 40, "num_ctx": 512, "temperature": 0.2}
TEXT = "cannot connect to 127.0.0.1:1"
Outcome = Callable[[Path], None]


def own_matrix(data: Path, names: Sequence[str]) -> None:
    """Replace the matrix by configurations of one's own."""
    rows = [
        {
            "config_id": name,
            "scenario": "chimera_hetero",
            "collector": {
                **OWN,
                "num_ctx": 512 + 64 * (n // 8),
                "temperature": 0.5 + 0.05 * (n % 8),
            },
            "insight": OWN,
        }
        for n, name in enumerate(names)
    ]
    (data / "matrix.yaml").write_text(yaml.safe_dump({"configurations": rows}))


def fresh(home: Path, names: Sequence[str] | None = None) -> Path:
    """Copy the inputs; with `names` under a matrix of one's own. Return the folder."""
    shutil.copytree(DATA, home / "data", ignore=shutil.ignore_patterns("warehouse"))
    if names is not None:
        own_matrix(home / "data", names)
    return home / "data"


def measured(home: Path, config_id: str, blocks: int = 5, **changes: Any) -> None:
    """Write a whole batch of a configuration; `changes` may replace `calls` or `seen`."""
    configuration = study_of(Settings(data=home / "data")).get(config_id)
    write_batch(home, configuration, blocks, **changes)


def write_batch(
    home: Path,
    configuration: Configuration,
    blocks: int,
    batch_id: str = "batch1",
    calls: Callable[[str, int], Any] | None = None,
    **seen: Any,
) -> None:
    plan = _plan(configuration, batch_id, blocks)
    path = Warehouse(home / "warehouse").journal(plan.config_id, batch_id)
    servers = tuple(identity(name, pid=None, **seen) for name in URLS)
    apart = (servers[0], servers[1].model_copy(update={"pid": 2}))
    with JournalWriter(path) as writer:
        writer.append(BatchRecord(started_at="now", plan_hash=plan.plan_hash, plan=plan))
        for arm in ("solo_collector", "solo_insight", "apart", "shared"):
            writer.append(IdentityRecord(arm=arm, moment="before", servers=apart))
        for order, planned in enumerate(plan.trials):
            made = trial(planned.arm, planned.block, (calls or _varied)(planned.arm, planned.block))
            own = {"trial_id": planned.trial_id, "order": order}
            writer.append(TrialRecord.model_validate(made.model_dump() | own))
        writer.append(_end(plan))


def _varied(arm: str, block: int) -> list[CallRecord]:
    """Every block a little different: equal ones say nothing about the variance."""
    server = {"server": "a"} if arm == "shared" else {}
    scale = 1 + 0.002 * (block * (3 if arm == "apart" else 2) % 5)
    return [
        record
        for role, total in CALL_MS[arm].items()
        for record in stages(role, round(total * scale), **server)
    ]


def _plan(configuration: Configuration, batch_id: str, blocks: int) -> Plan:
    stages = tuple(StageTemplate(name, "p", 300) for name in (ANALYSIS, REPORT))
    workload = Workload("standard", stages, INGEST_S, "0" * 64)
    return build_plan(
        configuration, workload, BatchSettings(batch_id, blocks, "m:1b", URLS, "real")
    )


def _end(plan: Plan) -> EndRecord:
    n = len(plan.trials)
    return EndRecord(planned=n, ok=n, failed=0, interrupted=0, skipped=0)


def all_failed(home: Path, config_id: str) -> None:
    """Every call of every trial failed."""
    kind = {"kind": "connect"}
    of = {
        "solo_collector": [failed("collector", **kind), unsent("collector")],
        "solo_insight": [failed("insight", **kind), unsent("insight")],
    }
    both = [*of["solo_collector"], *of["solo_insight"]]
    on_one = [record.model_copy(update={"server": "a"}) for record in both]
    measured(home, config_id, calls=lambda arm, _: {**of, "apart": both, "shared": on_one}[arm])


def lost(home: Path, config_ids: Sequence[str]) -> None:
    """A campaign on real servers that attempted nothing."""
    folder = Warehouse(home / "warehouse").campaigns
    record = open_campaign(folder, dict.fromkeys(config_ids, "0"), "external")
    close_campaign(folder, record, dict.fromkeys(config_ids, TEXT))


def cut_off(home: Path, config_id: str) -> None:
    """A journal that ended before its first trial, with the reason."""
    configuration = study_of(Settings(data=home / "data")).get(config_id)
    plan = _plan(configuration, "batch1", 5)
    path = Warehouse(home / "warehouse").journal(config_id, "batch1")
    with JournalWriter(path) as writer:
        writer.append(BatchRecord(started_at="now", plan_hash=plan.plan_hash, plan=plan))
        writer.append(NoteRecord(at="now", about="ended", text=TEXT, way_out="start it"))


def _of(names: Sequence[str] | None, measure: Callable[[Path], None]) -> Outcome:
    def make(home: Path) -> None:
        fresh(home, names)
        measure(home)

    return make


def _each(names: Sequence[str], blocks: int = 5) -> Callable[[Path], None]:
    def measure(home: Path) -> None:
        for name in names:
            measured(home, name, blocks)

    return measure


def _outside(home: Path) -> None:
    configuration = Configuration.model_validate(
        {"config_id": "my-agents", "scenario": "chimera_homo", "collector": OWN, "insight": OWN}
    )
    write_batch(home, configuration, 5, "measure-1")


def _import(home: Path) -> None:
    write_tree(home / "original")


def _mixed(home: Path) -> None:
    measured(home, "test013")
    all_failed(home, "test004")
    measured(home, "test108", size_vram_share=0.0)
    cut_off(home, "test001")
    measured(home, "test015", 1)
    _outside(home)
    _import(home)


FORTY = [f"own{n:02}" for n in range(40)]
OUTCOMES: dict[str, Outcome] = {
    "nothing measured": _of(None, lambda _: None),
    "servers never there": _of(None, lambda home: lost(home, ["test001", "test003"])),
    "cut off before the first trial": _of(None, lambda home: cut_off(home, "test013")),
    "all failed": _of(None, lambda home: all_failed(home, "test013")),
    "all INVALID": _of(None, lambda home: measured(home, "test013", size_vram_share=0.0)),
    "one block": _of(None, lambda home: measured(home, "test013", 1)),
    "one configuration": _of(None, lambda home: measured(home, "test013")),
    "one of one's own": _of(["mine"], _each(["mine"])),
    "two of one's own": _of(["mine", "yours"], _each(["mine", "yours"])),
    "forty of one's own": _of(FORTY, _each(FORTY, blocks=2)),
    "one of one's own, not measured": _of(["mine"], lambda _: None),
    "import alone": _of(None, _import),
    "import alone, own matrix": _of(["mine"], _import),
    "measure alone": _of(["mine"], _outside),
    "mixed": _of(None, _mixed),
}
