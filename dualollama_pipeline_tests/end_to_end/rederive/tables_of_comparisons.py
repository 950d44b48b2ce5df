"""Tables of comparisons: two servers or one, scenario against scenario, the factors.

A comparison is tested on logs (ratios) or as it is, corrected by Holm within its family.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations, product
from typing import Any, NamedTuple

from dualollama_pipeline_tests.end_to_end.rederive.arithmetic import (
    NOTHING,
    Interval,
    Mean,
    Stratum,
    detectable,
    difference,
    exponentiated,
    holm,
    mean_of,
    p_of,
    strata_of,
)
from dualollama_pipeline_tests.end_to_end.rederive.evidence import Evidence, in_words
from dualollama_pipeline_tests.end_to_end.rederive.ledger import (
    ANY,
    Entry,
    Number,
    Row,
    Words,
    number,
)
from dualollama_pipeline_tests.end_to_end.rederive.ratios import (
    AGAINST,
    BALANCE,
    RATIOS,
    SHARED_SPEEDUP,
    SPEEDUP,
    Key,
    named,
)
from dualollama_pipeline_tests.end_to_end.rederive.samples import Value

AGAINST_ONE = {
    SPEEDUP: "two servers, against one after the other",
    SHARED_SPEEDUP: "one server, against one after the other",
    AGAINST: "two servers, against one server",
}
BETWEEN = (SPEEDUP, AGAINST, BALANCE)
FACTOR_METRICS = (SPEEDUP, BALANCE)


class Comparison(NamedTuple):
    """One row: its words, its family, its effect, and how many values it has."""

    words: tuple[Entry, ...]
    family: str
    metric: Key
    mean: Mean | None
    n: int


def rows_of(comparisons: Sequence[Comparison]) -> list[Row]:
    """Effect, verdict, corrected p, and what would be found with power 0.8."""
    adjusted: dict[int, float | None] = {}
    sizes: dict[str, int] = {}
    for family in {each.family for each in comparisons}:
        mine = [i for i, each in enumerate(comparisons) if each.family == family]
        p_values = [p_of(comparisons[i].mean) for i in mine]
        adjusted |= dict(zip(mine, holm(p_values), strict=True))
        sizes[family] = sum(p is not None for p in p_values)
    rows: list[Row] = []
    for i, each in enumerate(comparisons):
        effect, least = NOTHING, number(None)
        if each.mean is not None:
            effect = each.mean.interval()
            if each.metric in RATIOS:
                effect = exponentiated(effect)
        if each.mean is not None and each.mean.error is not None:
            found = detectable(each.mean, 0.05 / sizes[each.family])
            least = number(math.exp(found) if each.metric in RATIOS else found, each.n)
        rows.append([*each.words, Number(effect, each.n), ANY, number(adjusted[i]), least])
    return rows


def two_or_one(evidence: Evidence) -> list[Row]:
    """Against no gain: all, by scenario, and all that reload on one server by themselves."""
    made: list[Comparison] = []
    for metric, name in AGAINST_ONE.items():
        pooled = evidence.counting(metric, pooled=True)
        everywhere = Words(name, "all scenarios")
        made.append(against_none(everywhere, "headline", metric, pooled))
        for scenario in sorted(evidence.scenarios):
            mine = [v for v in pooled if v.scenario == scenario]
            where = Words(name, in_words(scenario))
            made.append(against_none(where, f"{metric}, scenarios", metric, mine))
        apart = [v for v in evidence.counting(metric) if not v.pools]
        if apart:
            where = Words(name, "all scenarios, model reloaded")
            made.append(against_none(where, f"{metric}, reloading", metric, apart))
    return rows_of(made)


def against_none(words: Words, family: str, metric: Key, values: Sequence[Value]) -> Comparison:
    return Comparison((words,), family, metric, mean_of(strata_of(values)), len(values))


def headline(evidence: Evidence, metric: Key) -> tuple[Interval, int]:
    """The effect over everything that pools, and its n."""
    pooled = evidence.counting(metric, pooled=True)
    mean = mean_of(strata_of(pooled))
    return (NOTHING if mean is None else exponentiated(mean.interval())), len(pooled)


def between_scenarios(evidence: Evidence) -> list[Row]:
    made = []
    for metric, pair in product(BETWEEN, combinations(sorted(evidence.scenarios), 2)):
        one, other = (evidence.counting(metric, scenario=s, pooled=True) for s in pair)
        words = (Words(f"{in_words(pair[0])} against {in_words(pair[1])}", named(metric)),)
        mean = difference(strata_of(one), strata_of(other))
        made.append(Comparison(words, named(metric), metric, mean, len(one) + len(other)))
    return rows_of(made)


# -- factors -------------------------------------------------------------------------------------
class Change(NamedTuple):
    """One factor from one level to another, and the pairs of configurations that show it."""

    factor: str
    scenario: str
    low: tuple[float, ...]
    high: tuple[float, ...]


def factor_rows(evidence: Evidence) -> list[Row]:
    changes = find_changes(evidence)
    made = []
    for metric, (change, pairs) in product(FACTOR_METRICS, changes.items()):
        is_gap = change.scenario == "any"
        words = (
            Words(change.factor, in_words(change.scenario)),
            f"{written(change.low, is_gap=is_gap)} → {written(change.high, is_gap=is_gap)}",
            named(metric),
        )
        made.append(compared(evidence, metric, pairs, words))
    return rows_of(made)


def find_changes(evidence: Evidence) -> dict[Change, list[tuple[str, str]]]:
    """Pairs of measured configurations that differ in one option only, of either agent or both."""
    asked = {
        each["config_id"]: each
        for each in evidence.inputs("studies/tr114/study")["configurations"]
        if each["config_id"] in evidence.config_ids
    }
    found: dict[Change, list[tuple[str, str]]] = {}
    order = {name: i for i, name in enumerate(("num_gpu", "num_ctx", "temperature"))}
    for option, (a, b) in product(order, combinations(asked, 2)):
        one, other = asked[a], asked[b]
        levels = [level(each, option) for each in (one, other)]
        same = one["scenario"] == other["scenario"] and rest(one, option) == rest(other, option)
        if same and levels[0] != levels[1]:
            add(found, option, one["scenario"], levels, (a, b))
    for option, (a, b) in product(("num_gpu", "num_ctx"), combinations(asked, 2)):
        one, other = asked[a], asked[b]
        gaps = [gap(each, option) for each in (one, other)]
        same = one["collector"] == other["collector"] and without(
            one["insight"], option
        ) == without(other["insight"], option)
        if same and None not in gaps and gaps[0] != gaps[1]:
            add(found, f"{option}_asymmetry", "any", gaps, (a, b))
    scenarios = list(dict.fromkeys(each["scenario"] for each in asked.values()))
    names = [*order, "num_gpu_asymmetry", "num_ctx_asymmetry"]

    def place(change: Change) -> tuple[Any, ...]:
        where = scenarios.index(change.scenario) if change.scenario in scenarios else 0
        return names.index(change.factor), where, change.low, change.high

    return {change: found[change] for change in sorted(found, key=place)}


def add(
    found: dict[Change, list[tuple[str, str]]],
    factor: str,
    scenario: str,
    levels: list[Any],
    pair: tuple[str, str],
) -> None:
    (low, first), (high, second) = sorted(zip(levels, pair, strict=True))
    found.setdefault(Change(factor, scenario, low, high), []).append((first, second))


def level(asked: dict[str, Any], option: str) -> tuple[float, ...]:
    return tuple(asked[role].get(option, -math.inf) for role in ("collector", "insight"))


def rest(asked: dict[str, Any], option: str) -> list[dict[str, Any]]:
    return [without(asked[role], option) for role in ("collector", "insight")]


def without(options: dict[str, Any], option: str) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != option}


def gap(asked: dict[str, Any], option: str) -> tuple[float, ...] | None:
    both = [asked[role].get(option) for role in ("collector", "insight")]
    return None if None in both else (float(both[1] - both[0]),)


def written(levels: tuple[float, ...], *, is_gap: bool) -> str:
    if is_gap:
        return f"{levels[0]:+g}" if levels[0] else "0"
    return "/".join("default" if each == -math.inf else f"{each:g}" for each in levels)


def compared(
    evidence: Evidence, metric: Key, pairs: Sequence[tuple[str, str]], words: tuple[Entry, ...]
) -> Comparison:
    """The higher level less the lower, over pairs of what really differs."""
    really = evidence.classes
    matched = {(really[a], really[b]) for a, b in pairs if really[a] != really[b]}
    pooled = evidence.counting(metric, pooled=True)
    measured = {v.really for v in pooled}
    matched = {pair for pair in matched if set(pair) <= measured}
    sides = [
        side([v for v in pooled if v.really in labels], labels)
        for labels in ([high for _, high in matched], [low for low, _ in matched])
    ]
    n = sum(len(stratum.values) for each in sides for stratum in each)
    return Comparison(words, named(metric), metric, difference(*sides), n)


def side(values: Sequence[Value], labels: Sequence[Any]) -> list[Stratum]:
    """A class weighs as often as it has partners, a configuration by its share of its class."""
    made = []
    for stratum, mine in zip(strata_of(values), groups(values), strict=True):
        n_class = sum(v.really == mine[0].really for v in values)
        share = labels.count(mine[0].really) / len(labels)
        made.append(stratum._replace(weight=len(mine) / n_class * share))
    return made


def groups(values: Sequence[Value]) -> list[list[Value]]:
    names = dict.fromkeys(v.config_id for v in values)
    return [[v for v in values if v.config_id == name] for name in names]
