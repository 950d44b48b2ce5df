"""`python -m dualollama_pipeline_tests.benchmarks.scale [N ...]`: statistics over N trials.

Builds run_table, block_table and call_table of 27 configurations over many nights (5 blocks of
four arms each) and runs every statistic of the group on them. Each size in a process of its own,
so that its peak memory is its own. The tables themselves are part of that memory.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dualollama_pipeline.core.study import APART, PAIR, TOGETHER, load_study
from dualollama_pipeline.metrics.catalog import METRICS
from dualollama_pipeline.statistics import contrasts, estimate, factors, outliers, samples, trend

MATRIX = Path(__file__).resolve().parents[2] / "data" / "studies" / "tr114" / "study.yaml"
SIZES = (10_000, 100_000, 1_000_000)
LIMIT_S, LIMIT_MIB = 60.0, 2_048.0
BLOCKS, ARMS = 5, ("solo_collector", "solo_insight", "apart", "shared")
OF_BLOCKS = tuple(metric.name for metric in METRICS if metric.table == "block_table")
OF_AGENTS = tuple(metric.name for metric in METRICS if metric.table == "agent_table")


def make_tables(n_trials: int, seed: int = 114) -> dict[str, pd.DataFrame]:
    """Return runs, agents, blocks and calls with the columns that the statistics read.

    Calls are those of the last night only: causes are looked up there, history keeps no more.
    """
    matrix, chance = load_study(MATRIX), np.random.default_rng(seed)
    n_configurations = len(matrix.configurations)
    n_nights = max(round(n_trials / (n_configurations * BLOCKS * len(ARMS))), 1)
    n = n_nights * n_configurations * BLOCKS
    night = np.repeat(np.arange(n_nights), n_configurations * BLOCKS)
    which = np.tile(np.repeat(np.arange(n_configurations), BLOCKS), n_nights)
    scenarios = np.array([str(each.scenario) for each in matrix.configurations])
    where = pd.DataFrame(
        {
            "origin": "measured",
            "batch_id": np.array([f"night-{i:05d}" for i in range(n_nights)])[night],
            "config_id": np.array(matrix.config_ids)[which],
            "scenario": scenarios[which],
            "block": np.tile(np.arange(1, BLOCKS + 1), n_nights * n_configurations),
        }
    ).astype(dict.fromkeys(("origin", "batch_id", "config_id", "scenario"), "string[pyarrow]"))
    level = np.log(0.83) + 0.002 * which + 0.01 * chance.standard_normal(n_nights)[night]
    blocks = where.loc[where.index.repeat(len(TOGETHER))].reset_index(drop=True)
    blocks = blocks.assign(
        arm=pd.array(np.tile(TOGETHER, n), dtype="string[pyarrow]"),
        counts=True, n_reloads=0, prompt_share=0.1, exact_speedup=0.1, n_agents=2,
        **{name: np.exp(0.05 * chance.standard_normal(len(blocks))) for name in OF_BLOCKS},
    )  # fmt: skip
    speedup = np.exp(level + 0.02 * chance.standard_normal(n))
    blocks.loc[blocks["arm"].eq(APART), "weighted_speedup"] = speedup
    pairs = blocks.loc[blocks.index.repeat(len(PAIR)), ["batch_id", "config_id", "block", "arm"]]
    agents = pairs.reset_index(drop=True).assign(
        agent=pd.array(
            np.tile([agent.name for agent in PAIR], len(blocks)), dtype="string[pyarrow]"
        ),
        server=pd.array(
            np.tile([agent.server for agent in PAIR], len(blocks)), dtype="string[pyarrow]"
        ),
        **{name: np.exp(0.05 * chance.standard_normal(len(pairs))) for name in OF_AGENTS},
    )
    runs = where.loc[where.index.repeat(len(ARMS))].reset_index(drop=True)
    balance = 100 - np.abs(chance.normal(0, 1, len(runs)))
    runs = runs.assign(
        arm=pd.array(np.tile(ARMS, n), dtype="string[pyarrow]"),
        status=pd.array(["ok"] * len(runs), dtype="string[pyarrow]"),
        validity=pd.array(["VALID"] * len(runs), dtype="string[pyarrow]"),
        n_agents=np.tile([1, 1, 2, 2], n),
        balance_efficiency_pct=balance,
        balance_speedup=balance / 50,
        tok_per_s_delta=chance.normal(0, 1, len(runs)),
        ttft_delta_ms=chance.normal(0, 30, len(runs)),
        start_skew_ms=chance.exponential(1, len(runs)),
        **dict.fromkeys(("ttft_contention", "balance_contention", "slowdown_contention"), False),
    )
    calls = _calls(where[night == n_nights - 1])
    return {"runs": runs, "agents": agents, "blocks": blocks, "calls": calls}


def _calls(where: pd.DataFrame) -> pd.DataFrame:
    place = where["config_id"] + "." + where["batch_id"] + "." + where["block"].astype(str)
    return where.assign(
        trial_id=place, arm="apart", attempt=1, agent="collector", stage="analysis", status="ok",
        failure_kind=None, done_reason="length", n_tokens=300, total_ms=3000.0, queue_ms=1.0,
        load_ms=50.0, is_reload=False, is_degenerate=False,
    )  # fmt: skip


def measure(n_trials: int) -> dict[str, Any]:
    """Run every statistic once; return CPU seconds of each, their sum, and the peak memory."""
    matrix = load_study(MATRIX)
    runs, agents, blocks, calls = make_tables(n_trials).values()
    tables_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    order = sorted(blocks["batch_id"].unique())
    classes, n_blocks = samples.option_classes(matrix), len(blocks)
    seconds: dict[str, float] = {}

    def timed(name: str, function: Any, *arguments: Any) -> Any:
        start_s = time.process_time()
        made = function(*arguments)
        seconds[name] = time.process_time() - start_s
        return made

    found = timed("samples", samples.collect_samples, runs, agents, blocks, classes)
    del agents, blocks  # no other step is given them
    timed("config_statistics", estimate.config_statistics, found)
    timed("scenario_statistics", estimate.scenario_statistics, found)
    timed("population_statistics", estimate.population_statistics, found)
    timed("contrasts", contrasts.contrasts, found)
    timed("factor_effects", factors.factor_effects, found, matrix)
    timed("outliers", outliers.outliers, found, runs, calls)
    timed("trend", trend.trend, found, order)
    return {
        "n_trials": len(runs),
        "n_blocks": n_blocks,
        "n_nights": len(order),
        "seconds": seconds,
        "total_s": sum(seconds.values()),
        "tables_mib": tables_mib,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def measure_sizes(sizes: tuple[int, ...] = SIZES) -> list[dict[str, Any]]:
    """Measure each size in a process of its own."""
    found = []
    for size in sizes:
        sys.stderr.write(f"scale: {size:,} trials\n")
        command = [
            sys.executable,
            "-m",
            __spec__.name if __spec__ else __name__,
            "--one",
            str(size),
        ]
        answer = subprocess.run(command, check=True, capture_output=True, text=True)
        found.append(json.loads(answer.stdout))
    return found


def table(found: list[dict[str, Any]]) -> str:
    """Return the sizes as Markdown rows."""
    names = list(found[0]["seconds"])
    head = ["trials", "nights", "total s", "us a trial", "peak MiB", *names]
    lines = [f"| {' | '.join(head)} |", "|" + "---:|" * len(head)]
    for each in found:
        cells = [
            f"{each['n_trials']:,}",
            f"{each['n_nights']:,}",
            f"{each['total_s']:.1f}",
            f"{1e6 * each['total_s'] / each['n_trials']:.0f}",
            f"{each['peak_mib']:.0f}",
            *(f"{each['seconds'][name]:.2f}" for name in names),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the table; `--one N` prints one size as JSON."""
    arguments = sys.argv[1:]
    if arguments[:1] == ["--one"]:
        sys.stdout.write(json.dumps(measure(int(arguments[1]))))
        return
    sizes = tuple(int(each) for each in arguments) or SIZES
    found = measure_sizes(sizes)
    sys.stdout.write(table(found))
    largest = found[-1]
    met = largest["total_s"] <= LIMIT_S and largest["peak_mib"] <= LIMIT_MIB
    sys.stdout.write(f"limit {LIMIT_S:g} s, {LIMIT_MIB:g} MiB: {'met' if met else 'MISSED'}\n")


if __name__ == "__main__":
    main()
