"""From trials to `block_table`: the four arms of one repetition, compared with each other."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dualollama_pipeline.core.matrix import Role
from dualollama_pipeline.core.units import MS_PER_S
from dualollama_pipeline.metrics import block as formulas
from dualollama_pipeline.tables.rows import (
    NAN,
    WHERE,
    Row,
    grouped,
    judge,
    pick,
)
from dualollama_pipeline.tables.work import Work

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dualollama_pipeline.tables.work import Works

SOLO_ARMS = {"solo_a": Role.COLLECTOR, "solo_b": Role.INSIGHT}
PAIR_ARMS = ("dual", "single")
NOTHING = Work()
Agents = dict[tuple[str, str], Row]
ArmWorks = dict[str, list[Work]]


def build_blocks(runs: Sequence[Row], agents: Sequence[Row], work: Works) -> list[Row]:
    """Lay out the blocks of one configuration."""
    agents_of = grouped(agents, "block")
    blocks: list[Row] = []
    for (block,), group in grouped(runs, "block").items():
        by_arm: Agents = {(agent["arm"], agent["role"]): agent for agent in agents_of[(block,)]}
        works: ArmWorks = {
            arm: [work.get((block, arm, role), NOTHING) for role in SOLO_ARMS.values()]
            for arm in PAIR_ARMS
        }
        blocks.append(_block({run["arm"]: run for run in group}, by_arm, works))
    blocks.sort(key=lambda row: int(row["block"]))
    return blocks


def _block(runs: dict[str, Row], agents: Agents, works: ArmWorks) -> Row:
    walls = {arm: runs.get(arm, {}).get("wall_s", NAN) for arm in (*SOLO_ARMS, *PAIR_ARMS)}
    solo_walls = [walls[arm] for arm in SOLO_ARMS]
    row = {
        **pick(next(iter(runs.values())), WHERE),
        **judge(list(runs.values())),
        **{f"{arm}_wall_s": wall for arm, wall in walls.items()},
        "n_single_reloads": runs.get("single", {}).get("n_reloads", NAN),
    }
    reasons, nulls = [], []
    for arm in PAIR_ARMS:
        row |= _pair(arm, walls[arm], solo_walls, works[arm])
        row[f"{arm}_window_share"] = runs.get(arm, {}).get("window_s", NAN) / walls[arm]
        unsound = _unsound(arm, runs)
        row[f"in_{arm}_estimate"] = not unsound
        reasons.append(unsound)
        nulls += [f"{arm}: {why}" for why in _nulls(works[arm]) if not unsound]
    row["dual_against_single"] = row["dual_weighted_speedup"] / row["single_weighted_speedup"]
    for role in SOLO_ARMS.values():
        row[f"dual_{role}_ttft_ratio"] = _ttft_ratio(agents, role)
    row["dual_throughput_scaling"] = formulas.throughput_scaling(
        _tokens(agents, "dual"), walls["dual"], _solo_tokens(agents), solo_walls
    )
    row["exclusion_reason"] = "; ".join(dict.fromkeys(filter(None, reasons)))
    row["null_reason"] = "; ".join(dict.fromkeys(nulls))
    return row


def _pair(arm: str, wall_s: float, solo_walls: Sequence[float], works: Sequence[Work]) -> Row:
    """Compare one pair arm with the solo arms of its block."""
    in_turn_s = [work.in_turn_ms / MS_PER_S for work in works]
    if all(math.isclose(*pair, rel_tol=1e-9) for pair in zip(in_turn_s, solo_walls, strict=True)):
        in_turn_s = list(solo_walls)  # the same work: to the last digit
    equal = not any(work.unequal for work in works)
    row = {
        f"{arm}_in_turn_s": sum(in_turn_s),
        f"{arm}_true_speedup": formulas.true_speedup(in_turn_s, wall_s),
        f"{arm}_exact_speedup": formulas.true_speedup(solo_walls, wall_s) if equal else NAN,
        f"{arm}_weighted_speedup": formulas.weighted_speedup([work.slowdown for work in works]),
        f"{arm}_ideal_speedup": formulas.ideal_speedup(in_turn_s),
        f"{arm}_parallel_efficiency": formulas.parallel_efficiency(in_turn_s, wall_s),
        f"{arm}_prompt_share": _prompt_share(works),
    }
    for role, work in zip(SOLO_ARMS.values(), works, strict=True):
        row[f"{arm}_{role}_slowdown"] = work.slowdown
        row[f"{arm}_{role}_decode_slowdown"] = work.decode_slowdown
        row[f"{arm}_{role}_prompt_slowdown"] = work.prompt_slowdown
    return row


def _prompt_share(works: Sequence[Work]) -> float:
    """Return how much of the work in the window was reading prompts, by its time alone."""
    whole = sum(work.window_work_ms for work in works)
    return sum(work.window_prompt_ms for work in works) / whole if whole > 0 else NAN


def _nulls(works: Sequence[Work]) -> list[str]:
    """Say why what needs token times, or equal work, is null."""
    return [text for work in works for text in (work.reason, work.unequal) if text]


def _ttft_ratio(agents: Agents, role: Role) -> float:
    solo = next(arm for arm, its in SOLO_ARMS.items() if its == role)
    alone, together = agents.get((solo, role), {}), agents.get(("dual", role), {})
    return float(together.get("mean_ttft_ms", NAN) / alone.get("mean_ttft_ms", NAN))


def _tokens(agents: Agents, arm: str) -> list[float]:
    return [agents.get((arm, role), {}).get("n_tokens", NAN) for role in SOLO_ARMS.values()]


def _solo_tokens(agents: Agents) -> list[float]:
    return [agents.get(key, {}).get("n_tokens", NAN) for key in SOLO_ARMS.items()]


def _unsound(arm: str, runs: dict[str, Row]) -> str:
    """Say which trial of a block is missing, failed or INVALID; empty if all are sound."""
    for needed in (*SOLO_ARMS, arm):
        run = runs.get(needed)
        if run is None:
            return f"{needed} is missing"
        if run["status"] != "ok" or run["validity"] == "INVALID":
            return f"{needed}: {run['validity_reasons'] or run['status']}"
    return ""
