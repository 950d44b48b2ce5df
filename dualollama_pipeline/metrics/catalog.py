"""Every metric that statistics and report speak of: name, unit, what it says, and its formula."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Metric:
    """One metric; `scale` says how it is averaged: ratios by the geometric mean, rates as k of n.

    `column` is the table's column if it has another name: a flag has no unit. `n_agents`: what an
    estimate of it can at most be, so that one that lies above is impossible. `by_length`: unequal
    lengths of the answers move it, and no interval is known to hold then (METHOD section 2).
    """

    name: str
    label: str
    unit: str
    scale: Literal["ratio", "linear", "rate"]
    table: Literal["run_table", "block_table"]
    formula: str
    meaning: str
    upper: float | None = None  # what the quantity cannot exceed, by definition
    better: Literal["higher", "lower", "neither"] = "higher"
    column: str | None = None
    n_agents: int | None = None
    by_length: bool = False


METRICS: tuple[Metric, ...] = (
    Metric(
        "dual_weighted_speedup", "Weighted speedup, two servers", "x", "ratio", "block_table",
        "sum_i(1 / slowdown_i), in the window in which both run",
        "2 is as if alone, 1 like taking turns; answers of unequal length do not move it.",
        n_agents=2,
    ),
    Metric(
        "single_weighted_speedup", "Weighted speedup, one server", "x", "ratio", "block_table",
        "sum_i(1 / slowdown_i), in the window in which both run",
        "The same with both agents on one server.",
        n_agents=2,
    ),
    Metric(
        "dual_against_single", "Two servers against one", "x", "ratio", "block_table",
        "weighted speedup, two servers / one server",
        "How many times more work per second two servers do than one, while both agents run.",
    ),
    Metric(
        "dual_true_speedup", "True speedup, two servers", "x", "ratio", "block_table",
        "solo time of the pair's work / wall_dual",
        "Two agents on two servers against one after the other, in seconds.",
        n_agents=2, by_length=True,
    ),
    Metric(
        "single_true_speedup", "True speedup, one server", "x", "ratio", "block_table",
        "solo time of the pair's work / wall_single",
        "The same with both agents on one server.",
        n_agents=2, by_length=True,
    ),
    Metric(
        "dual_ideal_speedup", "Ideal speedup", "x", "ratio", "block_table",
        "sum_i(solo time_i) / max_i(solo time_i)",
        "The true speedup if the agents did not disturb each other.",
        n_agents=2, by_length=True,
    ),
    Metric(
        "dual_parallel_efficiency", "Parallel efficiency", "x", "ratio", "block_table",
        "max_i(solo time_i) / wall_dual",
        "The share of the ideal speedup that was reached.",
        by_length=True,
    ),
    Metric(
        "dual_collector_slowdown", "Slowdown of the collector", "x", "ratio", "block_table",
        "window_dual / solo time of the work in it",
        "How many times longer the collector takes beside the other agent.",
        better="lower",
    ),
    Metric(
        "dual_collector_decode_slowdown", "Slowdown of the collector while both decode",
        "x", "ratio", "block_table",
        "time a token, dual / solo",
        "The same for its tokens alone, while both agents decode.",
        better="lower",
    ),
    Metric(
        "dual_collector_prompt_slowdown", "Slowdown of the collector in its prompts",
        "x", "ratio", "block_table",
        "prompt time by the server, dual / solo",
        "The same for the reading of its prompts.",
        better="lower",
    ),
    Metric(
        "dual_insight_slowdown", "Slowdown of the insight agent", "x", "ratio", "block_table",
        "window_dual / solo time of the work in it",
        "How many times longer the insight agent takes beside the other agent.",
        better="lower",
    ),
    Metric(
        "dual_insight_decode_slowdown", "Slowdown of the insight agent while both decode",
        "x", "ratio", "block_table",
        "time a token, dual / solo",
        "The same for its tokens alone, while both agents decode.",
        better="lower",
    ),
    Metric(
        "dual_insight_prompt_slowdown", "Slowdown of the insight agent in its prompts",
        "x", "ratio", "block_table",
        "prompt time by the server, dual / solo",
        "The same for the reading of its prompts.",
        better="lower",
    ),
    Metric(
        "dual_throughput_scaling", "Throughput scaling", "x", "ratio", "block_table",
        "(tokens / wall_dual) / mean_i(n_solo_i / T_solo_i)",
        "Tokens per second of the pair over those of one agent alone.",
    ),
    Metric(
        "dual_collector_ttft_ratio", "TTFT ratio of the collector", "x", "ratio", "block_table",
        "mean TTFT_dual / mean TTFT_solo_a",
        "How many times longer the collector waits for its first token beside the other agent.",
        better="lower",
    ),
    Metric(
        "dual_insight_ttft_ratio", "TTFT ratio of the insight agent", "x", "ratio", "block_table",
        "mean TTFT_dual / mean TTFT_solo_b",
        "How many times longer the insight agent waits for its first token beside the other.",
        better="lower",
    ),
    Metric(
        "single_parallel_efficiency", "Parallel efficiency, one server",
        "x", "ratio", "block_table",
        "max_i(solo time_i) / wall_single",
        "The share of the ideal speedup that was reached on one server.",
        by_length=True,
    ),
    Metric(
        "single_collector_slowdown", "Slowdown of the collector, one server",
        "x", "ratio", "block_table",
        "window_single / solo time of the work in it",
        "How many times longer the collector takes with the other agent on its server.",
        better="lower",
    ),
    Metric(
        "single_insight_slowdown", "Slowdown of the insight agent, one server",
        "x", "ratio", "block_table",
        "window_single / solo time of the work in it",
        "How many times longer the insight agent takes with the other agent on its server.",
        better="lower",
    ),
    Metric(
        "balance_efficiency_pct", "Balance efficiency (the report's)", "%", "linear", "run_table",
        "100 * (t_a + t_b) / (2 * wall_dual)",
        "How equal the finish times are; whether together is faster, it cannot say.", 100.0,
    ),
    Metric(
        "balance_speedup", "Balance speedup (the report's)", "x", "linear", "run_table",
        "(t_a + t_b) / wall_dual",
        "Balance efficiency / 50: between 1 and 2 whatever the servers do.", 2.0,
    ),
    Metric(
        "collector_minus_insight_tok_per_s", "Throughput delta", "tok/s", "linear", "run_table",
        "mean decode rate of the collector - that of the insight agent",
        "Signed difference of the agents' mean decode rates.",
        better="neither",
    ),
    Metric(
        "ttft_delta_ms", "TTFT delta", "ms", "linear", "run_table",
        "mean TTFT of the collector - that of the insight agent",
        "Signed difference of the agents' mean times to the first token.",
        better="neither",
    ),
    Metric(
        "ttft_contention_pct", "Contention by TTFT (the report's rule)", "%", "rate", "run_table",
        "trials with TTFT > median solo TTFT of that agent and stage + 3000 ms / trials",
        "Share of trials in which an agent waited seconds longer for its first token than alone.",
        100.0, better="lower", column="ttft_contention",
    ),
    Metric(
        "balance_contention_pct", "Contention by balance (its program's rule)", "%", "rate",
        "run_table", "trials with balance speedup < 1.5 / trials",
        "Share of trials in which one agent took more than twice as long as the other.",
        100.0, better="lower", column="balance_contention",
    ),
    Metric(
        "slowdown_contention_pct", "Contention by slowdown", "%", "rate", "run_table",
        "trials with an agent's slowdown > 2 x the configuration's median / trials",
        "Share of trials in which an agent was slowed down twice as much as is usual there.",
        100.0, better="lower", column="slowdown_contention",
    ),
)  # fmt: skip

BY_NAME = {metric.name: metric for metric in METRICS}
