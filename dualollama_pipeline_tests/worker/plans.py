"""Small plans with sensible defaults, for tests of the worker."""

from __future__ import annotations

from typing import Any

from dualollama_pipeline.core.design import BatchSettings, build_plan
from dualollama_pipeline.core.plan import Plan
from dualollama_pipeline.core.specs import Deadlines
from dualollama_pipeline.core.study import Configuration
from dualollama_pipeline.core.workload import StageTemplate, Workload
from dualollama_pipeline_tests.faults.cases import PATIENT

WORKLOAD = Workload(
    "standard",
    (StageTemplate("analysis", "Say much.", 40), StageTemplate("report", "Say more.", 40)),
    ingest_s=0.01,
    corpus_sha256="0" * 64,
)


def small_plan(
    urls: dict[str, str],
    *,
    blocks: int = 1,
    clock: str = "real",
    insight: dict[str, Any] | None = None,
    deadlines: Deadlines = PATIENT,
    workload: Workload = WORKLOAD,
    **changes: Any,
) -> Plan:
    """Plan `blocks` blocks of one configuration; equal agents unless `insight` differs."""
    options = {"num_gpu": 80, "num_ctx": 512, "temperature": 0.8}
    other = options if insight is None else insight
    configuration = Configuration.model_validate(
        {
            "config_id": "small",
            "scenario": "chimera_homo" if other == options else "chimera_hetero",
            "collector": options,
            "insight": other,
        }
    )
    campaign = BatchSettings("batch1", blocks, "gemma3:latest", urls, clock, deadlines=deadlines)
    return build_plan(configuration, workload, campaign).model_copy(update=changes)
