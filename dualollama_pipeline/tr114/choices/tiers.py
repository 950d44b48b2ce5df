"""`configuration_tiers`: three choices by rule (section 7.1), and what the data cannot separate.

maximum efficiency     highest weighted speedup
balanced               shortest wait for a first token, among those that are not shown to be slower
                       than the fastest by more than the margin of the verdicts
resource constrained   least GPU memory, then the highest weighted speedup

A candidate that failed surely more often than the report's own limit is excluded, and so is one
without an interval. Who cannot be told from the best by the interval of its rank belongs to the
group. Of a group the report's own choice is named if it is in it, else the one with most blocks:
the highest estimate would be a choice by chance.
"""

from __future__ import annotations

from math import isnan, log
from typing import TYPE_CHECKING, Any, NamedTuple

import pandas as pd

from dualollama_pipeline.advice.candidates import Candidate
from dualollama_pipeline.statistics.intervals import interval_of
from dualollama_pipeline.statistics.means import NAN, Mean
from dualollama_pipeline.statistics.selection import rank_intervals
from dualollama_pipeline.statistics.verdicts import MARGIN_RATIO, evidence_of
from dualollama_pipeline.tables.rows import Row
from dualollama_pipeline.tr114.schemas_decided import CONFIGURATION_TIERS, TIERS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from dualollama_pipeline.core.specs import AgentSpec
    from dualollama_pipeline.core.study import Study

PUBLISHED_PICKS = {  # sections 7.1, 7.2
    "maximum_efficiency": "test011",
    "balanced": "test108",
    "resource_constrained": "test004",
}
CRITERIA = {
    "maximum_efficiency": "highest weighted speedup",
    "balanced": "shortest wait for the first token, weighted speedup within 2 % of the fastest",
    "resource_constrained": "least GPU memory, then the highest weighted speedup",
}
MAX_FAILED = 0.01  # the report's limit of errors (section 9.3)
SAME_GB = 0.05  # candidates whose memory differs by less need the same
LOSS = "; together is slower than one after the other: run the agents in turn"
NO_GAIN = "; no gain over one after the other is shown"


class Chosen(NamedTuple):
    """Who stands where in one tier, and why, in the order of the candidates; `top` is rank 1."""

    standings: list[str]
    reasons: list[str]
    top: int | None


def configuration_tiers(
    candidates: Sequence[Candidate], imported_runs: pd.DataFrame, matrix: Study
) -> pd.DataFrame:
    """Choose for each tier; one row a tier and candidate, columns of `configuration_tiers`.

    Imported configurations stand below them, not judged: nobody measured them alone.
    """
    rows: list[Row] = []
    for tier in TIERS:
        choice = RULES[tier](candidates, PUBLISHED_PICKS[tier])
        group = [each for each in choice.standings if each in {"recommended", "not separated"}]
        for candidate, standing, reason in zip(
            candidates, choice.standings, choice.reasons, strict=True
        ):
            config_id = _stands_for(candidate, PUBLISHED_PICKS[tier])
            rows.append(
                _row(tier, candidate, config_id, matrix)
                | {
                    "standing": standing,
                    "reason": reason + _gain(candidate, standing),
                    "n_group": len(group),
                    "file": f"{tier}.toml" if standing == "recommended" else "",
                }
            )
        rows += [_imported(tier, part) for _, part in imported_runs.groupby("config_id")]
    return pd.DataFrame(rows, columns=list(CONFIGURATION_TIERS.columns))


def _fastest(candidates: Sequence[Candidate], pick: str) -> Chosen:
    return _best(candidates, [_obstacle(each) for each in candidates], _speed, pick)


def _balanced(candidates: Sequence[Candidate], pick: str) -> Chosen:
    obstacles = [_obstacle(each) for each in candidates]
    top = _best(candidates, obstacles, _speed, pick).top
    for place, each in enumerate(candidates):
        if top is not None and not obstacles[place]:
            obstacles[place] = _too_slow(each, candidates[top])
    return _best(candidates, obstacles, _wait, pick)


