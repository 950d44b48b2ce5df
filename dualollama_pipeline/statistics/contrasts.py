"""The declared comparisons: together or one after the other, two servers or one, which scenario.

Values are pooled by effective class; within it each configuration is a stratum of its own, since
its latest batch may be from another night.
"""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

import pandas as pd

from dualollama_pipeline.core.study import APART, SHARED
from dualollama_pipeline.metrics.catalog import (
    APART_AGAINST_SHARED,
    APART_SPEEDUP,
    BALANCE,
    BY_NAME,
    SHARED_SPEEDUP,
    key_of,
)
from dualollama_pipeline.statistics.comparison import Comparison, compare
from dualollama_pipeline.statistics.estimate import codes, origin_of, to_scale
from dualollama_pipeline.statistics.means import Sample, sample
from dualollama_pipeline.statistics.samples import most_of, of_key, quick
from dualollama_pipeline.statistics.verdicts import evidence_of

if TYPE_CHECKING:
    from dualollama_pipeline.metrics.catalog import Key, Metric

HEADLINE = "headline"
IN_TURN = "one after the other"
AGAINST_ONE = {
    APART_SPEEDUP: (f"{APART} against in turn", IN_TURN),
    SHARED_SPEEDUP: (f"{SHARED} against in turn", IN_TURN),
    APART_AGAINST_SHARED: (f"{APART} against {SHARED}", "one server"),
}
MAX_PROMPT_GAP = 0.1
BETWEEN_SCENARIOS = (APART_SPEEDUP, APART_AGAINST_SHARED, BALANCE)


def contrasts(samples: pd.DataFrame) -> pd.DataFrame:
    """Compare, over effective classes; one row a contrast and scope, columns of `contrasts`.

    Families: the headline (three, over everything that pools), and for each contrast its
    scenarios, its classes, and the classes that reload in `shared` (which stand apart).
    """
    samples = quick(samples)
    made = [each for key in AGAINST_ONE for each in _against_one(samples, key)]
    made += [each for key in BETWEEN_SCENARIOS for each in _between(samples, key)]
    return pd.DataFrame(compare(made))


def headline_verdicts(table: pd.DataFrame) -> dict[Key, str]:
    """Return the verdicts on everything that pools, by what they are of."""
    rows = table[table["scope"].eq("all") & table["family"].eq(HEADLINE)]
    return {key_of(row): str(row["verdict"]) for row in rows.to_dict("records")}


def side(
    metric: Metric, counting: pd.DataFrame, nights: pd.CategoricalDtype | None = None
) -> Sample:
    """Return one side's values, stratified by configuration; `nights` codes both sides alike."""
    batches = counting["batch_id"]
    if nights is not None:
        batches = batches.astype(nights)
    return sample(
        to_scale(metric, counting["value"].to_numpy(dtype="float64")),
        codes(counting["config_id"]),
        batches.cat.codes if nights is not None else codes(batches),
    )


def labelled(part: pd.DataFrame, **labels: Any) -> dict[str, Any]:
    """Return the columns that say whose comparison this is."""
    origin = origin_of(part)
    return {"origin": origin, "evidence": evidence_of(origin), **labels}


def unlike_prompts(one: pd.DataFrame, other: pd.DataFrame | None = None) -> str:
    """Say so where two sides differ by more than a tenth in how much of their work was prompts.

    Prompts may share a GPU worse than decoding, so that alone can make a difference (METHOD 2).
    A ratio of two arms holds the difference of their shares itself.
    """
    shares = [float(side["prompt_share"].mean()) for side in (one, other) if side is not None]
    gap = shares[0] - (shares[1] if len(shares) > 1 else 0.0)
    if not abs(gap) > MAX_PROMPT_GAP:  # nan: nothing is known of them
        return ""
    return (
        f"the shares of prompt work differ by {abs(gap):.2f}, which may make the difference: give "
        "both the same prompts"
    )


def batches_of(*parts: pd.DataFrame) -> list[str]:
    """Return the batch ids of some rows, sorted."""
    return sorted({str(batch) for part in parts for batch in part["batch_id"].unique()})


def _against_one(samples: pd.DataFrame, key: Key) -> list[Comparison]:
    """Compare with no gain; what reloads on one server stands apart from what does not."""
    mine = of_key(samples, key)
    if mine.empty:
        return []
    name, _ = AGAINST_ONE[key]
    apart = mine[mine["counts"] & ~mine["pools"]]
    made = [_one(key, mine, HEADLINE, "all", "all")]
    for scenario, part in mine.groupby("scenario", observed=True, sort=True):
        made.append(_one(key, part, f"{name}, scenarios", "scenario", str(scenario)))
    for label, part in mine.groupby("effective_class", observed=True, sort=True):
        if part["pools"].any() or not part["counts"].any():
            made.append(_one(key, part, f"{name}, classes", "class", str(label)))
    if len(apart):
        loose = apart.assign(pools=True)
        family = f"{name}, reloading"
        made.append(_one(key, loose, family, "all", "all that reload on one server"))
        for label, part in loose.groupby("effective_class", observed=True, sort=True):
            subject = f"{label}, reloading on one server"
            made.append(_one(key, part, f"{family} classes", "class", subject))
    return made


def _one(key: Key, part: pd.DataFrame, family: str, scope: str, subject: str) -> Comparison:
    metric = BY_NAME[key.metric]
    name, reference = AGAINST_ONE[key]
    counting = part[part["pools"]]
    labels = {
        "contrast": name,
        "scope": scope,
        "subject": subject,
        "reference": reference,
        "configurations": _names(counting),
    }
    return Comparison(
        metric,
        key,
        family,
        side(metric, counting),
        None,
        len(part) - len(counting),
        len(counting["effective_class"].unique()),
        batches_of(counting),
        labelled(part, **labels),
        is_pooled=scope != "class",
        confounded=unlike_prompts(counting) if metric.against else "",
        most=most_of(metric, counting),
    )


def _names(*parts: pd.DataFrame) -> str:
    """Return the configurations of each side."""
    return " / ".join(" ".join(sorted(map(str, part["config_id"].unique()))) for part in parts)


def _between(samples: pd.DataFrame, key: Key) -> list[Comparison]:
    metric, mine = BY_NAME[key.metric], of_key(samples, key)
    groups = {str(name): part for name, part in mine.groupby("scenario", observed=True, sort=True)}
    made = []
    for one, other in combinations(groups, 2):
        counting = [groups[name][groups[name]["pools"]] for name in (one, other)]
        nights = pd.CategoricalDtype(batches_of(*counting))
        n_left_out = sum(map(len, (groups[one], groups[other]))) - sum(map(len, counting))
        labels = {
            "contrast": "scenario against scenario",
            "scope": "scenario pair",
            "subject": one,
            "reference": other,
            "configurations": _names(*counting),
        }
        made.append(
            Comparison(
                metric,
                key,
                f"scenario against scenario, {key.metric}",
                side(metric, counting[0], nights),
                side(metric, counting[1], nights),
                n_left_out,
                sum(len(each["effective_class"].unique()) for each in counting),
                batches_of(*counting),
                labelled(pd.concat([groups[one], groups[other]]), **labels),
                confounded=unlike_prompts(*counting),
            )
        )
    return made
