"""Small journals with round numbers, made by hand, for tests of the tables.

Every call: TTFT 250 ms, of which load 150, prompt 60, queue 40; then 300 tokens until its end, one
after the other at equal distances. The
agents' call times (ms) are CALL_MS; an agent's second call is sent when its first has ended, so

    wall times: collector alone 2 x 5 = 10 s, insight agent alone 2 x 6 = 12 s, apart 2 x 10 = 20 s,
    shared 2 x 12.5 = 25 s

A test overrides the one thing that it is about.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dualollama_pipeline.core.design import BatchSettings, build_plan
from dualollama_pipeline.core.records import (
    BatchRecord,
    CallRecord,
    IdentityRecord,
    ServerIdentity,
    TrialRecord,
)
from dualollama_pipeline.core.study import Configuration, former
from dualollama_pipeline.core.workload import StageTemplate, Workload
from dualollama_pipeline.tables.build import build_tables
from dualollama_pipeline.worker.journal import Journal

COLLECTOR, INSIGHT = "collector", "insight"
ANALYSIS, REPORT = "analysis", "report"
SOLO_A, SOLO_B = "solo_collector", "solo_insight"
ARMS = (SOLO_A, SOLO_B, "apart", "shared")
CALL_MS = {
    SOLO_A: {COLLECTOR: 5_000},
    SOLO_B: {INSIGHT: 6_000},
    "apart": {COLLECTOR: 9_000, INSIGHT: 10_000},
    "shared": {COLLECTOR: 11_000, INSIGHT: 12_500},
}
OPTIONS: dict[str, int | float] = {"num_gpu": 80, "num_ctx": 512, "temperature": 0.8}
INGEST_S = 0.5
MS = 1_000_000  # nanoseconds


def call(
    agent: str = COLLECTOR, stage: str = ANALYSIS, sent: float = 0, total: float = 5_000, **ms: Any
) -> CallRecord:
    """One ok call; `sent`, `total` and the keywords ttft, load, prompt, evaluated are in ms.

    `tokens`, `server` and all other fields of a CallRecord are taken as they are.
    """
    ttft, load, prompt = ms.pop("ttft", 250), ms.pop("load", 150), ms.pop("prompt", 60)
    evaluated = ms.pop("evaluated", total - 250)
    tokens = ms.pop("tokens", 300)
    first = round((sent + ttft) * MS)
    fields: dict[str, Any] = {
        "agent": agent,
        "server": "a" if agent == COLLECTOR else "b",
        "model": "m:1b",
        "stage": stage,
        "options": OPTIONS,
        "status": "ok",
        "sent_ns": round(sent * MS),
        "first_token_ns": first,
        "first_answer_ns": first + 5 * MS,
        "end_ns": round((sent + total) * MS),
        "chunk_ns": tuple(
            first + round(k * (total - ttft) * MS / max(tokens - 1, 1)) for k in range(tokens)
        ),
        "max_lines_per_read": 2,
        "counters": {
            "done_reason": "length",
            "total_duration": round(total * MS),
            "load_duration": None if load is None else round(load * MS),
            "prompt_eval_count": 160,
            "prompt_eval_duration": round(prompt * MS),
            "eval_count": tokens,
            "eval_duration": round(evaluated * MS),
        },
        "text": "words",
    }
    return CallRecord.model_validate(fields | ms)


def failed(
    agent: str = COLLECTOR,
    stage: str = ANALYSIS,
    kind: str = "truncated",
    http_status: int | None = None,
    **fields: Any,
) -> CallRecord:
    """A call that got no answer: no counters, no first token, only the instant of its start."""
    failure = {
        "kind": kind,
        "text": "the stream ended without a final record",
        "url": "http://127.0.0.1:1",
        "model": "m:1b",
        "phase": "streaming",
        "http_status": http_status,
    }
    return unsent(agent, stage, status="failed", **{"failure": failure, "sent_ns": 0} | fields)


def unsent(
    agent: str = COLLECTOR, stage: str = REPORT, status: str = "skipped", **fields: Any
) -> CallRecord:
    """A call that was planned and never sent."""
    planned: dict[str, Any] = {
        "agent": agent,
        "server": "a" if agent == COLLECTOR else "b",
        "model": "m:1b",
        "stage": stage,
        "options": OPTIONS,
        "status": status,
    }
    return CallRecord.model_validate(planned | fields)


def stages(agent: str, total: float, start: float = 0, **changes: Any) -> list[CallRecord]:
    """An agent's two calls, one after the other."""
    return [
        call(agent, ANALYSIS, start, total, **changes),
        call(agent, REPORT, start + total, total, **changes),
    ]


