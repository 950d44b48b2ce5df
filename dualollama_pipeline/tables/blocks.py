"""From trials to `block_table`: each arm of several agents against their solo arms."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dualollama_pipeline.core.study import APART, SHARED, TOGETHER, solo
from dualollama_pipeline.core.units import MS_PER_S
from dualollama_pipeline.metrics import block as formulas
from dualollama_pipeline.tables.rows import NAN, WHERE, Row, grouped, judge, pick
from dualollama_pipeline.tables.work import NO_WORK, Work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dualollama_pipeline.tables.work import Works

Runs = dict[str, Row]


def build_blocks(
    runs: Sequence[Row], works: Works, agents: Sequence[str], together: Sequence[str] = TOGETHER
) -> list[Row]:
    """Lay out the blocks of one configuration, a row for each arm of several agents.

    `agents` are the study's, in its order; `together` the arms that were planned.
    """
    blocks: list[Row] = []
    if len(agents) == 1:  # nobody to be compared with
        return blocks
    for (block,), group in sorted(grouped(runs, "block").items()):
        by_arm = {run["arm"]: run for run in group}
        mine = {
            arm: _arm(arm, by_arm, [works.get((block, arm, each), NO_WORK) for each in agents],
                      [solo(each) for each in agents])
            for arm in together
        }  # fmt: skip
        if mine.keys() >= {APART, SHARED}:
            mine[APART]["against_shared"] = _against(mine[APART], mine[SHARED])
        whole = pick(group[0], WHERE) | judge(group)
        blocks += [whole | row for row in mine.values()]
    return blocks


def _arm(arm: str, runs: Runs, works: Sequence[Work], solos: Sequence[str]) -> Row:
    """Compare one arm with the solo arms of its block."""
    run = runs.get(arm, {})
    alone = [runs.get(name, {}) for name in solos]
    wall_s, solo_walls = run.get("wall_s", NAN), [each.get("wall_s", NAN) for each in alone]
    slowdowns = [work.slowdown for work in works]
    in_turn_s = [work.in_turn_ms / MS_PER_S for work in works]
    if all(math.isclose(*pair, rel_tol=1e-9) for pair in zip(in_turn_s, solo_walls, strict=True)):
        in_turn_s = solo_walls  # the same work: to the last digit
    equal = not any(work.unequal for work in works)
    unsound = _unsound([*solos, arm], runs)
    nulls = [text for work in works for text in (work.reason, work.unequal) if text]
    return {
        "arm": arm,
        "n_agents": len(works),
        "wall_s": wall_s,
        "in_turn_s": sum(in_turn_s),
        "true_speedup": formulas.true_speedup(in_turn_s, wall_s),
        "exact_speedup": formulas.true_speedup(solo_walls, wall_s) if equal else NAN,
        "weighted_speedup": formulas.weighted_speedup(slowdowns),
        "ideal_speedup": formulas.ideal_speedup(in_turn_s),
        "parallel_efficiency": formulas.parallel_efficiency(in_turn_s, wall_s),
        "mean_slowdown": formulas.mean_slowdown(slowdowns),
        "fairness": formulas.fairness(slowdowns),
        "throughput_scaling": formulas.throughput_scaling(
            run.get("n_tokens", NAN),
            wall_s,
            [each.get("n_tokens", NAN) for each in alone],
            solo_walls,
        ),
        "against_shared": NAN,
        "window_share": run.get("window_s", NAN) / wall_s,
        "prompt_share": _prompt_share(works),
        "n_reloads": run.get("n_reloads", NAN),
        "counts": not unsound,
        "exclusion_reason": unsound,
        "null_reason": "" if unsound else "; ".join(dict.fromkeys(nulls)),
    }


def _against(apart: Row, shared: Row) -> float:
    """Return how many times more the agents gain apart; nan unless both count."""
    if not (apart["counts"] and shared["counts"]):
        return NAN
    return float(apart["weighted_speedup"] / shared["weighted_speedup"])


def _prompt_share(works: Sequence[Work]) -> float:
    """Return how much of the work in the window was reading prompts, by its time alone."""
    whole = sum(work.window_work_ms for work in works)
    return sum(work.window_prompt_ms for work in works) / whole if whole > 0 else NAN


def _unsound(needed: Sequence[str], runs: Runs) -> str:
    """Say which trial of a block is missing, failed or INVALID; empty if all are sound."""
    for arm in needed:
        run = runs.get(arm)
        if run is None:
            return f"{arm} is missing"
        if run["status"] != "ok" or run["validity"] == "INVALID":
            return f"{arm}: {run['validity_reasons'] or run['status']}"
    return ""
