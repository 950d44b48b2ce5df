"""What one option does, all others equal: matched pairs of effective classes.

A factor's levels are compared only where the matrix has two configurations that differ in nothing
else; a mean over whatever else happened to be set would mix the factors. Classes, not names, are
counted: two configurations of one effective class are one condition.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from dualollama_pipeline.core.study import AgentSpec
from dualollama_pipeline.metrics.catalog import APART_SPEEDUP, BALANCE, BY_NAME
from dualollama_pipeline.statistics.comparison import Comparison, columns_with, compare
from dualollama_pipeline.statistics.contrasts import batches_of, labelled, unlike_prompts
from dualollama_pipeline.statistics.estimate import to_scale
from dualollama_pipeline.statistics.means import Sample, sample
from dualollama_pipeline.statistics.samples import of_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dualollama_pipeline.core.study import Configuration, Study
    from dualollama_pipeline.metrics.catalog import Key, Metric

FACTORS = ("num_gpu", "num_ctx", "temperature")
ASYMMETRIES = ("num_gpu", "num_ctx")
FACTOR_KEYS = (APART_SPEEDUP, BALANCE)
BY_DEFINITION = "by definition: both levels load the same effective options"

COLUMNS = (
    "origin", "evidence", "factor", "scenario", "level_from", "level_to", "n_pairs", "pairs",
)  # fmt: skip

Level = tuple[float, ...]
Change = tuple[Level, Level]


class Factor(NamedTuple):
    """One factor in one scenario: which matched pairs of configurations each change has."""

    name: str
    scenario: str
    changes: dict[Change, list[tuple[str, str]]]


def factor_effects(samples: pd.DataFrame, matrix: Study) -> pd.DataFrame:
    """Compare the levels of each factor; one row a change and metric, columns of `factor_effects`.

    One family for each metric, over all factors, scenarios and changes. No row if nothing that was
    measured differs in one option only.
    """
    made: list[Comparison] = []
    for key in FACTOR_KEYS:
        mine = of_key(samples, key)
        class_of = dict(
            mine[["config_id", "effective_class"]].astype(str).drop_duplicates().to_numpy().tolist()
        )
        made += [
            _comparison(key, mine, factor, change, class_of)
            for factor in find_factors(matrix)
            for change, pairs in factor.changes.items()
            if any(a in class_of and b in class_of for a, b in pairs)
        ]
    rows = compare(made)
    for row in rows:
        if row["n_pairs"] == 0 and row["pairs"]:
            row |= {"verdict": "equivalent", "verdict_reason": BY_DEFINITION}
            row["null_reason"] = BY_DEFINITION
    if rows:
        return pd.DataFrame(rows)
    return pd.DataFrame(columns=columns_with(COLUMNS))


def find_factors(matrix: Study) -> list[Factor]:
    """Return every factor and scenario of which the matrix holds at least one matched pair."""
    by_scenario: dict[str, list[Configuration]] = {}
    for configuration in matrix.configurations:
        by_scenario.setdefault(str(configuration.scenario), []).append(configuration)
    made = [
        Factor(name, scenario, _changes(name, configurations))
        for name in FACTORS
        for scenario, configurations in by_scenario.items()
    ]
    made += [
        Factor(f"{name}_asymmetry", "any", _gap_changes(name, list(matrix.configurations)))
        for name in ASYMMETRIES
    ]
    return [factor for factor in made if factor.changes]


def _changes(name: str, configurations: list[Configuration]) -> dict[Change, list[tuple[str, str]]]:
    """Match configurations that differ in one option, of either agent or of both."""
    placed = [
        (
            each.config_id,
            tuple(_number(getattr(spec, name)) for _, spec in each.agents),
            tuple(_rest(spec, name) for _, spec in each.agents),
        )
        for each in configurations
    ]
    return _match(placed)


def _gap_changes(
    name: str, configurations: list[Configuration]
) -> dict[Change, list[tuple[str, str]]]:
    """Match configurations of two agents by how far the second's option is above the first's."""
    placed: list[tuple[str, Level, Any]] = []
    for each in configurations:
        if len(each.agents) != 2:  # noqa: PLR2004 a gap is between two
            continue
        (_, first), (_, second) = each.agents
        a, b = getattr(first, name), getattr(second, name)
        if a is not None and b is not None:
            rest = (_rest(first, ""), _rest(second, name))
            placed.append((each.config_id, (float(b - a),), rest))
    return _match(placed)


def _match(placed: list[tuple[str, Level, Any]]) -> dict[Change, list[tuple[str, str]]]:
    changes: dict[Change, list[tuple[str, str]]] = {}
    for (a, of_a, rest_a), (b, of_b, rest_b) in combinations(placed, 2):
        if rest_a == rest_b and of_a != of_b:
            (low, first), (high, second) = sorted([(of_a, a), (of_b, b)])
            changes.setdefault((low, high), []).append((first, second))
    return dict(sorted(changes.items()))


def _number(value: float | None) -> float:
    return float("-inf") if value is None else float(value)  # sorts below, equals itself


def _rest(spec: AgentSpec, name: str) -> tuple[Any, ...]:
    return tuple(getattr(spec, other) for other in AgentSpec.model_fields if other != name)


def _write(level: Level, *, is_gap: bool) -> str:
    if is_gap:
        return f"{level[0]:+g}" if level[0] else "0"
    return "/".join("default" if value == float("-inf") else f"{value:g}" for value in level)


def _comparison(
    key: Key,
    mine: pd.DataFrame,
    factor: Factor,
    change: Change,
    class_of: Mapping[str, str],
) -> Comparison:
    metric = BY_NAME[key.metric]
    pairs = [(a, b) for a, b in factor.changes[change] if a in class_of and b in class_of]
    counting = mine[mine["pools"]]
    with_values = set(counting["effective_class"].unique())
    matched = sorted(
        {
            (class_of[a], class_of[b])
            for a, b in pairs
            if class_of[a] != class_of[b] and {class_of[a], class_of[b]} <= with_values
        }
    )
    involved = {label for pair in matched for label in pair}
    part = mine[mine["effective_class"].isin(involved)]
    used = part[part["pools"]]
    nights = pd.CategoricalDtype(batches_of(used))
    is_gap = factor.scenario == "any"
    labels = {
        "factor": factor.name,
        "scenario": factor.scenario,
        "level_from": _write(change[0], is_gap=is_gap),
        "level_to": _write(change[1], is_gap=is_gap),
        "n_pairs": len(matched),
        "pairs": " ".join(f"{a}>{b}" for a, b in pairs),
    }
    return Comparison(
        metric,
        key,
        f"factors, {key.metric}",
        _side(metric, used, [b for _, b in matched], nights),
        _side(metric, used, [a for a, _ in matched], nights),
        len(part) - len(used),
        len(involved),
        batches_of(used),
        labelled(part if len(part) else mine, **labels),
        confounded=unlike_prompts(
            *(used[used["effective_class"].isin(classes)] for classes in zip(*matched, strict=True))
        )
        if matched
        else "",
    )


def _side(
    metric: Metric, used: pd.DataFrame, classes: list[str], nights: pd.CategoricalDtype
) -> Sample:
    """Return one side of the matched pairs; a class counts as often as it has partners."""
    rows = used[used["effective_class"].isin(set(classes))]
    configurations = rows["config_id"].astype(str)
    names = pd.CategoricalDtype(sorted(configurations.unique()))
    made = sample(
        to_scale(metric, rows["value"].to_numpy(dtype=np.float64)),
        configurations.astype(names).cat.codes,
        rows["batch_id"].astype(nights).cat.codes,
    )
    if not classes:
        return made
    in_class = rows.groupby("effective_class", observed=True).size().to_dict()
    class_of = dict(zip(configurations, rows["effective_class"], strict=True))
    n = np.bincount(made.strata)
    weights = [
        size / in_class[class_of[name]] * classes.count(class_of[name]) / len(classes)
        for name, size in zip(names.categories, n, strict=True)
    ]
    return made._replace(coefficients=np.array(weights))
