"""The numbers of summary.json outside its sections: estimates of all levels, and counts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import fmean, median, stdev
from typing import Any

from dualollama_pipeline_tests.end_to_end.rederive import tables_of_validity
from dualollama_pipeline_tests.end_to_end.rederive.arithmetic import estimate, share
from dualollama_pipeline_tests.end_to_end.rederive.evidence import Evidence
from dualollama_pipeline_tests.end_to_end.rederive.judged import n_reloads, reload_limit_ms
from dualollama_pipeline_tests.end_to_end.rederive.ledger import is_near
from dualollama_pipeline_tests.end_to_end.rederive.ratios import (
    FAIRNESS,
    LINEAR,
    RATES,
    RATIOS,
    Key,
)
from dualollama_pipeline_tests.end_to_end.rederive.samples import Value

NOT_MEASURED = ("sections", "schema_version")
LEVEL = 0.95
Path = tuple[str | int, ...]


def compare_outside(summary: dict[str, Any], evidence: Evidence) -> tuple[int, list[str]]:
    """Return how many numbers were compared, and what differs or has no derivation."""
    told = {name: part for name, part in summary.items() if name not in NOT_MEASURED}
    shown = dict(leaves(told))
    derived = dict(leaves(outside(evidence, summary)))
    wrong = [f"{path}: {shown[path]!r} has no derivation" for path in shown.keys() - derived.keys()]
    wrong += [
        f"{path}: {shown.get(path)!r}, derived {value!r}"
        for path, value in derived.items()
        if not is_near(shown.get(path), value)
    ]
    return len(shown), sorted(wrong)


def leaves(part: Any, path: Path = ()) -> Iterator[tuple[Path, float]]:
    """Yield every number with its path."""
    if isinstance(part, int | float) and not isinstance(part, bool):
        yield path, part
    items: Any = part.items() if isinstance(part, dict) else ()
    for name, value in enumerate(part) if isinstance(part, list) else items:
        yield from leaves(value, (*path, name))


def outside(evidence: Evidence, summary: dict[str, Any]) -> dict[str, Any]:
    """Lay out the numbers as the summary does; its texts say which metric stands where."""
    configurations = [name for name, _ in evidence.by_scenario()]
    assert [each["config_id"] for each in summary["configurations"]] == configurations
    assert [each["scenario"] for each in summary["scenarios"]] == evidence.scenarios
    for found in (summary, *summary["scenarios"], *summary["configurations"]):
        each = found.get("estimates", summary["population"])
        assert set(map(key_of, each)) == {*RATIOS, *FAIRNESS, *LINEAR, *RATES}
    return {
        "n_agents": len(evidence.current[0].plan["servers"]),
        "population": pooled(evidence, summary["population"], evidence.values),
        "scenarios": [
            {
                "validity": evidence.validity(each["config_ids"]),
                "estimates": pooled(evidence, each["estimates"], of_scenario(evidence, each)),
            }
            for each in summary["scenarios"]
        ],
        "configurations": [of_configuration(evidence, each) for each in summary["configurations"]],
        "validity": evidence.validity(configurations),
        "provenance": tables_of_validity.provenance_counts(evidence),
    }


def key_of(told: dict[str, Any]) -> Key:
    return told["metric"], told["arm"], told["agent"]


def of_scenario(evidence: Evidence, told: dict[str, Any]) -> list[Value]:
    members = [name for name, scenario in evidence.by_scenario() if scenario == told["scenario"]]
    assert told["config_ids"] == members
    return [v for v in evidence.values if v.scenario == told["scenario"]]


def pooled(
    evidence: Evidence, told: Sequence[dict[str, Any]], values: Sequence[Value]
) -> list[dict[str, Any]]:
    """One estimate for each metric over all configurations of some values."""
    made = []
    for metric in map(key_of, told):
        mine = [v for v in values if v.metric == metric]
        counting = [v for v in mine if v.pools]
        names = {v.config_id for v in counting}
        assert names <= set(evidence.config_ids)
        described = described_values(metric, counting, len(mine) - len(counting))
        made.append(described | {"n_configurations": len(names)})
    return made


def of_configuration(evidence: Evidence, told: dict[str, Any]) -> dict[str, Any]:
    name = told["config_id"]
    batch = next(each for each in evidence.current if each.config_id == name)
    limit_ms = reload_limit_ms(batch)
    notes = tables_of_validity.notes(evidence, name)
    shown = [(each["block"], each["validity"], each["left_out_of"]) for each in told["notes"]]
    assert shown == notes, name
    made = []
    for metric in map(key_of, told["estimates"]):
        mine = [v for v in evidence.values if v.config_id == name and v.metric == metric]
        counting = [v for v in mine if v.counts]
        made.append(described_values(metric, counting, len(mine) - len(counting)))
    return {
        "validity": evidence.validity([name]),
        "n_reloads": sum(n_reloads(t, limit_ms) for t in batch.of_arms("shared") if t.is_ok),
        "notes": [{"block": block} for block, _, _ in notes],
        "estimates": made,
    }


def described_values(metric: Key, counting: Sequence[Value], n_left_out: int) -> dict[str, Any]:
    """The estimate with its interval, beside the plain description of the same values."""
    values = [v.known for v in counting]
    n = len(values)
    is_rate = metric in RATES
    found = share(sum(v > 0 for v in values), n) if is_rate else estimate(counting, metric)
    made: dict[str, Any] = {"n": n, "n_left_out": n_left_out, "level": LEVEL}
    made |= {"value": found.value, "ci_low": found.low, "ci_high": found.high}
    if n:
        made["mean"] = fmean(values)
    if n and not is_rate:
        made |= {"median": median(values), "min": min(values), "max": max(values)}
    if n > 1 and not is_rate:
        made |= {"sd": stdev(values), "cv_pct": 100 * stdev(values) / abs(fmean(values))}
    return {name: value for name, value in made.items() if value is not None}
