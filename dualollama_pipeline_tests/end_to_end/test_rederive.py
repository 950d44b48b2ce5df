"""Every measured number of summary.json, from the journals by another path, to 1e-9.

The other path: the journal's lines as plain JSON, sums written out, no table, no pandas, none of
the project's formulas. The trap: a column that is mixed up on its way through six rooms.
"""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

import pytest
from scipy import stats

from dualollama_pipeline_tests.kills.harness import PIPELINE, environment, run

# a mixed pair, an uneven pair (its single arm reloads), an equal pair, and one of other sampling
CONFIGS = ["test001", "test007", "test013", "test106"]
EXACT = 1e-9
Call = dict[str, Any]
Block = dict[str, list[Call]]  # arm -> calls
S = 1e9


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four configurations of five blocks, through the whole pipeline."""
    folder = tmp_path_factory.mktemp("rederive")
    done = run(folder, PIPELINE, "run", "--configs", *CONFIGS, "--blocks", "5")
    assert done.code == 0, done.said
    assert environment(folder)
    return folder


def blocks_of(home: Path, config_id: str) -> list[Block]:
    (path,) = (home / "warehouse" / "journals" / config_id).glob("*.jsonl")
    blocks: dict[int, Block] = defaultdict(dict)
    for line in path.read_text().splitlines():
        record = json.loads(line)
        if record["record"] == "trial":
            assert record["status"] == "ok"
            blocks[record["block"]][record["arm"]] = record["calls"]
    return [blocks[number] for number in sorted(blocks)]


# -- the arithmetic of one block -----------------------------------------------------------------
def wall_s(calls: Sequence[Call]) -> float:
    return (max(c["end_ns"] for c in calls) - min(c["sent_ns"] for c in calls)) / S


def of(role: str, calls: Sequence[Call]) -> list[Call]:
    return [c for c in calls if c["role"] == role]


def tokens(calls: Sequence[Call]) -> int:
    return int(sum(c["counters"]["eval_count"] for c in calls))


def ttft_ms(calls: Sequence[Call]) -> float:
    return fmean((c["first_token_ns"] - c["sent_ns"]) / 1e6 for c in calls)


def rate(calls: Sequence[Call]) -> float:
    return fmean(c["counters"]["eval_count"] / c["counters"]["eval_duration"] * S for c in calls)


def solos(b: Block) -> tuple[float, float]:
    return wall_s(b["solo_a"]), wall_s(b["solo_b"])


def per_token(b: Block, arm: str) -> float:
    return sum(
        wall_s(b[solo]) / tokens(b[solo]) * tokens(of(role, b[arm]))
        for solo, role in (("solo_a", "collector"), ("solo_b", "insight"))
    ) / wall_s(b[arm])


def scaling(b: Block) -> float:
    alone = fmean(tokens(b[solo]) / wall_s(b[solo]) for solo in ("solo_a", "solo_b"))
    return tokens(b["dual"]) / wall_s(b["dual"]) / alone


def balance(b: Block) -> float:
    both = wall_s(of("collector", b["dual"])) + wall_s(of("insight", b["dual"]))
    return both / wall_s(b["dual"])


def slowdown(b: Block, arm: str, role: str, solo: str) -> float:
    return wall_s(of(role, b[arm])) / wall_s(b[solo])


RATIOS: dict[str, Callable[[Block], float]] = {
    "dual_true_speedup": lambda b: sum(solos(b)) / wall_s(b["dual"]),
    "single_true_speedup": lambda b: sum(solos(b)) / wall_s(b["single"]),
    "dual_against_single": lambda b: wall_s(b["single"]) / wall_s(b["dual"]),
    "ideal_speedup": lambda b: sum(solos(b)) / max(solos(b)),
    "dual_parallel_efficiency": lambda b: max(solos(b)) / wall_s(b["dual"]),
    "single_parallel_efficiency": lambda b: max(solos(b)) / wall_s(b["single"]),
    "dual_per_token_speedup": lambda b: per_token(b, "dual"),
    "single_per_token_speedup": lambda b: per_token(b, "single"),
    "dual_collector_slowdown": lambda b: slowdown(b, "dual", "collector", "solo_a"),
    "dual_insight_slowdown": lambda b: slowdown(b, "dual", "insight", "solo_b"),
    "single_collector_slowdown": lambda b: slowdown(b, "single", "collector", "solo_a"),
    "single_insight_slowdown": lambda b: slowdown(b, "single", "insight", "solo_b"),
    "dual_throughput_scaling": scaling,
    "dual_collector_ttft_ratio": lambda b: (
        ttft_ms(of("collector", b["dual"])) / ttft_ms(b["solo_a"])
    ),
    "dual_insight_ttft_ratio": lambda b: ttft_ms(of("insight", b["dual"])) / ttft_ms(b["solo_b"]),
}
LINEAR: dict[str, Callable[[Block], float]] = {
    "balance_efficiency_pct": lambda b: 50 * balance(b),
    "balance_speedup": balance,
    "collector_minus_insight_tok_per_s": lambda b: (
        rate(of("collector", b["dual"])) - rate(of("insight", b["dual"]))
    ),
    "ttft_delta_ms": lambda b: (
        ttft_ms(of("collector", b["dual"])) - ttft_ms(of("insight", b["dual"]))
    ),
}
BOUNDS = {"balance_efficiency_pct": 100.0, "balance_speedup": 2.0}


def single_reloads(blocks: Sequence[Block]) -> bool:
    """Whether the single arm ever loaded the model: above 0.5 s and five times the usual."""

    def loads(arms: Sequence[str]) -> list[float]:
        calls = [c for b in blocks for arm in arms for c in b[arm]]
        return [c["counters"]["load_duration"] / 1e6 for c in calls]

    limit_ms = max(500.0, 5 * median(loads(("solo_a", "solo_b", "dual"))))
    return any(load > limit_ms for load in loads(("single",)))


# -- the arithmetic of estimates -----------------------------------------------------------------
def interval(metric: str, groups: Sequence[Sequence[float]]) -> tuple[float, float, float]:
    """Mean over all values with its t interval, the variance within groups (Welch)."""
    ratio = metric in RATIOS
    scaled = [[math.log(v) for v in group] if ratio else list(group) for group in groups]
    n = sum(map(len, scaled))
    mean = sum(map(sum, scaled)) / n
    parts = [(len(g) / n) ** 2 * stdev(g) ** 2 / len(g) for g in scaled]
    freedom = sum(parts) ** 2 / sum(p**2 / (len(g) - 1) for p, g in zip(parts, scaled, strict=True))
    few = metric in BOUNDS and freedom < 19
    half = stats.t.ppf(0.985 if few else 0.975, freedom) * math.sqrt(sum(parts))
    ends = (mean, mean - half, mean + half)
    if ratio:
        return math.exp(ends[0]), math.exp(ends[1]), math.exp(ends[2])
    bound = BOUNDS.get(metric, math.inf)
    return ends[0], ends[1], min(ends[2], bound)


def check(found: dict[str, Any], groups: Sequence[Sequence[float]]) -> None:
    """Compare one estimate of summary.json with the arithmetic."""
    metric = found["metric"]
    groups = [group for group in groups if group]
    values = [v for group in groups for v in group]
    assert found["n"] == len(values), metric
    if not values:
        assert found["value"] is None
        return
    value, low, high = interval(metric, groups)
    expected = {
        "value": value,
        "ci_low": low,
        "ci_high": high,
        "mean": fmean(values),
        "median": median(values),
        "sd": stdev(values),
        "cv_pct": 100 * stdev(values) / abs(fmean(values)),
        "min": min(values),
        "max": max(values),
    }
    for name, number in expected.items():
        assert found[name] == pytest.approx(number, rel=EXACT, abs=EXACT), (metric, name)


def check_all(estimates: Sequence[dict[str, Any]], members: dict[str, list[Block]]) -> int:
    """Compare all estimates of one level; return how many were compared."""
    checked = 0
    pooled = len(members) > 1
    for found in estimates:
        metric = found["metric"]
        formula = (RATIOS | LINEAR).get(metric)
        if formula is None:
            assert metric.endswith("_contention_pct")  # k of n, below
            continue
        counted = {
            name: blocks
            for name, blocks in members.items()
            if not (pooled and "single" in metric and single_reloads(blocks))
        }
        check(found, [[formula(b) for b in blocks] for blocks in counted.values()])
        checked += 1
    return checked


@pytest.fixture(scope="module")
def measured(home: Path) -> dict[str, list[Block]]:
    return {config_id: blocks_of(home, config_id) for config_id in CONFIGS}


@pytest.fixture(scope="module")
def summary(home: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(
        (home / "warehouse" / "report" / "summary.json").read_text()
    )
    return content


def test_the_configurations(summary: dict[str, Any], measured: dict[str, list[Block]]) -> None:
    """One t interval each, over its five blocks."""
    assert [each["config_id"] for each in summary["configurations"]] == CONFIGS
    for each in summary["configurations"]:
        mine = {each["config_id"]: measured[each["config_id"]]}
        assert check_all(each["estimates"], mine) == len(RATIOS) + len(LINEAR)


def test_the_population(summary: dict[str, Any], measured: dict[str, list[Block]]) -> None:
    """Stratified over the configurations; what rests on `single` without those that reload."""
    assert {single_reloads(blocks) for blocks in measured.values()} == {True, False}
    assert check_all(summary["population"], measured) == len(RATIOS) + len(LINEAR)


def test_the_scenarios(summary: dict[str, Any], measured: dict[str, list[Block]]) -> None:
    """Each over its own configurations."""
    assert len(summary["scenarios"]) == 3
    for each in summary["scenarios"]:
        mine = {name: measured[name] for name in each["config_ids"]}
        # a scenario of one configuration is pooled, too: what reloads does not count there
        if len(mine) == 1:
            (blocks,) = mine.values()
            kept = [
                found
                for found in each["estimates"]
                if not ("single" in found["metric"] and single_reloads(blocks))
            ]
        else:
            kept = each["estimates"]
        assert check_all(kept, mine) > 0


def test_contention_is_counted(summary: dict[str, Any], measured: dict[str, list[Block]]) -> None:
    """The program's own rule, from the formula: balance speedup below 1.5."""
    k = sum(balance(b) < 1.5 for blocks in measured.values() for b in blocks)
    n = sum(len(blocks) for blocks in measured.values())
    found = next(e for e in summary["population"] if e["metric"] == "balance_contention_pct")
    assert (found["n"], found["value"]) == (n, pytest.approx(100 * k / n))
