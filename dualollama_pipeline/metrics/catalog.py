"""Every metric that statistics and report speak of: name, unit, what it says, and its formula."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from dualollama_pipeline.core.study import APART, SHARED, TOGETHER

ALL = "all"  # the agent of a value that is not of one agent


class Key(NamedTuple):
    """What an estimate is of: the metric's name, the arm, and the agent or ALL."""

    metric: str
    arm: str
    agent: str = ALL


def key_of(row: Any) -> Key:
    """Return what a row of samples or estimates is of, a mapping or a series."""
    return Key(row["metric"], row["arm"], row["agent"])


@dataclass(frozen=True)
class Metric:
    """One metric; `scale` says how it is averaged: ratios by the geometric mean, rates as k of n.

    `arms` are those of which it is estimated; a value of agent_table is one for each agent.
    `against` is a second arm that a ratio of two arms rests on. `column` is the table's column if
    it has another name: a flag has no unit. `by_agents`: an estimate can at most be the number of
    agents, so that one that lies above is impossible. `by_length`: unequal lengths of the answers
    move it, and no interval is known to hold then (METHOD section 2).
    """

    name: str
    label: str
    unit: str
    scale: Literal["ratio", "linear", "rate"]
    table: Literal["run_table", "block_table", "agent_table"]
    formula: str
    meaning: str
    arms: tuple[str, ...] = (APART,)
    upper: float | Literal["agents"] | None = None  # what it cannot exceed, by definition
    better: Literal["higher", "lower", "neither"] = "higher"
    against: str | None = None
    column: str | None = None
    by_agents: bool = False
    by_length: bool = False

    def keys(self, agents: Sequence[str]) -> tuple[Key, ...]:
        """Return the estimates of this metric in a study of these agents, arm after arm."""
        names = agents if self.table == "agent_table" else [ALL]
        return tuple(Key(self.name, arm, name) for arm in self.arms for name in names)

    def rests_on(self, arm: str) -> tuple[str, ...]:
        """Return the arms of several agents that a value of `arm` rests on."""
        return (arm,) if self.against is None else (arm, self.against)


METRICS: tuple[Metric, ...] = (
    Metric(
        "weighted_speedup", "Weighted speedup", "x", "ratio", "block_table",
        "sum_i(1 / slowdown_i), in the window in which all agents run",
        "2 is as if alone, 1 like taking turns; answers of unequal length do not move it.",
        TOGETHER, by_agents=True,
    ),
    Metric(
        "against_shared", "Two servers against one", "x", "ratio", "block_table",
        "weighted speedup, two servers / one server",
        "How many times more work per second two servers do than one, while both agents run.",
        against=SHARED,
    ),
    Metric(
        "true_speedup", "True speedup", "x", "ratio", "block_table",
        "solo time of the agents' work / wall time together",
        "All agents together against one after the other, in seconds.",
        TOGETHER, by_agents=True, by_length=True,
    ),
    Metric(
        "ideal_speedup", "Ideal speedup", "x", "ratio", "block_table",
        "sum_i(solo time_i) / max_i(solo time_i)",
        "The true speedup if the agents did not disturb each other.",
        by_agents=True, by_length=True,
    ),
    Metric(
        "parallel_efficiency", "Parallel efficiency", "x", "ratio", "block_table",
        "max_i(solo time_i) / wall time together",
        "The share of the ideal speedup that was reached.",
        TOGETHER, by_length=True,
    ),
    Metric(
        "slowdown", "Slowdown", "x", "ratio", "agent_table",
        "window / solo time of the work in it",
        "How many times longer an agent takes beside the others.",
        TOGETHER, better="lower",
    ),
    Metric(
        "decode_slowdown", "Slowdown while all decode", "x", "ratio", "agent_table",
        "time a token, together / solo",
        "The same for its tokens alone, while all agents decode.",
        better="lower",
    ),
    Metric(
        "prompt_slowdown", "Slowdown in its prompts", "x", "ratio", "agent_table",
        "prompt time by the server, together / solo",
        "The same for the reading of its prompts.",
        better="lower",
    ),
    Metric(
        "mean_slowdown", "Mean slowdown", "x", "ratio", "block_table",
        "mean_i(slowdown_i)",
        "How many times longer the agents take together, on average.",
        TOGETHER, better="lower",
    ),
    Metric(
        "fairness", "Fairness", "x", "linear", "block_table",
        "min_i(slowdown_i) / max_i(slowdown_i)",
        "1 is alike for all agents; near 0 one of them pays for the others.",
        TOGETHER, upper=1.0,
    ),
    Metric(
        "throughput_scaling", "Throughput scaling", "x", "ratio", "block_table",
        "(tokens / wall time together) / mean_i(n_solo_i / T_solo_i)",
        "Tokens per second of all agents over those of one agent alone.",
    ),
    Metric(
        "ttft_ratio", "TTFT ratio", "x", "ratio", "agent_table",
        "mean TTFT together / mean TTFT solo",
        "How many times longer an agent waits for its first token beside the others.",
        better="lower",
    ),
    Metric(
        "balance_efficiency_pct", "Balance efficiency (the report's)", "%", "linear", "run_table",
        "100 * (t_a + t_b) / (2 * wall time together)",
        "How equal the finish times are; whether together is faster, it cannot say.", upper=100.0,
    ),
    Metric(
        "balance_speedup", "Balance speedup (the report's)", "x", "linear", "run_table",
        "(t_a + t_b) / wall time together",
        "Time of the agents together / wall time: at least 1 whatever the servers do.",
        upper="agents",
    ),
    Metric(
        "tok_per_s_delta", "Throughput delta", "tok/s", "linear", "run_table",
        "mean decode rate of the first agent - that of the second",
        "Signed difference of the agents' mean decode rates.",
        better="neither",
    ),
    Metric(
        "ttft_delta_ms", "TTFT delta", "ms", "linear", "run_table",
        "mean TTFT of the first agent - that of the second",
        "Signed difference of the agents' mean times to the first token.",
        better="neither",
    ),
    Metric(
        "ttft_contention_pct", "Contention by TTFT (the report's rule)", "%", "rate", "run_table",
        "trials with TTFT > median solo TTFT of that agent and stage + 3000 ms / trials",
        "Share of trials in which an agent waited seconds longer for its first token than alone.",
        upper=100.0, better="lower", column="ttft_contention",
    ),
    Metric(
        "balance_contention_pct", "Contention by balance (its program's rule)", "%", "rate",
        "run_table", "trials of two agents with balance speedup < 1.5 / trials",
        "Share of trials in which one agent took more than twice as long as the other.",
        upper=100.0, better="lower", column="balance_contention",
    ),
    Metric(
        "slowdown_contention_pct", "Contention by slowdown", "%", "rate", "run_table",
        "trials with an agent's slowdown > 2 x the configuration's median / trials",
        "Share of trials in which an agent was slowed down twice as much as is usual there.",
        upper=100.0, better="lower", column="slowdown_contention",
    ),
)  # fmt: skip

BY_NAME = {metric.name: metric for metric in METRICS}

# the estimates that answers are given with
APART_SPEEDUP = Key("weighted_speedup", APART)
SHARED_SPEEDUP = Key("weighted_speedup", SHARED)
APART_AGAINST_SHARED = Key("against_shared", APART)
APART_SECONDS = Key("true_speedup", APART)
SHARED_SECONDS = Key("true_speedup", SHARED)
BALANCE = Key("balance_efficiency_pct", APART)
