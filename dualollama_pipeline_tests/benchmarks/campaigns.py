"""Simulated campaigns whose truth is known: numbers drawn here, or blocks of the simulator."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dualollama_pipeline.simulator import truth
from dualollama_pipeline.simulator.profile import Profile
from dualollama_pipeline.statistics.means import Sample, sample

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

N_CONFIGURATIONS, N_BLOCKS = 27, 5
OPTIONS = {"num_gpu": 80, "num_ctx": 512}
STAGES = [(663, 300)] * 2  # the standard workload: prompt and nonce, num_predict
LONG_RUN = 20_000


class Design(NamedTuple):
    """Configurations that differ in level and spread, each measured in blocks and nights."""

    n_configurations: int = N_CONFIGURATIONS
    n_blocks: int = N_BLOCKS
    n_nights: int = 1
    sd: float = 0.05
    night_sd: float = 0.0
    spread: float = 1.0  # the largest sd of a configuration over the smallest, on both sides of sd
    level: float = float(np.log(0.83))
    between: float = 0.1  # sd of the configurations' true levels


def levels(design: Design) -> Floats:
    """Return the true levels of the configurations (logs): fixed, not drawn anew."""
    if design.n_configurations == 1:
        return np.array([design.level])
    place = np.linspace(-1, 1, design.n_configurations)
    return design.level + design.between * place


def draw(design: Design, chance: np.random.Generator) -> Sample:
    """Draw one campaign: log ratios, stratified by configuration, with their nights.

    A night shifts all configurations together and each by itself, half of the variance each.
    """
    h, k, n = design.n_configurations, design.n_nights, design.n_blocks
    sds = design.sd * np.geomspace(1 / design.spread, design.spread, h) if h > 1 else design.sd
    common = design.night_sd * np.sqrt(0.5) * chance.standard_normal((1, k, 1))
    own = design.night_sd * np.sqrt(0.5) * chance.standard_normal((h, k, 1))
    noise = np.reshape(sds, (-1, 1, 1)) * chance.standard_normal((h, k, n))
    values = levels(design)[:, np.newaxis, np.newaxis] + common + own + noise
    strata, nights, _ = np.indices((h, k, n))
    return sample(values.ravel(), strata.ravel(), nights.ravel())


def noise_free(pair: str, name: str = "standard") -> float:
    """Return the simulator's noise-free true speedup of two equal agents."""
    walls = truth.noise_free_walls(Profile.load(name), OPTIONS, OPTIONS, STAGES)
    return truth.true_speedup(walls, pair)


@cache
def simulated_blocks(n: int = LONG_RUN, name: str = "standard", first: int = 0) -> Floats:
    """Return log true speedups (dual, single) of n blocks, shape (n, 2), each arm drawn anew."""
    profile = Profile.load(name)
    made = np.empty((n, 2))
    for block in range(n):
        mine = profile.model_copy(update={"seed": first + block})
        walls = truth.block_walls(mine, OPTIONS, OPTIONS, STAGES)
        made[block] = [np.log(truth.true_speedup(walls, pair)) for pair in ("apart", "shared")]
    return made