def _smallest(candidates: Sequence[Candidate], pick: str) -> Chosen:
    obstacles = [
        _obstacle(each) or (("excluded", each.memory.reason) if isnan(each.memory.gb) else None)
        for each in candidates
    ]
    able = [each for each, obstacle in zip(candidates, obstacles, strict=True) if obstacle is None]
    least = min((each.memory.gb for each in able), default=NAN)
    for place, each in enumerate(candidates):
        if obstacles[place] is None and each.memory.gb > least + SAME_GB:
            more = f"needs {each.memory.gb:.2f} GB, the least is {least:.2f} GB"
            obstacles[place] = ("behind", more)
    return _best(candidates, obstacles, _speed, pick)


RULES: dict[str, Callable[[Sequence[Candidate], str], Chosen]] = {
    "maximum_efficiency": _fastest,
    "balanced": _balanced,
    "resource_constrained": _smallest,
}


def _speed(candidate: Candidate) -> Mean:
    return candidate.speedup


def _wait(candidate: Candidate) -> Mean:
    return candidate.ttft._replace(value=-candidate.ttft.value)


def _obstacle(candidate: Candidate) -> tuple[str, str] | None:
    """Say why a candidate cannot be chosen: it fails too often, or its error is not known."""
    if candidate.failed.low > MAX_FAILED:
        failed = f"{candidate.n_failed} of {candidate.n_trials} trials failed or were INVALID"
        least = f"at least {100 * candidate.failed.low:.1f} %, the limit is {100 * MAX_FAILED:g} %"
        return "excluded", f"{failed}: {least}"
    if candidate.speedup.reason or candidate.ttft.reason:
        return "not judged", candidate.speedup.reason or candidate.ttft.reason
    return None


def _too_slow(candidate: Candidate, fastest: Candidate) -> tuple[str, str] | None:
    """Behind if surely slower than the fastest by more than the margin (Welch, 95 %)."""
    one, other = candidate.speedup, fastest.speedup
    variance = one.standard_error**2 + other.standard_error**2
    freedom = variance**2 / (
        one.standard_error**4 / one.freedom + other.standard_error**4 / other.freedom
    )
    difference = Mean(one.value - other.value, variance**0.5, freedom, "")
    if interval_of(difference).high >= -log(MARGIN_RATIO):
        return None
    return "behind", f"surely more than {100 * (MARGIN_RATIO - 1):.0f} % slower than the fastest"


def _best(
    candidates: Sequence[Candidate],
    obstacles: Sequence[tuple[str, str] | None],
    criterion: Callable[[Candidate], Mean],
    pick: str,
) -> Chosen:
    """Rank those without an obstacle; the group are those whose best possible place is the first.

    That set covers the truly best with 95 % (Mogstad et al., see selection.rank_intervals).
    """
    able = [place for place, obstacle in enumerate(obstacles) if obstacle is None]
    standings = ["" if obstacle is None else obstacle[0] for obstacle in obstacles]
    reasons = ["" if obstacle is None else obstacle[1] for obstacle in obstacles]
    if not able:
        return Chosen(standings, reasons, None)
    found = rank_intervals([criterion(candidates[place]) for place in able])
    group = [place for place, low in zip(able, found.low, strict=True) if low == 1]
    best = max(group, key=lambda i: (pick in candidates[i].config_ids, candidates[i].n_blocks))
    for place, low in zip(able, found.low, strict=True):
        if low == 1:
            standings[place] = "recommended" if place == best else "not separated"
            others = [name for i in group if i != place for name in candidates[i].config_ids]
            reasons[place] = (
                f"cannot be told from {', '.join(others)}" if others else "surely the best of all"
            )
            if len(able) == 1:
                reasons[place] = "the only candidate left"
        else:
            standings[place] = "behind"
            reasons[place] = f"at best in place {low} of {len(able)}"
    return Chosen(standings, reasons, able[int(found.rank.argmin())])


