"""The report's two guides as data: which configuration (section 7.2), which approach (10.3).

The tree leaves cases open. They are decided here, each with its reason, and an answer says whether
it is the report's or ours.
"""

from __future__ import annotations

from collections import Counter
from math import isfinite
from typing import TYPE_CHECKING, NamedTuple

from dualollama_pipeline.core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

VRAM_BOUNDARY_GB = 10.0
PRIORITIES = ("latency", "cost", "quality", "performance")
APPROACHES = ("python", "rust", "hybrid")


class Leaf(NamedTuple):
    """What the tree ends in: a tier, or configurations of no tier."""

    name: str
    tier: str
    config_ids: tuple[str, ...]
    what: str


class Advice(NamedTuple):
    """The leaf, the way to it, and why where the report does not say."""

    leaf: Leaf
    way: str
    is_published: bool
    reason: str


LEAVES = {
    leaf.name: leaf
    for leaf in (
        Leaf("tier1", "maximum_efficiency", ("test011",), "hetero, num_gpu 120/140"),
        Leaf("tier2", "balanced", ("test108",), "homo, num_ctx 2048"),
        Leaf("tier3", "resource_constrained", ("test004",), "baseline and chimera"),
        Leaf("homo512", "", ("test013", "test015", "test200"), "homo, num_ctx 512, num_gpu 60/80"),
    )
}
SMALL, LARGE = f"below or at {VRAM_BOUNDARY_GB:g} GB", f"above {VRAM_BOUNDARY_GB:g} GB"
# (branch, priority) -> (leaf, is it the report's, why if it is not)
TREE: dict[tuple[str, str], tuple[str, bool, str]] = {
    (SMALL, "latency"): ("tier3", True, ""),
    (SMALL, "cost"): ("homo512", True, ""),
    (LARGE, "quality"): ("tier2", True, ""),
    (LARGE, "performance"): ("tier1", True, ""),
    (SMALL, "quality"): ("tier3", False, "tiers 1 and 2 are for more memory"),
    (SMALL, "performance"): ("tier3", False, "tiers 1 and 2 are for more memory"),
    (SMALL, ""): ("tier3", False, "the tier for little memory"),
    (LARGE, "latency"): ("tier2", False, "the tier that decides by the wait for a first token"),
    (LARGE, "cost"): ("homo512", False, "cost asks for the same, however much memory there is"),
    (LARGE, ""): ("tier2", False, "section 7.1 calls it the production standard"),
}
AT_BOUNDARY = "exactly 10 GB is left open; taken as too little, since a driver needs some of it"


def advise(vram_gb: float, priority: str = "") -> Advice:
    """Walk the tree; `priority` is one of PRIORITIES or empty.

    Raises:
        InputError: no amount of memory, or no such priority.
    """
    if not isfinite(vram_gb) or vram_gb <= 0:
        raise InputError(
            f"vram_gb = {vram_gb!r}: no amount of GPU memory", "name a number of GB above 0"
        )
    if priority and priority not in PRIORITIES:
        raise InputError(
            f"priority = {priority!r}: there is no such priority",
            f"use one of {', '.join(PRIORITIES)}, or none",
        )
    branch = SMALL if vram_gb <= VRAM_BOUNDARY_GB else LARGE
    name, is_published, reason = TREE[branch, priority]
    if vram_gb == VRAM_BOUNDARY_GB:
        reason = f"{AT_BOUNDARY}; {reason}" if reason else AT_BOUNDARY
        is_published = False
    way = f"GPU memory {vram_gb:g} GB is {branch}; priority {priority or 'none'}"
    return Advice(LEAVES[name], way, is_published, reason)


class Need(NamedTuple):
    """One line of section 10.3: what somebody needs, and which approach it speaks for."""

    name: str
    approach: str
    statement: str
    is_cost: bool = False


NEEDS = (
    Need("time_to_market", "python", "rapid time to market"),
    Need("development_velocity", "python", "development velocity above cost"),
    Need("python_team", "python", "the team knows Python"),
    Need("ecosystem", "python", "libraries and integration"),
    Need("operating_budget", "python", "the budget allows higher operating costs", True),
    Need("low_cost", "rust", "cost comes first", True),
    Need("little_memory", "rust", "memory of the agents' processes is critical"),
    Need("type_safety", "rust", "type safety and reliability"),
    Need("long_term", "rust", "more than 3 years in service", True),
    Need("rust_team", "rust", "the team knows Rust, or wants to"),
    Need("performance", "hybrid", "performance of each agent is critical"),
    Need("development_budget", "hybrid", "the budget allows $19k more development", True),
    Need("strategic", "hybrid", "more than 5 years in service", True),
    Need("flexibility", "hybrid", "an architecture that can change"),
    Need("combined_strengths", "hybrid", "both languages' strengths are worth their price"),
)


class ApproachChoice(NamedTuple):
    """The approaches that most of the needs speak for (several: a tie), and what speaks for each.

    `is_cost_open` says that a need rests on section 8, whose verdict cost_model recomputes.
    """

    approaches: tuple[str, ...]
    speaks_for: dict[str, tuple[str, ...]]
    is_cost_open: bool


def choose_approach(needs: Sequence[str]) -> ApproachChoice:
    """Count which approach the needs speak for; without any, section 10.4 starts with Python.

    Raises:
        InputError: there is no such need.
    """
    known = {need.name: need for need in NEEDS}
    unknown = [name for name in needs if name not in known]
    if unknown:
        raise InputError(
            f"needs: {', '.join(unknown)}: section 10.3 has no such need",
            f"use some of {', '.join(known)}",
        )
    named = [known[name] for name in dict.fromkeys(needs)]
    counts = Counter(need.approach for need in named)
    most = max(counts.values(), default=0)
    best = tuple(name for name in APPROACHES if most and counts[name] == most) or ("python",)
    speaks_for = {
        name: tuple(need.statement for need in named if need.approach == name)
        for name in APPROACHES
    }
    return ApproachChoice(best, speaks_for, any(need.is_cost for need in named))
