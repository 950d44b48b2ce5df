"""`anti_patterns`: each rule of the linter, with what contrasts and factor effects say of it.

No statistics are made here but by the statistics themselves: of imported runs, which have no table
of their own, `factor_effects` is asked for the only figure that they hold, balance efficiency.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pandas as pd

from dualollama_pipeline.advice.lint import RULES, lint_configuration
from dualollama_pipeline.core.study import APART
from dualollama_pipeline.metrics.catalog import APART_AGAINST_SHARED, APART_SPEEDUP, BALANCE, Key
from dualollama_pipeline.statistics.contrasts import AGAINST_ONE
from dualollama_pipeline.statistics.factors import factor_effects
from dualollama_pipeline.statistics.means import NAN
from dualollama_pipeline.statistics.samples import NO_FACTS, of_key, option_classes
from dualollama_pipeline.statistics.verdicts import evidence_of
from dualollama_pipeline.tables.rows import Row
from dualollama_pipeline.tr114.schemas_decided import ANTI_PATTERNS

if TYPE_CHECKING:
    from dualollama_pipeline.advice.lint import Rule
    from dualollama_pipeline.core.study import Study


class Grounds(NamedTuple):
    """The comparison that decides on a rule; `supports` is the verdict that the rule expects."""

    table: str
    key: Key
    supports: str
    where: dict[str, str]
    comparison: str


class Statistics(NamedTuple):
    """The tables that rules are held against; all of one origin."""

    contrasts: pd.DataFrame
    factor_effects: pd.DataFrame
    population_statistics: pd.DataFrame


def _factor(scenario: str, factor: str, levels: tuple[str, str], supports: str) -> Grounds:
    return Grounds(
        "factor_effects",
        APART_SPEEDUP,
        supports,
        {"factor": factor, "scenario": scenario, "level_from": levels[0], "level_to": levels[1]},
        f"{factor} {levels[0]} to {levels[1]}, all else equal",
    )


_TWO_SERVERS = Grounds(
    "contrasts",
    APART_AGAINST_SHARED,
    "better",
    {"family": "headline"},
    "two servers against one, where no model was reloaded",
)
_COOL = _factor("chimera_homo", "temperature", ("0.6/0.6", "0.8/0.8"), "better")
EVIDENCE: dict[str, Grounds] = {
    "AP1": _factor("baseline_vs_chimera", "num_gpu", ("default/80", "default/120"), "worse"),
    "AP2": _COOL,
    "AP3": _TWO_SERVERS,
    "AP4": _factor("chimera_homo", "num_gpu", ("60/60", "80/80"), "better"),
    "BP1": _TWO_SERVERS,
    "BP2": _factor("any", "num_gpu_asymmetry", ("0", "+20"), "better"),
    "BP3": _COOL,
}
UNTESTABLE = {
    "BP4": "no fault is known that the alert should find",
    "BP5": "nothing was rolled out",
}
SUPPORT = {
    "better": "supported",
    "worse": "supported",
    "equivalent": "not supported",
    "no difference shown": "not supported",
    "undetermined": "not testable",
}


def anti_patterns(
    statistics: Statistics, imported_runs: pd.DataFrame, matrix: Study, plan: Study
) -> pd.DataFrame:
    """Judge every rule on what was measured here, and on imported runs if there are any.

    `matrix` is the user's; imported runs are TR114's, of `plan`.
    """
    population = statistics.population_statistics
    origin = "measured" if population.empty else str(_first(population)["origin"])
    here = {"origin": origin, "evidence": evidence_of(origin)}
    rows = [here | _row(rule, _judge(rule, statistics), matrix) for rule in RULES]
    if len(imported_runs):
        imported = factor_effects(imported_samples(imported_runs, plan), plan)
        there = {"origin": "imported", "evidence": "imported"}
        rows += [there | _row(rule, _judge_imported(rule, imported), plan) for rule in RULES]
    for row in rows:
        testable = row["would_be"] != "not testable"
        row["verdict"] = (
            "illustration" if testable and row["evidence"] == "illustration" else row["would_be"]
        )
    return pd.DataFrame(rows)[list(ANTI_PATTERNS.columns)]


def imported_samples(imported_runs: pd.DataFrame, matrix: Study) -> pd.DataFrame:
    """Lay out imported runs as samples of balance efficiency; runs with a failed call do not count.

    What the servers really loaded is not known: configurations that ask for the same are one class.
    """
    classes = option_classes(matrix)
    counts = imported_runs["balance_efficiency_pct"].notna()
    config_ids = imported_runs["config_id"].astype(str)
    return pd.DataFrame(
        {
            "origin": "imported",
            "batch_id": "imported",
            "config_id": config_ids,
            "effective_class": [classes.get(name, name) for name in config_ids],
            "scenario": imported_runs["scenario"].astype(str),
            "block": imported_runs["run_number"].astype("int64"),
            **BALANCE._asdict(),
            "value": imported_runs["balance_efficiency_pct"].astype("float64"),
            "counts": counts.astype(bool),
            "pools": counts.astype(bool),
            **NO_FACTS,
        }
    )


def _first(table: pd.DataFrame) -> Row:
    return {str(name): value for name, value in table.iloc[0].items()}


def _row(rule: Rule, judged: Row, matrix: Study) -> Row:
    hits = [each.config_id for each in matrix.configurations if rule in lint_configuration(each)]
    return {
        "rule": rule.name,
        "section": rule.section,
        "applies_to": rule.applies_to,
        "statement": rule.statement,
        "fix": rule.fix,
        "n_hits": len(hits),
        "hits": " ".join(hits),
        "comparison": "",
        "source_table": "",
        "metric": "",
        "unit": "",
        "value": NAN,
        "ci_low": NAN,
        "ci_high": NAN,
        "n": 0,
        "statistical_verdict": "",
        **judged,
    }


def _untestable(why: str) -> Row:
    return {"would_be": "not testable", "finding": why}


def _judge(rule: Rule, statistics: Statistics) -> Row:
    if rule.name == "BP4":
        return _untestable(f"{UNTESTABLE['BP4']}{_ttft_delta(statistics.population_statistics)}")
    if rule.name in UNTESTABLE:
        return _untestable(UNTESTABLE[rule.name])
    evidence = EVIDENCE[rule.name]
    table = getattr(statistics, evidence.table)
    judged = _held_against(evidence, table)
    if evidence is _TWO_SERVERS:
        judged["finding"] += _where_it_reloads(table)
    return judged


def _judge_imported(rule: Rule, effects: pd.DataFrame) -> Row:
    if rule.name in UNTESTABLE:
        return _untestable(UNTESTABLE[rule.name])
    evidence = EVIDENCE[rule.name]
    if evidence.table != "factor_effects":
        return _untestable("no imported run had both agents on one server")
    return _held_against(evidence._replace(key=BALANCE), effects)


def _held_against(evidence: Grounds, table: pd.DataFrame) -> Row:
    """Read the row that decides; the rule is supported if its verdict is the one expected."""
    mine = of_key(table, evidence.key)
    for column, value in evidence.where.items():
        mine = mine[mine[column].eq(value)]
    if mine.empty:
        return _untestable(f"nothing that was run compares this: {evidence.comparison}")
    found = _first(mine)
    verdict = str(found["verdict"])
    would_be = SUPPORT[verdict]
    if would_be == "supported" and verdict != evidence.supports:
        would_be = "not supported"
    return {
        "would_be": would_be,
        "finding": _finding(evidence, found),
        "comparison": evidence.comparison,
        "source_table": evidence.table,
        "statistical_verdict": verdict,
        **{name: found[name] for name in ("metric", "unit", "value", "ci_low", "ci_high", "n")},
    }


def _finding(evidence: Grounds, found: Row) -> str:
    name = f"{evidence.comparison}: {found['verdict']}"
    if found["ci_low"] != found["ci_low"]:
        return f"{name} ({found['verdict_reason']})"
    return (
        f"{name}, {found['value']:.4g} {found['unit']} (95 % interval {found['ci_low']:.4g} to "
        f"{found['ci_high']:.4g}, n {found['n']}; no effect is {found['no_effect']:g})"
    )


def _where_it_reloads(contrasts: pd.DataFrame) -> str:
    """Add what two servers save where one would reload the model for each agent."""
    found = contrasts[contrasts["family"].eq(f"{AGAINST_ONE[APART_AGAINST_SHARED][0]}, reloading")]
    if found.empty or pd.isna(found.iloc[0]["ci_low"]):
        return ""
    row = _first(found)
    return (
        f"; where one server reloads the model between agents: {row['verdict']}, "
        f"{row['value']:.4g} x ({row['ci_low']:.4g} to {row['ci_high']:.4g}, n {row['n']})"
    )


def _ttft_delta(population: pd.DataFrame) -> str:
    found = of_key(population, Key("ttft_delta_ms", APART))
    if found.empty or pd.isna(found.iloc[0]["min"]):
        return ""
    row = _first(found)
    return f"; the deltas seen lie between {row['min']:.0f} and {row['max']:.0f} ms, n {row['n']}"
