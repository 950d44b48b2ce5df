"""What one option does, all others equal: matched pairs of effective classes.

A factor's levels are compared only where the study has two configurations that differ in nothing
else; a mean over whatever else happened to be set would mix the factors. Classes, not names, are
counted: two configurations of one effective class are one condition.
"""

from __future__ import annotations

from itertools import combinations, groupby
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd

from dualollama_pipeline.core.specs import AgentSpec
from dualollama_pipeline.metrics.catalog import APART_SPEEDUP, BALANCE, BY_NAME, SHARED_SPEEDUP
from dualollama_pipeline.statistics.comparison import Comparison, columns_with, compare
from dualollama_pipeline.statistics.contrasts import batches_of, labelled, unlike_prompts
from dualollama_pipeline.statistics.estimate import codes, to_scale
from dualollama_pipeline.statistics.means import Sample, sample
from dualollama_pipeline.statistics.samples import of_key, quick

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dualollama_pipeline.core.study import Configuration, Study
    from dualollama_pipeline.metrics.catalog import Key, Metric

ASYMMETRIES = ("num_gpu", "num_ctx")
FACTOR_KEYS = (APART_SPEEDUP, BALANCE)
BY_DEFINITION = "by definition: both levels load the same effective options"

COLUMNS = (
    "origin", "evidence", "factor", "scenario", "level_from", "level_to", "n_pairs", "pairs",
)  # fmt: skip

Value = tuple[int, float, str]  # sorts: nothing given, then numbers, then texts
Level = tuple[Value, ...]  # for each agent, or each server
Change = tuple[Level, Level]
NOT_GIVEN: Value = (0, 0.0, "")


class Factor(NamedTuple):
    """One factor in one scenario: which matched pairs of configurations each change has.

    `is_around` where it is of the servers and not of the agents: it acts on the shared one, too.
    """

    name: str
    scenario: str
    changes: dict[Change, list[tuple[str, str]]]
    is_around: bool = False


