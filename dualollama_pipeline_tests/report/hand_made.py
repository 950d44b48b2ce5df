"""Small tables written by hand: no simulator, so that a test knows every number it asserts."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pandas as pd

from dualollama_pipeline.core.study import APART, TOGETHER
from dualollama_pipeline.report.inputs import ReportInputs
from dualollama_pipeline.statistics.contrasts import contrasts
from dualollama_pipeline.statistics.estimate import (
    config_statistics,
    population_statistics,
    scenario_statistics,
)
from dualollama_pipeline.statistics.samples import collect_samples
from dualollama_pipeline.tables.conform import conform, empty, schema_of

HOSTILE = "<script>alert('x')</script> | `rm` [a](b)\n# not a heading & $x$"
SCENARIO = {"test001": "baseline_vs_chimera"}  # all others: chimera_homo


def filled(table: str, **values: object) -> dict[str, object]:
    """Fill the columns that a test does not care for: zero, empty, or null where allowed."""
    row = _plain(table)
    unknown = set(values) - set(row)
    assert not unknown, unknown
    return row | values


@cache
def _plain(table: str) -> dict[str, object]:
    plain = {"string": "", "Int64": 0, "float64": 0.0, "boolean": False}
    row: dict[str, object] = {}
    for name, column in schema_of(table).columns.items():
        kind = str(column.dtype).split("[", maxsplit=1)[0]
        row[name] = (np.nan if kind == "float64" else None) if column.nullable else plain[kind]
    return row


def _where(config_id, block, origin):
    return {
        "origin": origin, "batch_id": "night1", "config_id": config_id,
        "scenario": SCENARIO.get(config_id, "chimera_homo"), "workload": "standard", "block": block,
        "status": "ok", "validity": "VALID",
    }  # fmt: skip


def _block(config_id, block, arm, speedup, origin):
    """Two agents of `speedup` s each alone: 2 s apart, as long as one after the other shared."""
    gain = speedup if arm == APART else 1.0
    apart = {"against_shared": speedup, "ideal_speedup": 2.0, "parallel_efficiency": speedup / 2}
    return filled(
        "block_table", **_where(config_id, block, origin), arm=arm,
        n_agents=2, wall_s=2.0 * speedup / gain, in_turn_s=2.0 * speedup, true_speedup=gain,
        weighted_speedup=gain, exact_speedup=gain, **(apart if arm == APART else {}),
        counts=True, n_reloads=0,
    )  # fmt: skip


def _run(config_id, block, origin):
    return filled(
        "run_table", **_where(config_id, block, origin), trial_id=f"{block}-apart", arm="apart",
        attempt=1, n_agents=2, wall_s=2.0, sequential_s=3.9 + block / 100,
        balance_speedup=(3.9 + block / 100) / 2.0,
        balance_efficiency_pct=100 * (3.9 + block / 100) / 2.0 / 2,
    )  # fmt: skip


def _call(config_id, block, role, origin):
    return filled(
        "call_table", **_where(config_id, block, origin), trial_id=f"{block}-apart", arm="apart",
        attempt=1, agent=role, server={"collector": "a", "insight": "b"}[role], stage="analysis",
        model="gemma3:latest", model_digest="0123abcd", server_version="0.33.0",
        started_at=f"2026-01-0{block}T00:00:00+00:00", ingest_s=0.1,
        simulated_by="simulator profile standard" if origin == "simulated" else None,
        num_gpu=80 if role == "insight" else None, num_ctx=512 if role == "insight" else None,
        n_tokens=300, ttft_ms=1.0, total_ms=2.0, eval_ms=1.0,
    )  # fmt: skip


def with_statistics(inputs, *, with_contrasts=False):
    """Compute the statistics anew after a test has changed the blocks or runs."""
    samples = collect_samples(inputs.runs, empty("agent_table"), inputs.blocks)
    compared = {"samples": samples}
    if with_contrasts:
        compared["contrasts"] = conform("contrasts", contrasts(samples))
    return replace(
        inputs,
        more={**inputs.more, **compared},
        config_statistics=conform("config_statistics", config_statistics(samples)),
        scenario_statistics=conform("scenario_statistics", scenario_statistics(samples)),
        population_statistics=conform("population_statistics", population_statistics(samples)),
    )


def build(speedups, origin="measured", missing=None, equal_groups=()):
    """Make inputs of five blocks for each configuration in `speedups` {config_id: [...]}."""
    each = [(c, i, s) for c, values in speedups.items() for i, s in enumerate(values, start=1)]
    blocks = [_block(c, i, arm, s, origin) for c, i, s in each for arm in TOGETHER]
    runs = [_run(c, i, origin) for c, i, _ in each]
    calls = [_call(c, i, r, origin) for c, i, _ in each for r in ("collector", "insight")]
    nothing = pd.DataFrame()
    inputs = ReportInputs(
        nothing, nothing, nothing,
        conform("block_table", pd.DataFrame(blocks)),
        conform("run_table", pd.DataFrame(runs)),
        conform("call_table", pd.DataFrame(calls)),
        missing or {}, tuple(equal_groups),
    )  # fmt: skip
    return with_statistics(inputs)


SLOWER = [0.80, 0.81, 0.82, 0.83, 0.84]
FASTER = [1.40, 1.41, 1.42, 1.43, 1.44]
STRADDLING = [0.90, 0.95, 1.00, 1.05, 1.10]