def _gain(candidate: Candidate, standing: str) -> str:
    if standing not in {"recommended", "not separated"}:
        return ""
    found = candidate.weighted_speedup
    if found.high < 1:
        return LOSS
    return "" if found.low > 1 else NO_GAIN


def _stands_for(candidate: Candidate, pick: str) -> str:
    return pick if pick in candidate.config_ids else candidate.config_ids[0]


def _row(tier: str, candidate: Candidate, config_id: str, matrix: Study) -> Row:
    configuration = matrix.get(config_id)
    speedup, ttft = candidate.weighted_speedup, candidate.ttft_ms
    balance, contention = candidate.balance, candidate.contention
    return {
        "origin": candidate.origin,
        "evidence": evidence_of(candidate.origin),
        "tier": tier,
        "criterion": CRITERIA[tier],
        "config_id": config_id,
        "configurations": " ".join(candidate.config_ids),
        "effective_class": candidate.effective_class,
        "scenario": str(configuration.scenario),
        "is_published_pick": PUBLISHED_PICKS[tier] in candidate.config_ids,
        "is_gain": pd.NA if isnan(speedup.low) else speedup.low > 1,
        **{key: value for each in configuration.agents for key, value in _asked(*each).items()},
        **_expected("weighted_speedup", speedup, candidate.n_blocks),
        **_expected("ttft_ms", ttft, candidate.n_ttft),
        **_expected("balance_efficiency_pct", balance, candidate.n_balance),
        "peak_balance_efficiency_pct": candidate.peak_balance,
        **_expected("balance_contention_pct", contention, candidate.n_contention, 100.0),
        "n_trials": candidate.n_trials,
        "n_failed": candidate.n_failed,
        "memory_gb": candidate.memory.gb,
        "memory_reason": candidate.memory.reason,
        "batches": " ".join(candidate.batches),
    }


def _asked(role: str, spec: AgentSpec) -> Row:
    options = spec.given()
    return {
        f"{role}_{name}": options.get(name, pd.NA if name != "temperature" else NAN)
        for name in ("num_gpu", "num_ctx", "temperature")
    }


def _expected(name: str, found: Any, n: int, scale: float = 1.0) -> Row:
    return {
        name: scale * found.value,
        f"{name}_low": scale * found.low,
        f"{name}_high": scale * found.high,
        f"n_{name}": n,
    }


def _imported(tier: str, runs: pd.DataFrame) -> Row:
    """Lay out an imported configuration: balance figures only, and why it is not judged."""
    config_id = str(runs["config_id"].iloc[0])
    balance = runs["balance_efficiency_pct"].dropna()
    n_failed = int(runs["status"].eq("failed").sum())
    nothing = {
        column: None
        for column in CONFIGURATION_TIERS.columns
        if column.startswith(("collector_", "insight_"))
    }
    return {
        **nothing,
        "origin": "imported",
        "evidence": "imported",
        "tier": tier,
        "standing": "not judged",
        "reason": "imported runs hold no agent alone: speedup and memory are not known, and "
        "balance cannot stand for them",
        "criterion": CRITERIA[tier],
        "n_group": 0,
        "config_id": config_id,
        "configurations": config_id,
        "effective_class": "not known",
        "scenario": str(runs["scenario"].iloc[0]),
        "is_published_pick": config_id == PUBLISHED_PICKS[tier],
        "is_gain": pd.NA,
        "n_weighted_speedup": 0,
        "n_ttft_ms": 0,
        "balance_efficiency_pct": float(balance.mean()) if len(balance) else NAN,
        "n_balance_efficiency_pct": len(balance),
        "peak_balance_efficiency_pct": float(balance.max()) if len(balance) else NAN,
        "n_balance_contention_pct": 0,
        "n_trials": len(runs),
        "n_failed": n_failed,
        "memory_reason": "not known",
        "batches": "",
        "file": "",
    }  # fmt: skip
