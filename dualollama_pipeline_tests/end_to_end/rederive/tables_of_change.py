"""Tables of what is unusual: outliers within a configuration, and change over the nights."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, median, stdev
from typing import NamedTuple

from scipy import stats

from dualollama_pipeline_tests.end_to_end.rederive.arithmetic import (
    MIN_NIGHTS,
    NOTHING,
    Interval,
    benjamini_hochberg,
    mapped,
    quantile,
    theil_sen,
)
from dualollama_pipeline_tests.end_to_end.rederive.evidence import Evidence
from dualollama_pipeline_tests.end_to_end.rederive.ledger import (
    ANY,
    Number,
    Row,
    Words,
    number,
)
from dualollama_pipeline_tests.end_to_end.rederive.ratios import (
    AGAINST,
    BALANCE,
    FAIRNESS,
    LINEAR,
    RATIOS,
    SHARED_SPEEDUP,
    SPEEDUP,
    Key,
    named,
)
from dualollama_pipeline_tests.end_to_end.rederive.samples import Value, by_config, counting

MAD_LIMIT = 14.826
TREND = (SPEEDUP, SHARED_SPEEDUP, AGAINST, BALANCE)


# -- outliers ------------------------------------------------------------------------------------
class Outlier(NamedTuple):
    """One labelled value, and by how much the estimate moves without all of them."""

    value: Value
    usual: list[float]
    change_pct: float | None

    def row(self) -> Row:
        n = len(self.usual)
        not_counted = "" if self.value.counts else ", not counted"
        return [
            Words(self.value.config_id, f"block {self.value.block}{not_counted}"),
            named(self.value.metric),
            number(self.value.known),
            number(median(self.usual), n) if n else number(None, n),
            ANY,
            ANY,
            number(self.change_pct, None if self.change_pct is None else n),
        ]


def outliers(evidence: Evidence) -> list[Row]:
    """All of them, those that move their estimate the most first."""
    found = [
        outlier
        for metric in (*RATIOS, *FAIRNESS, *LINEAR)
        for name in evidence.config_ids
        for outlier in of_configuration(
            [
                v
                for v in evidence.values
                if v.metric == metric and v.config_id == name and v.value is not None
            ]
        )
    ]
    found.sort(key=lambda each: -abs(each.change_pct or 0.0))
    return [each.row() for each in found]


def of_configuration(values: Sequence[Value]) -> list[Outlier]:
    """Ten robust standard deviations, 3 IQR (from n = 10), or balance below 95 %."""
    usual = [v.known for v in values if v.counts]
    far = [v for v in values if is_far(v.known, usual)]
    without = [v.known for v in values if v.counts and v not in far]
    change = None
    if usual and without:
        before, after = center(values[0].metric, usual), center(values[0].metric, without)
        change = 100 * (after - before) / abs(before)
    low = [v for v in values if v.metric == BALANCE and v.known < 95]
    return [Outlier(v, usual, change) for v in values if v in far or v in low]


def is_far(value: float, usual: Sequence[float]) -> bool:
    if len(usual) < 5:
        return False
    middle = median(usual)
    mad = median(abs(each - middle) for each in usual)
    if mad > 1e-12 * max(1, abs(middle)) and abs(value - middle) / mad > MAD_LIMIT:
        return True
    low, high = quantile(usual, 0.25), quantile(usual, 0.75)
    reach = 3 * (high - low)
    return len(usual) >= 10 and not low - reach <= value <= high + reach


def center(metric: Key, values: Sequence[float]) -> float:
    return math.exp(fmean(map(math.log, values))) if metric in RATIOS else fmean(values)


# -- nights --------------------------------------------------------------------------------------
class Course(NamedTuple):
    """One series of nights on the scale of the test."""

    name: str
    metric: Key
    values: list[float]

    def in_its_unit(self, found: Interval) -> Interval:
        """A difference of logs as percent."""
        if self.metric not in RATIOS:
            return found
        return mapped(found, lambda step: 100 * (math.exp(step) - 1))

    @property
    def p_trend(self) -> float | None:
        if len(self.values) < MIN_NIGHTS or min(self.values) == max(self.values):
            return None
        return float(stats.kendalltau(range(len(self.values)), self.values).pvalue)

    @property
    def change(self) -> Interval:
        """The last night against those before: the prediction interval of one more night."""
        *earlier, last = self.values
        m = len(earlier)
        if m < MIN_NIGHTS:
            return NOTHING
        step = last - fmean(earlier)
        half = float(stats.t.ppf(0.975, m - 1)) * stdev(earlier) * math.sqrt(1 + 1 / m)
        return self.in_its_unit(Interval(step, step - half, step + half))

    @property
    def slope(self) -> Interval:
        if len(self.values) < MIN_NIGHTS:
            return NOTHING
        return self.in_its_unit(theil_sen(self.values))

    @property
    def is_alarm(self) -> bool:
        tolerated = 2.0 if self.metric in RATIOS else 1.0
        _, low, high = self.change
        return low is not None and high is not None and (low > tolerated or high < -tolerated)

    def row(self, p_adjusted: float | None) -> Row:
        last, n = self.values[-1], len(self.values)
        return [
            self.name,
            named(self.metric),
            number(math.exp(last) if self.metric in RATIOS else last),
            Number(self.change, n),
            "ALARM (illustration)" if self.is_alarm else "quiet",
            Number(self.slope, n),
            number(p_adjusted),
            ANY,
        ]


def nights(evidence: Evidence) -> list[Row]:
    """Over all configurations, then each alarm, the largest change first."""
    courses = [course for metric in TREND for course in courses_of(evidence, metric)]
    adjusted = benjamini_hochberg([course.p_trend for course in courses])
    found = list(zip(courses, adjusted, strict=True))
    over_all = [each for each in found if each[0].name == "all configurations"]
    alarms = [each for each in found if each[0].is_alarm and each not in over_all]
    alarms.sort(key=lambda each: -abs(each[0].change.value or 0.0))
    return [course.row(p) for course, p in (*over_all, *alarms)]


def courses_of(evidence: Evidence, metric: Key) -> list[Course]:
    """Each configuration's nightly mean, and the mean over them, each against its own mean."""
    order = [night[0].batch_id for night in evidence.nights]
    mine = by_config(counting(evidence.history, metric))
    nightly = {name: means_of(values, metric) for name, values in sorted(mine.items())}
    made = [
        Course(name, metric, [means[batch] for batch in order if batch in means])
        for name, means in nightly.items()
    ]
    fair = {name: means_of([v for v in mine[name] if v.pools], metric) for name in nightly}
    own = {name: fmean(means.values()) for name, means in fair.items() if means}
    level = fmean(own.values())
    over_all = [
        level + fmean(fair[name][batch] - own[name] for name in own if batch in fair[name])
        for batch in order
    ]
    return [*made, Course("all configurations", metric, over_all)]


def means_of(values: Sequence[Value], metric: Key) -> dict[str, float]:
    """Return the mean of each night on the scale of the test."""
    scaled: dict[str, list[float]] = {}
    for v in values:
        scaled.setdefault(v.batch_id, []).append(math.log(v.known) if metric in RATIOS else v.known)
    return {batch: fmean(each) for batch, each in scaled.items()}