def calls_of(arm: str, **changes: Any) -> list[CallRecord]:
    """All calls of a trial; in `shared` both agents ask server a."""
    server = {"server": "a"} if arm == "shared" else {}
    return [
        record
        for agent, total in CALL_MS[arm].items()
        for record in stages(agent, total, **server | changes)
    ]


def trial(
    arm: str = "apart", block: int = 1, calls: list[CallRecord] | None = None, **changes: Any
) -> TrialRecord:
    """One attempt; its status follows from its calls unless given."""
    made = calls_of(arm) if calls is None else calls
    ok = all(record.status == "ok" for record in made)
    order = 4 * (block - 1) + ARMS.index(arm)
    fields: dict[str, Any] = {
        "trial_id": f"test1.s114.b{block}.{former(arm)}",
        "attempt": 1,
        "block": block,
        "arm": arm,
        "order": order,
        "status": "ok" if ok else "failed",
        "started_at": f"2026-01-01T00:{order:02}:00.000+00:00",
        "calls": tuple(made),
    }
    return TrialRecord.model_validate(fields | changes)


def block_of(number: int = 1, **changed: list[CallRecord]) -> list[TrialRecord]:
    """The four trials of a block; `apart=[...]` gives an arm other calls."""
    assert not changed.keys() - set(ARMS), changed.keys()
    return [trial(arm, number, changed.get(arm)) for arm in ARMS]


def identity(server: str = "a", **changes: Any) -> ServerIdentity:
    fields: dict[str, Any] = {
        "server": server,
        "url": f"http://127.0.0.1:{'ab'.index(server) + 1}",
        "version": "0.12.0",
        "simulated_by": None,
        "model": "m:1b",
        "digest": "digest",
        "quantization": "Q4_K_M",
        "layers": 35,
        "loaded": True,
        "size_vram_share": 1.0,
        "context_length": 512,
        "pid": "ab".index(server) + 1,
    }
    return ServerIdentity.model_validate(fields | changes)


def journal(
    trials: list[TrialRecord],
    simulated_by: str | None = None,
    batch_id: str = "batch1",
    servers: tuple[ServerIdentity, ...] | None = None,
    **seen: Any,
) -> Journal:
    """A journal of these trials; before its cell `apart`, the servers were `servers`."""
    configuration = Configuration.model_validate(
        {
            "config_id": "test1",
            "scenario": "chimera_homo",
            "collector": OPTIONS,
            "insight": OPTIONS,
        }
    )
    workload = Workload(
        "standard",
        tuple(StageTemplate(name, "p", 300) for name in (ANALYSIS, REPORT)),
        INGEST_S,
        "0" * 64,
    )
    urls = {"a": "http://127.0.0.1:1", "b": "http://127.0.0.1:2"}
    blocks = max((trial.block for trial in trials), default=1)
    plan = build_plan(
        configuration, workload, BatchSettings(batch_id, blocks, "m:1b", urls, "real")
    )
    pair = servers or tuple(identity(server, simulated_by=simulated_by) for server in urls)
    return Journal(
        path=Path("journal.jsonl"),
        batch=BatchRecord(started_at="now", plan_hash=plan.plan_hash, plan=plan),
        identities=[IdentityRecord(arm="apart", moment="before", servers=pair, **seen)],
        trials=trials,
    )


@dataclass(frozen=True)
class Tables:
    """The tables of one journal, each checked by its schema as the assets do."""

    calls: pd.DataFrame
    cells: pd.DataFrame
    agents: pd.DataFrame
    runs: pd.DataFrame
    blocks: pd.DataFrame


def tables_of(trials: list[TrialRecord], **of_journal: Any) -> Tables:
    made = build_tables(journal(trials, **of_journal))
    return Tables(*made)


def said_of_block(
    runs: pd.DataFrame, agents: pd.DataFrame, blocks: pd.DataFrame, number: int = 1
) -> dict[str, Any]:
    """What the tables say of a block, by `arm.column` or `arm.agent.column`."""
    said: dict[str, Any] = {}
    for table, keys in ((runs, ["arm"]), (blocks, ["arm"]), (agents, ["arm", "agent"])):
        for found in table[table["block"].eq(number)].to_dict("records"):
            place = ".".join(str(found[key]) for key in keys)
            said |= {f"{place}.{name}": value for name, value in found.items()}
    return said


def row(df: pd.DataFrame, **wanted: Any) -> dict[str, Any]:
    """The one row with these values, in plain types; more or none of them fails the test."""
    found = df
    for name, value in wanted.items():
        found = found[found[name] == value]
    assert len(found) == 1, f"{len(found)} rows with {wanted}"
    cells = {str(name): value for name, value in found.iloc[0].items()}
    return {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in cells.items()
    }
