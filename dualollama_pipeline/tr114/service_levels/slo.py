"""`slo_evaluation`: section 9 item by item: met, missed, infeasible, or not measurable here.

met, missed          the value is on the right or the wrong side of its bound; `is_sure` says
                     whether its whole interval is
infeasible           what no configuration can get beyond lies on the wrong side
not measurable here  nobody observed it, or not for long enough to see its window
"""

from __future__ import annotations

from math import isnan
from typing import TYPE_CHECKING, Any

import pandas as pd

from dualollama_pipeline.statistics.means import NAN
from dualollama_pipeline.tables.rows import Row
from dualollama_pipeline.tr114.schemas_decided import SLO_EVALUATION
from dualollama_pipeline.tr114.service_levels.observed import COSTS, QUANTITIES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dualollama_pipeline.tr114.service_levels.observed import Observed, ObservedValue
    from dualollama_pipeline.tr114.service_levels.slo_inputs import Item, SloInputs

NOT_HERE = "not measurable here"
WORDS = {"above": "above", "below": "below", "at_least": "at least", "at_most": "at most"}


def slo_evaluation(inputs: SloInputs, sources: Sequence[Observed]) -> pd.DataFrame:
    """Hold every item against every source that can say something of it, columns of the table.

    The first source is this machine's: what nobody can measure stands once, with it.
    """
    rows = [
        {
            "kind": kind,
            "place": place,
            "name": item.name,
            "section": section,
            "statement": words,
            **_bound_of(item),
            **row,
        }
        for kind, section, place, item, words in _items(inputs)
        for row in _by_source(item, kind, sources)
    ]
    rows += _tasks(inputs)
    return pd.DataFrame(rows).astype({"is_sure": "boolean"})[list(SLO_EVALUATION.columns)]


def within(value: float, bound: str, threshold: float) -> bool:
    """Say whether a value stays within its bound; `above` and `below` exclude the threshold."""
    return {
        "above": value > threshold,
        "below": value < threshold,
        "at_least": value >= threshold,
        "at_most": value <= threshold,
    }[bound]


def longest_outside_s(
    stretch: Sequence[tuple[float, float]], bound: str, threshold: float
) -> tuple[float, float]:
    """Return (longest time outside the bound without a break, time observed), seconds.

    `stretch` holds (wall_s, value) of trials that follow each other; a trial without a value ends
    both. Time is that of the trials themselves: what lies between them was no service.
    """
    longest_observed = longest_outside = observed = outside = 0.0
    for wall_s, value in stretch:
        if isnan(wall_s) or isnan(value):
            observed = outside = 0.0
            continue
        observed += wall_s
        outside = 0.0 if within(value, bound, threshold) else outside + wall_s
        longest_observed = max(longest_observed, observed)
        longest_outside = max(longest_outside, outside)
    return longest_outside, longest_observed


def _items(inputs: SloInputs) -> Iterator[tuple[str, str, int, Item, str]]:
    lists = (
        ("target", "9.2", inputs.targets),
        ("sla", "9.2", inputs.slas),
        ("rollback trigger", "9.3", inputs.rollback.triggers),
        ("monitored metric", "9.2", inputs.monitored),
    )
    for kind, section, items in lists:
        for place, item in enumerate(items, start=1):
            yield kind, section, place, item, _words(item)
    gates = [(phase, gate) for phase in inputs.phases for gate in phase.gates]
    for place, (phase, gate) in enumerate(gates, start=1):
        traffic = ", ".join(f"{share:g}" for share in phase.traffic_pct)
        about = f"{phase.name}, months {phase.months}, {traffic} % of traffic, to {phase.goal}"
        yield "phase gate", "9.1", place, gate, f"{about}; gate: {_words(gate)}"


def _words(item: Item) -> str:
    """Say what is asked, in words."""
    made = item.name
    if item.bound is not None:
        made += f" {WORDS[item.bound]} {item.threshold:g} {item.unit}".rstrip()
    if item.window_s is not None:
        made += f", counted after {item.window_s:g} s without a break"
    return f"{made} ({item.note})" if item.note else made


def _by_source(item: Item, kind: str, sources: Sequence[Observed]) -> list[Row]:
    able = [source for source in sources if _speaks(source, item)]
    return [
        {
            "origin": source.origin,
            "evidence": source.evidence if able else "none",
            **_judge(item, source, kind),
            "batches": _batches(source, item) if able else "",
        }
        for source in able or sources[:1]
    ]


