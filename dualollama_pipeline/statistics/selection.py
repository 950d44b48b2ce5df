"""Who is first, how sure that is, and what the best of many shows when none is better."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.special import stdtrit

from dualollama_pipeline.statistics.intervals import LEVEL
from dualollama_pipeline.statistics.means import NAN
from dualollama_pipeline.statistics.samples import of_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from dualollama_pipeline.metrics.catalog import Key
    from dualollama_pipeline.statistics.means import Mean

N_DRAWS = 10_000


class Ranks(NamedTuple):
    """Places from 1, the highest value first; `low` and `high` are 0 where no error is known."""

    rank: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]


def rank_intervals(means: Sequence[Mean], level: float = LEVEL) -> Ranks:
    """Rank estimates with an interval for each place.

    Formula: low = 1 + those that are surely higher, high = N - those that are surely lower, by
    Welch's t on the difference, the level divided among the N - 1 comparisons of one place
    (Bonferroni; Mogstad et al., Review of Economic Studies 91 (2024) 476). Place by place: the
    intervals of several places do not hold together.
    """
    values = np.array([mean.value for mean in means])
    variance = np.array([mean.standard_error for mean in means]) ** 2
    freedom = np.array([mean.freedom for mean in means])
    n = len(values)
    rank = 1 + (values > values[:, np.newaxis]).sum(axis=1)
    both = variance + variance[:, np.newaxis]
    parts = variance**2 / freedom
    welch = both**2 / (parts + parts[:, np.newaxis])
    limit = stdtrit(welch, 1 - (1 - level) / 2 / max(n - 1, 1))
    t = (values - values[:, np.newaxis]) / np.sqrt(both)
    known = ~np.isnan(variance)
    low = np.where(known, 1 + (t > limit).sum(axis=1), 0)
    high = np.where(known, n - (t < -limit).sum(axis=1), 0)
    return Ranks(rank.astype(np.int64), low.astype(np.int64), high.astype(np.int64))


@lru_cache(maxsize=64)
def _leads(n: int, seed: int) -> tuple[Any, NDArray[np.float64]]:
    """Return by how much the best of n leads their mean in each draw, and the state after it."""
    chance = np.random.default_rng(seed)
    z = chance.standard_normal((N_DRAWS, n))
    return chance.bit_generator.state, z.max(axis=1) - z.mean(axis=1)


class Best(NamedTuple):
    """What the highest of N shows if all are equal: its mean, its 95 % point, p of the observed."""

    mean: float
    p95: float
    p_value: float


def best_if_equal(means: Sequence[Mean], seed: int = 114) -> Best:
    """Return the distribution of the best of N under no difference.

    Formula: centre + se x (max_h z_h - mean z) x sqrt(f / chi2(f)), z standard normal, se the root
    mean square of the standard errors, f the sum of their degrees of freedom; 10,000 draws. The
    p value counts the observed draw (Phipson and Smyth, SAGMB 9 (2010) 39).
    """
    known = [mean for mean in means if not mean.reason]
    if len(known) < 2:  # noqa: PLR2004 one is no choice
        return Best(NAN, NAN, NAN)
    values = np.array([mean.value for mean in known])
    error = float(np.sqrt(np.mean([mean.standard_error**2 for mean in known])))
    freedom = sum(mean.freedom for mean in known)
    chance = np.random.default_rng(seed)
    chance.bit_generator.state, leads = _leads(len(known), seed)
    scale = error * np.sqrt(freedom / chance.chisquare(freedom, N_DRAWS))
    best = values.mean() + scale * leads
    as_good = int((best >= values.max()).sum())
    return Best(float(best.mean()), float(np.quantile(best, 0.95)), (as_good + 1) / (N_DRAWS + 1))


def top_and_bottom(
    config_statistics: pd.DataFrame, key: Key, n_top: int = 5, n_bottom: int = 3
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the first and last rows of a metric's ranking, the best first in both."""
    ranked = of_key(config_statistics, key).dropna(subset=["rank"])
    ranked = ranked.sort_values(["rank", "config_id"])
    return ranked.head(n_top), ranked.tail(n_bottom)


def top_runs(samples: pd.DataFrame, key: Key, n_top: int = 5) -> pd.DataFrame:
    """Return the samples with the highest values: single runs, picked because they are high."""
    mine = of_key(samples, key)
    return mine[mine["counts"]].nlargest(n_top, "value")