def factor_effects(samples: pd.DataFrame, matrix: Study) -> pd.DataFrame:
    """Compare the levels of each factor; one row a change and metric, columns of `factor_effects`.

    One family for each metric, over all factors, scenarios and changes. No row if nothing that was
    measured differs in one option only.
    """
    made: list[Comparison] = []
    factors, samples = find_factors(matrix), quick(samples)
    for key in (*FACTOR_KEYS, SHARED_SPEEDUP):
        mine = of_key(samples, key)
        class_of = dict(
            mine[["config_id", "effective_class"]].astype(str).drop_duplicates().to_numpy().tolist()
        )
        made += [
            _comparison(key, mine, factor, change, class_of)
            for factor in factors
            for change, pairs in factor.changes.items()
            if (key in FACTOR_KEYS or factor.is_around)
            and any(a in class_of and b in class_of for a, b in pairs)
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
    """Return every factor and scenario of which the study holds at least one matched pair.

    A factor is whatever differs: an agent's option, its model, a variable of a server.
    """
    by_scenario: dict[str, list[str]] = {}
    for configuration in matrix.configurations:
        by_scenario.setdefault(str(configuration.scenario), []).append(configuration.config_id)
    levels = _levels(matrix)
    made = [
        Factor(
            name,
            scenario,
            _changes(name, {each: levels[each] for each in config_ids}),
            name not in AgentSpec.model_fields,
        )
        for name in next(iter(levels.values()))
        for scenario, config_ids in by_scenario.items()
    ]
    if len(matrix.agents) == 2:  # noqa: PLR2004 a gap is between two
        made += [Factor(f"{name}_asymmetry", "any", _gaps(name, levels)) for name in ASYMMETRIES]
    return [factor for factor in made if factor.changes]


def _levels(matrix: Study) -> dict[str, dict[str, Level]]:
    """Return by configuration and factor what is set, for each agent or each server."""
    servers = [server.name for server in matrix.servers]
    around = {each.config_id: _variables(each) for each in matrix.configurations}
    names = sorted({name for found in around.values() for _, name in found})
    return {
        each.config_id: {
            **{
                option: tuple(_value(getattr(spec, option)) for _, spec in each.agents)
                for option in AgentSpec.model_fields
            },
            **{
                name: tuple(
                    around[each.config_id].get((server, name), NOT_GIVEN) for server in servers
                )
                for name in names
            },
        }
        for each in matrix.configurations
    }


def _variables(configuration: Configuration) -> dict[tuple[str, str], Value]:
    """Return by server and name what a configuration changes of the servers' surroundings."""
    return {
        (server, name): _value(value)
        for server, each in configuration.servers.items()
        for name, value in {**({"gpu": each.gpu} if each.gpu else {}), **each.environment}.items()
    }


def _value(value: float | str | None) -> Value:
    if value is None or value is False:  # a model is told not to think unless it is told to
        return NOT_GIVEN
    if isinstance(value, bool):
        value = "on"
    return (2, 0.0, value) if isinstance(value, str) else (1, float(value), "")


def _changes(name: str, levels: dict[str, dict[str, Level]]) -> dict[Change, list[tuple[str, str]]]:
    """Match configurations that differ in one factor."""
    return _match(
        [
            (config_id, own[name], {other: own[other] for other in own if other != name})
            for config_id, own in levels.items()
        ]
    )


def _gaps(name: str, levels: dict[str, dict[str, Level]]) -> dict[Change, list[tuple[str, str]]]:
    """Match configurations of two agents by how far the second's option is above the first's."""
    placed: list[tuple[str, Level, Any]] = []
    for config_id, own in levels.items():
        first, second = own[name]
        if NOT_GIVEN not in own[name]:
            rest = {other: own[other] for other in own if other != name}
            placed.append((config_id, (_value(second[1] - first[1]),), (first, rest)))
    return _match(placed)


def _match(placed: list[tuple[str, Level, Any]]) -> dict[Change, list[tuple[str, str]]]:
    changes: dict[Change, list[tuple[str, str]]] = {}
    for (a, of_a, rest_a), (b, of_b, rest_b) in combinations(placed, 2):
        if rest_a == rest_b and of_a != of_b:
            (low, first), (high, second) = sorted([(of_a, a), (of_b, b)])
            changes.setdefault((low, high), []).append((first, second))
    return dict(sorted(changes.items()))


def written(level: Level, *, is_gap: bool) -> str:
    """Write a level: what is set for each agent (or server), or the gap between two."""
    if is_gap:
        return f"{level[0][1]:+g}" if level[0][1] else "0"
    texts = ["default" if each == NOT_GIVEN else each[2] or f"{each[1]:g}" for each in level]
    if len(level) <= 2:  # noqa: PLR2004 more would be a long row of the same
        return "/".join(texts)
    runs = [(text, len(list(same))) for text, same in groupby(texts)]
    return "/".join(text if n == 1 else f"{n} x {text}" for text, n in runs)


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
        "level_from": written(change[0], is_gap=is_gap),
        "level_to": written(change[1], is_gap=is_gap),
        "n_pairs": len(matched),
        "pairs": " ".join(f"{a}>{b}" for a, b in pairs),
    }
    return Comparison(
        metric,
        key,
        f"factors, {key.metric}" + (", shared" if key == SHARED_SPEEDUP else ""),
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
    made = sample(
        to_scale(metric, rows["value"].to_numpy(dtype=np.float64)),
        codes(rows["config_id"]),
        rows["batch_id"].astype(nights).cat.codes,
    )
    if not classes:
        return made
    in_class = rows.groupby("effective_class", observed=True).size().to_dict()
    own = rows[["config_id", "effective_class"]].drop_duplicates("config_id").astype(str)
    class_of = dict(zip(own["config_id"], own["effective_class"], strict=True))
    n = np.bincount(made.strata)
    weights = [
        size / in_class[class_of[name]] * classes.count(class_of[name]) / len(classes)
        for name, size in zip(sorted(class_of), n, strict=True)
    ]
    return made._replace(coefficients=np.array(weights))