def _batches(source: Observed, item: Item) -> str:
    known = source.quantities.get(item.metric)
    return (known.batches if known else "") or source.batches


def _speaks(source: Observed, item: Item) -> bool:
    """A source speaks of what it has; the report of costs only."""
    known = source.quantities.get(item.metric)
    if known is None:
        return False
    return source.origin != "published" or item.metric in COSTS


def _bound_of(item: Item) -> Row:
    return {
        "metric": item.metric,
        "bound": "" if item.bound is None else item.bound,
        "threshold": NAN if item.threshold is None else item.threshold,
        "unit": item.unit,
        "window_s": NAN if item.window_s is None else item.window_s,
    }


def _judge(item: Item, source: Observed, kind: str) -> Row:
    found = source.quantities.get(item.metric)
    if found is None:
        why = item.note or "nothing that was run here shows it"
        return _judged(NOT_HERE, why)
    value = found.interval.value
    numbers = {
        "value": value,
        "ci_low": found.interval.low,
        "ci_high": found.interval.high,
        "n": found.n,
    }
    if item.bound is None or item.threshold is None:
        if isnan(value):
            return _judged(NOT_HERE, found.interval.reason or "no value counts") | numbers
        return _judged("met", f"recorded: {QUANTITIES[item.metric]}") | numbers
    if item.window_s is not None and kind == "rollback trigger":
        return _sustained(item, source) | numbers
    return _against(found, item.bound, item.threshold) | numbers


def _against(found: ObservedValue, bound: str, threshold: float) -> Row:
    value, low, high, why_null = found.interval
    is_met = within(value, bound, threshold)
    limit = found.highest if bound in {"above", "at_least"} else found.lowest
    if limit is not None and not within(limit, bound, threshold):
        return _judged("infeasible", found.why)
    if isnan(value):
        return _judged(NOT_HERE, why_null or "no value counts")
    ends = [end for end in (low, high) if not isnan(end)]
    is_sure = all(within(end, bound, threshold) is is_met for end in ends) if ends else pd.NA
    reason = f"{value:.4g} is {'' if is_met else 'not '}{WORDS[bound]} {threshold:g}"
    if is_sure is False:
        reason += "; its interval reaches to the other side"
    return _judged("met" if is_met else "missed", reason, is_sure)


def _sustained(item: Item, source: Observed) -> Row:
    """Look for a stretch outside the bound that lasts as long as the window."""
    bound, threshold = str(item.bound), float(item.threshold or 0.0)
    window_s = float(item.window_s or 0.0)
    seen = [longest_outside_s(stretch, bound, threshold) for stretch in source.stretches]
    outside = max((each for each, _ in seen), default=0.0)
    observed = max((each for _, each in seen), default=0.0)
    said = f"longest stretch outside {outside:.0f} s"
    if outside > window_s:
        return _judged("missed", f"{said}: the trigger fires", is_sure=True)
    if observed <= window_s:
        return _judged(
            NOT_HERE,
            f"{said}, but nothing was watched for longer than {observed:.0f} s without a break",
        )
    return _judged("met", f"{said} of {observed:.0f} s watched: the trigger is quiet", is_sure=True)


def _judged(status: str, reason: str, is_sure: Any = pd.NA) -> Row:
    return {
        "value": NAN,
        "ci_low": NAN,
        "ci_high": NAN,
        "n": 0,
        "status": status,
        "is_sure": is_sure,
        "reason": reason,
    }


def _tasks(inputs: SloInputs) -> list[Row]:
    """Lay out the way back: steps in their order, the time they may take, and the standby."""
    rollback = inputs.rollback
    steps = [
        ("rollback step", place, f"step {place}", step)
        for place, step in enumerate(rollback.steps, start=1)
    ]
    n_steps = len(steps)
    whole = f"all {n_steps} steps within {rollback.within_minutes:g} minutes"
    steps.append(("rollback step", n_steps + 1, "time", whole))
    kept = f"{rollback.standby.what}, for {rollback.standby.months:g} months after the migration"
    steps.append(("standby", 1, "standby", kept))
    return [
        {
            "origin": "published",
            "evidence": "none",
            "kind": kind,
            "place": place,
            "name": name,
            "section": "9.3",
            "statement": statement,
            "metric": "",
            "bound": "",
            "threshold": NAN,
            "unit": "",
            "window_s": NAN,
            **_judged(NOT_HERE, "nothing was rolled out, so no way back was walked"),
            "batches": "",
        }
        for kind, place, name, statement in steps
    ]
