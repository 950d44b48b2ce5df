"""One comparison in full: estimate, tests, effect sizes, power; and the verdicts of a family.

Contrasts and factor effects are rows made here; they differ only in what they compare.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb, exp, isnan, sqrt
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from dualollama_pipeline.metrics.catalog import METRICS
from dualollama_pipeline.statistics import effects, power
from dualollama_pipeline.statistics.estimate import from_scale, possible
from dualollama_pipeline.statistics.intervals import LEVEL, Interval, interval_of
from dualollama_pipeline.statistics.means import (
    MIN_BLOCKS,
    NAN,
    Mean,
    Sample,
    aligned,
    difference,
    mean_of,
    sample,
)
from dualollama_pipeline.statistics.multiplicity import holm
from dualollama_pipeline.statistics.verdicts import (
    ALPHA,
    MARGIN_LINEAR,
    MARGIN_RATIO,
    Outcome,
    Verdict,
    judge,
    margin_of,
    p_of_equivalence,
    p_of_t,
)
from dualollama_pipeline.tables.rows import Row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dualollama_pipeline.metrics.catalog import Key, Metric

    Floats = NDArray[np.float64]

NO_RANKS = Interval(NAN, NAN, NAN, "")


@dataclass(frozen=True)
class Comparison:
    """What is compared on the scale of the test (logs for a ratio), and where it belongs.

    `other` is None where a paired ratio or difference is compared with no effect. `is_pooled`:
    rank tests are for pooled blocks only (METHOD section 3). `confounded` says what else may make a
    difference: then none is claimed. `labels` become columns.
    """

    metric: Metric
    key: Key
    family: str
    one: Sample
    other: Sample | None
    n_left_out: int
    n_classes: int
    batches: Sequence[str]
    labels: Row
    is_pooled: bool = True
    confounded: str = ""
    most: int | None = None  # what the effect cannot exceed

    @property
    def mean(self) -> Mean:
        """The estimated effect with its error."""
        if self.other is None:
            return possible(self.metric, mean_of(self.one), self.most)
        if not (len(self.one.values) and len(self.other.values)):
            return mean_of(sample([]))
        return mean_of(difference(self.one, self.other))


def compare(comparisons: Sequence[Comparison]) -> list[Row]:
    """Return one row for each comparison, corrected within its family (Holm) and judged."""
    means = [each.mean for each in comparisons]
    p_values = np.array([p_of_t(mean) for mean in means])
    adjusted, sizes = np.full(len(means), NAN), np.zeros(len(means), dtype=np.int64)
    for family in {each.family for each in comparisons}:
        mine = np.array([each.family == family for each in comparisons])
        adjusted[mine] = holm(p_values[mine])
        sizes[mine] = int((~np.isnan(p_values[mine])).sum())
    return [
        _row(each, mean, float(p), float(p_adjusted), int(size))
        for each, mean, p, p_adjusted, size in zip(
            comparisons, means, p_values, adjusted, sizes, strict=True
        )
    ]


def columns_with(labels: Sequence[str]) -> list[str]:
    """Return the columns of rows with these labels: what a table without any row has."""
    nothing = sample([])
    named = dict.fromkeys(labels, "")
    key = METRICS[0].keys(())[0]
    each = Comparison(METRICS[0], key, "", nothing, nothing, 0, 0, (), named)
    return list(compare([each])[0])


def _row(each: Comparison, mean: Mean, p: float, p_adjusted: float, n_family: int) -> Row:
    metric, margin = each.metric, margin_of(each.metric.scale)
    interval = interval_of(mean)
    sizes = _sizes(each, mean)
    smallest = _smallest_p(sizes)
    p_equivalence = p_of_equivalence(mean, margin)
    threshold = ALPHA / max(n_family, 1)
    verdict = judge(
        Outcome(
            mean.value, p_adjusted, p_equivalence, smallest, n_family, mean.reason,
            metric.better != "lower",
        )
    )  # fmt: skip
    if each.confounded and verdict.verdict in {"better", "worse"}:
        verdict = Verdict("undetermined", each.confounded)
    is_ratio = metric.scale == "ratio"
    return {
        **each.labels,
        "family": each.family,
        **each.key._asdict(),
        "unit": "x" if is_ratio else metric.unit,
        "n": sum(len(side.values) for side in _sides(each)),
        "n_left_out": each.n_left_out,
        "n_nights": len(each.batches),
        "n_classes": each.n_classes,
        "value": from_scale(metric, interval.value),
        "ci_low": from_scale(metric, interval.low),
        "ci_high": from_scale(metric, interval.high),
        "level": LEVEL,
        "method": _method(each, mean),
        "null_reason": mean.reason,
        "no_effect": 1.0 if is_ratio else 0.0,
        "p_value": p,
        "p_rank": _p_rank(each),
        "smallest_p": smallest,
        "p_adjusted": p_adjusted,
        "correction": "holm",
        "n_family": n_family,
        "alpha": ALPHA,
        "margin": MARGIN_RATIO if is_ratio else MARGIN_LINEAR,
        "p_equivalence": p_equivalence,
        **_detectable(metric, mean, threshold, margin),
        "n_needed": _n_needed(mean, sizes, threshold, margin),
        **_effect_sizes(each, mean),
        "verdict": verdict.verdict,
        "verdict_reason": verdict.reason,
        "batches": " ".join(each.batches),
    }


def _sides(each: Comparison) -> list[Sample]:
    return [side for side in (each.one, each.other) if side is not None]


def _method(each: Comparison, mean: Mean) -> str:
    what = (
        "ratio of geometric means, t on logs" if each.metric.scale == "ratio" else "difference, t"
    )
    if each.other is None:
        what = "geometric mean of block ratios, t on logs"
    if mean.unit == "night":
        return f"{what}, over nights"
    return what if len(each.one.coefficients) == 1 and each.other is None else f"{what}, stratified"


def _sizes(each: Comparison, mean: Mean) -> tuple[int, ...]:
    """Return the independent units of each side: blocks, or nights where those are resampled."""
    return tuple(
        int(np.count_nonzero(np.bincount(side.nights)))
        if mean.unit == "night"
        else len(side.values)
        for side in _sides(each)
    )


def _smallest_p(sizes: tuple[int, ...]) -> float:
    if len(sizes) == 1:
        return power.smallest_paired_p(sizes[0])
    return power.smallest_unpaired_p(sizes[0], sizes[1])


def _p_rank(each: Comparison) -> float:
    """Return the p of Wilcoxon's or Mann and Whitney's test on aligned values; nan if not pooled.

    scipy answers nan for values without spread: that stays nan and reads as "not tested".
    """
    sides = [aligned(side) for side in _sides(each)]
    if not each.is_pooled or min(map(len, sides)) < effects.LEAST:
        return NAN
    if any(np.ptp(side) == 0 for side in sides):
        return NAN
    if len(sides) == 1:
        return float(stats.wilcoxon(sides[0]).pvalue)
    return float(stats.mannwhitneyu(sides[0], sides[1]).pvalue)


def _detectable(metric: Metric, mean: Mean, threshold: float, margin: float) -> Row:
    if mean.reason:
        return {"mde": NAN, "power_at_margin": NAN}
    least = power.minimum_detectable(round(mean.freedom, 3), threshold) * mean.standard_error
    found = power.power_of_t(margin / mean.standard_error, mean.freedom, threshold)
    return {
        "mde": exp(min(least, 700.0)) if metric.scale == "ratio" else least,
        "power_at_margin": min(found, 1.0),
    }


def _n_needed(mean: Mean, sizes: tuple[int, ...], threshold: float, margin: float) -> int | None:
    """Return how many units in all find the margin, and let a distribution-free test speak too."""
    if mean.reason or isnan(mean.standard_error):
        return MIN_BLOCKS * len(sizes)
    n = sum(sizes)
    enough = power.n_needed(mean.standard_error * sqrt(n), margin, threshold)
    if enough is None:
        return None
    if len(sizes) == 1:
        return max(enough, power.n_for_smallest_p(threshold))
    return max(enough, 2 * power.n_for_smallest_p(threshold, lambda side: 2 / comb(2 * side, side)))


def _effect_sizes(each: Comparison, mean: Mean) -> Row:
    delta = lehmann = NO_RANKS
    if len(each.one.values) and (each.other is None or len(each.other.values)):
        if each.other is None:
            delta = effects.dominance(each.one.values)
            if mean.unit == "night":  # its blocks are not independent
                delta = delta._replace(low=NAN, high=NAN)
            lehmann = effects.hodges_lehmann(aligned(each.one))
        else:
            delta = effects.cliffs_delta(each.one, each.other)
            lehmann = effects.hodges_lehmann_shift(aligned(each.one), aligned(each.other))
    return {
        "cliffs_delta": delta.value,
        "cliffs_delta_low": delta.low,
        "cliffs_delta_high": delta.high,
        "hodges_lehmann": from_scale(each.metric, lehmann.value),
        "hodges_lehmann_low": from_scale(each.metric, lehmann.low),
        "hodges_lehmann_high": from_scale(each.metric, lehmann.high),
    }
