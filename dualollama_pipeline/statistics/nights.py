"""Two batches against each other: by how much a speedup of the same study differs, and what for."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dualollama_pipeline.metrics.catalog import APART_SPEEDUP
from dualollama_pipeline.statistics.estimate import codes
from dualollama_pipeline.statistics.intervals import Interval, exponentiate, interval_of
from dualollama_pipeline.statistics.means import NAN, Sample, difference, mean_of, sample
from dualollama_pipeline.statistics.power import minimum_detectable
from dualollama_pipeline.statistics.samples import of_key

if TYPE_CHECKING:
    import pandas as pd

    from dualollama_pipeline.metrics.catalog import Key

TOLERATED = 1.02  # a ratio of nights within it is nothing, as in `trend`


class Change(NamedTuple):
    """The ratio of two batches, over how many configurations (those that both have).

    `detectable` is the ratio that would be found in four of five cases; nan without an interval.
    """

    ratio: Interval
    n_configurations: int
    detectable: float = NAN

    @property
    def is_shown(self) -> bool:
        """Whether the whole interval lies outside of what is tolerated."""
        return self.ratio.low > TOLERATED or self.ratio.high < 1 / TOLERATED

    def verdict(self, margin: float = TOLERATED) -> str:
        """Say what the interval excludes: with `margin` 1.02, a loss of more than 2 % or less.

        better and equivalent are also no worse. Of what neither is excluded is undetermined.
        """
        low, high = self.ratio.low, self.ratio.high
        if low > 1 / margin:
            return "better" if low > 1 else "equivalent" if high < margin else "no worse"
        return "worse" if high < 1 / margin else "undetermined"


def compare_nights(samples: pd.DataFrame, before: str, after: str) -> Change:
    """Return the ratio of the weighted speedups of two batches among `samples`, after / before."""
    one, other = (samples[samples["batch_id"].eq(batch)] for batch in (before, after))
    return compare(one, other, APART_SPEEDUP)


def compare(before: pd.DataFrame, after: pd.DataFrame, key: Key) -> Change:
    """Return the geometric mean ratio of one estimate of two sets of samples, after / before.

    Each configuration with itself, all of one weight whatever their blocks: else a batch with more
    blocks of a slow configuration is a slow batch. Stratified, Welch's t on logs (METHOD section
    3); it speaks for these two batches: what lies between nights is no part of it.
    """
    sides = [mine[mine["counts"]] for mine in (of_key(after, key), of_key(before, key))]
    shared = set.intersection(*(set(side["config_id"]) for side in sides))
    one, other = (
        _of_one_weight(side) for side in (side[side["config_id"].isin(shared)] for side in sides)
    )
    mean = mean_of(difference(one, other))
    found = NAN if mean.reason else minimum_detectable(mean.freedom) * mean.standard_error
    return Change(exponentiate(interval_of(mean)), len(shared), float(np.exp(found)))


def _of_one_weight(side: pd.DataFrame) -> Sample:
    made = sample(np.log(side["value"].to_numpy(dtype=np.float64)), codes(side["config_id"]))
    n = len(made.coefficients)
    return made._replace(coefficients=np.full(n, 1 / n) if n else made.coefficients)
