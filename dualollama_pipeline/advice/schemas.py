"""The schema of `capacity`."""

from __future__ import annotations

from dualollama_pipeline.core.records import Origin
from dualollama_pipeline.tables.columns import count, flag, number, table, text

CAPACITY = table(
    "capacity",
    {
        "origin": text("where the numbers come from", among=Origin),
        "model": text("the model of all agents"),
        "n_agents": count("agents at once", least=1),
        "arm": text("apart (each on its own server) or shared (all on the first)"),
        "n_slots": count("calls that the one server answers at a time; null: as it is", null=True),
        "n_blocks": count("trials that count"),
        "tok_per_s": number("tokens of all agents / wall time; geometric mean over the trials"),
        "tok_per_s_low": number("lower end of its 95 % interval"),
        "tok_per_s_high": number("upper end of its 95 % interval"),
        "weighted_speedup": number("sum over agents of 1 / slowdown; 1 for one agent"),
        "weighted_speedup_low": number("lower end of its 95 % interval"),
        "weighted_speedup_high": number("upper end of its 95 % interval"),
        "n_calls": count("answered calls of these trials"),
        "ttft_p95_ms": number("95th percentile of the TTFT; null below 40 calls"),
        "ttft_max_ms": number("longest TTFT"),
        "agent_tok_per_s": number("mean decode rate of the slowest agent"),
        "fits": flag("every agent is within the service levels; null is not known", null=True),
        "why": text("which level is not met, or why that is not known; empty if all are"),
        "gains": flag("more throughput than one agent fewer; null is not known", null=True),
    },
)
