"""Two nights against each other: by how much the weighted speedup of the same study differs."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dualollama_pipeline.metrics.catalog import APART_SPEEDUP
from dualollama_pipeline.statistics.estimate import codes
from dualollama_pipeline.statistics.intervals import Interval, exponentiate, interval_of
from dualollama_pipeline.statistics.means import difference, mean_of, sample
from dualollama_pipeline.statistics.samples import of_key

if TYPE_CHECKING:
    import pandas as pd

TOLERATED = 1.02  # a ratio of nights within it is nothing, as in `trend`


class Change(NamedTuple):
    """The ratio of two nights, and over how many configurations, those that both have."""

    ratio: Interval
    n_configurations: int

    @property
    def is_shown(self) -> bool:
        """Whether the whole interval lies outside of what is tolerated."""
        return self.ratio.low > TOLERATED or self.ratio.high < 1 / TOLERATED


def compare_nights(samples: pd.DataFrame, before: str, after: str) -> Change:
    """Return the geometric mean ratio of the weighted speedups of two batches, after / before.

    Stratified by configuration, Welch's t on logs (METHOD section 3); it speaks for these two
    nights: what lies between nights is no part of it.
    """
    mine = of_key(samples, APART_SPEEDUP)
    mine = mine[mine["counts"]]
    sides = [mine[mine["batch_id"].eq(batch)] for batch in (after, before)]
    shared = set.intersection(*(set(side["config_id"]) for side in sides))
    one, other = (
        sample(np.log(side["value"].to_numpy(dtype=np.float64)), codes(side["config_id"]))
        for side in (side[side["config_id"].isin(shared)] for side in sides)
    )
    return Change(exponentiate(interval_of(mean_of(difference(one, other)))), len(shared))
