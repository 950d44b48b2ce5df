"""From trials to `block_table`: the four arms of one repetition, compared with each other."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pandas as pd

from dualollama_pipeline.core.matrix import Role
from dualollama_pipeline.metrics import block as formulas
from dualollama_pipeline.tables.guards import TOKEN_TOLERANCE
from dualollama_pipeline.tables.rows import NAN, WHERE, Row, grouped, judge, pick, plain_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

SOLO_ARMS = {"solo_a": Role.COLLECTOR, "solo_b": Role.INSIGHT}
PAIR_ARMS = ("dual", "single")
Agents = dict[tuple[str, str], Row]


def build_blocks(runs: pd.DataFrame, agents: pd.DataFrame) -> pd.DataFrame:
    """Lay out the blocks of one configuration."""
    agents_of = grouped(plain_rows(agents), "block")
    blocks: list[Row] = []
    for (block,), group in grouped(plain_rows(runs), "block").items():
        by_arm: Agents = {(agent["arm"], agent["role"]): agent for agent in agents_of[(block,)]}
        blocks.append(_block({run["arm"]: run for run in group}, by_arm))
    blocks.sort(key=lambda row: int(row["block"]))
    return pd.DataFrame(blocks)


def _block(runs: dict[str, Row], agents: Agents) -> Row:
    walls = {arm: runs.get(arm, {}).get("wall_s", NAN) for arm in (*SOLO_ARMS, *PAIR_ARMS)}
    solo_walls = [walls[arm] for arm in SOLO_ARMS]
    complete = not any(map(math.isnan, solo_walls))
    row = {
        **pick(next(iter(runs.values())), WHERE),
        **judge(list(runs.values())),
        **{f"{arm}_wall_s": wall for arm, wall in walls.items()},
        "ideal_speedup": formulas.ideal_speedup(solo_walls) if complete else NAN,
        "dual_against_single": walls["single"] / walls["dual"],
        "n_single_reloads": runs.get("single", {}).get("n_reloads", NAN),
    }
    for arm in PAIR_ARMS:
        row |= _pair(arm, walls[arm], solo_walls, agents)
    row["dual_throughput_scaling"] = formulas.throughput_scaling(
        _tokens(agents, "dual"), walls["dual"], _solo_tokens(agents), solo_walls
    )
    reasons = []
    for arm in PAIR_ARMS:
        unsound, unequal = _unsound(arm, runs), _unequal_work(arm, agents)
        row |= {
            f"in_{arm}_estimate": not unsound and not unequal,
            f"in_{arm}_per_token": not unsound,
        }
        reasons.append(unsound or unequal)
    row["exclusion_reason"] = "; ".join(dict.fromkeys(filter(None, reasons)))
    return row


def _pair(arm: str, wall_s: float, solo_walls: Sequence[float], agents: Agents) -> Row:
    """Compare one pair arm with the solo arms of its block."""
    row = {
        f"{arm}_true_speedup": formulas.true_speedup(solo_walls, wall_s),
        f"{arm}_parallel_efficiency": formulas.parallel_efficiency(solo_walls, wall_s),
        f"{arm}_per_token_speedup": formulas.per_token_speedup(
            solo_walls, _solo_tokens(agents), _tokens(agents, arm), wall_s
        ),
    }
    for solo, role in SOLO_ARMS.items():
        alone, together = agents.get((solo, role), {}), agents.get((arm, role), {})
        row[f"{arm}_{role}_slowdown"] = formulas.slowdown(
            together.get("duration_s", NAN), alone.get("duration_s", NAN)
        )
        if arm == "dual":
            row[f"{arm}_{role}_ttft_ratio"] = together.get("mean_ttft_ms", NAN) / alone.get(
                "mean_ttft_ms", NAN
            )
    return row


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


def _unequal_work(arm: str, agents: Agents) -> str:
    """Say which agent made more than 10 % more or fewer tokens than alone (METHOD section 2)."""
    for role, alone, together in zip(
        SOLO_ARMS.values(), _solo_tokens(agents), _tokens(agents, arm), strict=True
    ):
        if abs(together - alone) > TOKEN_TOLERANCE * alone:
            return f"{arm}: {role} made {together:.0f} tokens, alone {alone:.0f}"
    return ""
