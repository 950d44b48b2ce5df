"""A true speedup that is known beforehand, through the whole of the pipeline.

shared_pair.py plays the servers; plan, worker process, journal, tables and statistics are the
project's own, with its real clock. What comes out is compared with what follows from the schedule.
"""

from __future__ import annotations

import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dualollama_pipeline.bench.launch import run_worker
from dualollama_pipeline.core.design import BatchSettings, build_plan
from dualollama_pipeline.core.study import Configuration, Role
from dualollama_pipeline.core.workload import StageTemplate, Workload
from dualollama_pipeline.metrics.catalog import APART_SECONDS
from dualollama_pipeline.statistics.estimate import config_statistics
from dualollama_pipeline.statistics.samples import collect_samples, of_key
from dualollama_pipeline.tables.build import build_tables
from dualollama_pipeline.worker.journal import Journal, read_journal
from dualollama_pipeline_tests.benchmarks.processes import SHARED_PAIR, server
from dualollama_pipeline_tests.benchmarks.shared_pair import GAP_MS, MODEL, PREFILL_MS

if TYPE_CHECKING:
    from dualollama_pipeline.core.plan import Plan

STAGES = ("analysis", "report")
OPTIONS = {"num_gpu": 80, "num_ctx": 512, "temperature": 0.8}


@dataclass(frozen=True)
class Case:
    """Two agents, tokens a stage each, and how much they slow each other."""

    factor: float
    collector_tokens: int
    insight_tokens: int

    @property
    def tokens(self) -> dict[str, int]:
        """By role."""
        return {Role.COLLECTOR: self.collector_tokens, Role.INSIGHT: self.insight_tokens}

    @property
    def true_speedup(self) -> float:
        """Sum of what each does alone, over: the shorter at the factor, then the rest alone."""
        alone = [len(STAGES) * (PREFILL_MS + (n - 1) * GAP_MS) for n in self.tokens.values()]
        return sum(alone) / (self.factor * min(alone) + max(alone) - min(alone))


def _plan(case: Case, urls: dict[str, str], blocks: int) -> Plan:
    configuration = Configuration.model_validate(
        {
            "config_id": "known",
            "scenario": "chimera_homo",
            "collector": OPTIONS,
            "insight": OPTIONS,
        }
    )
    stages = tuple(StageTemplate(name, "Say what you know.", 32) for name in STAGES)
    workload = Workload("standard", stages, ingest_s=0.0, corpus_sha256="0" * 64)
    plan = build_plan(configuration, workload, BatchSettings("known", blocks, MODEL, urls, "real"))
    raw = plan.model_dump(mode="json")
    for trial in raw["trials"]:
        for agent in trial["agents"]:
            for stage in agent["stages"]:
                stage["num_predict"] = case.tokens[agent["name"]]
    return type(plan).model_validate(raw)


def _measure(case: Case, blocks: int) -> Journal:
    with server(SHARED_PAIR, str(case.factor)) as urls, tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "journal.jsonl"
        run_worker(_plan(case, urls, blocks), journal, lambda _: None)
        return read_journal(journal)


def known_truth(case: Case, blocks: int) -> dict[str, Any]:
    """Measure a case and say how far the project's own estimate is from the truth."""
    tables = build_tables(_measure(case, blocks))
    blocks = tables.block_table
    estimates = config_statistics(collect_samples(tables.run_table, tables.agent_table, blocks))
    estimate = of_key(estimates, APART_SECONDS).to_dict("records")[0]
    found = blocks.loc[blocks["arm"].eq(APART_SECONDS.arm), APART_SECONDS.metric]
    off_pct = [100 * (value / case.true_speedup - 1) for value in found]
    return {
        "factor": case.factor,
        "tokens": list(case.tokens.values()),
        "n_blocks": int(estimate["n"]),
        "truth": case.true_speedup,
        "measured": float(estimate["value"]),
        "deviation_pct": 100 * (float(estimate["value"]) / case.true_speedup - 1),
        "worst_block_pct": max(off_pct, key=abs),
        "median_block_pct": statistics.median(off_pct),
    }
