"""Two nights against each other, over the configurations that both have.

The trap: a night without the slowest configuration looks like a faster one.
"""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from dualollama_pipeline.statistics.nights import compare_nights
from dualollama_pipeline_tests.statistics.campaign import joined, rows

NOISE = np.exp([-0.02, -0.01, 0.0, 0.01, 0.02])


def night(batch: str, **levels: float) -> pd.DataFrame:
    """Five blocks of each configuration in one batch."""
    made = joined(*(rows(name, list(level * NOISE)) for name, level in levels.items()))
    return made.assign(batch_id=batch)


def test_the_ratio_of_two_nights_with_its_interval() -> None:
    """Written out for one configuration: Welch on logs is the pooled t of equal spreads."""
    found = compare_nights(pd.concat([night("n1", a=1.0), night("n2", a=1.1)]), "n1", "n2")
    # sd of the logs is sqrt(0.001 / 4) = 0.0158; half width t(8) 2.306 x 0.0158 x sqrt(2 / 5)
    half = 2.306 * math.sqrt(0.001 / 4) * math.sqrt(2 / 5)
    assert found.ratio.value == pytest.approx(1.1)
    assert math.log(found.ratio.high) == pytest.approx(math.log(1.1) + half, abs=1e-4)
    assert found.is_shown


def test_a_configuration_of_one_night_alone_is_left_out() -> None:
    """With it, the second night would seem three times as fast."""
    both = pd.concat([night("n1", a=1.0, slow=0.1), night("n2", a=1.0)])
    found = compare_nights(both, "n1", "n2")
    assert (found.n_configurations, found.ratio.value) == (1, pytest.approx(1.0))
    assert not found.is_shown


def test_more_blocks_of_a_slow_configuration_are_no_loss() -> None:
    """Ten blocks of one and five of the other, then the other way round: it was 21 % "worse"."""
    once, twice = list(NOISE), [*NOISE, *NOISE]
    before = joined(rows("a", [1.5 * v for v in twice]), rows("slow", [0.75 * v for v in once]))
    after = joined(rows("a", [1.5 * v for v in once]), rows("slow", [0.75 * v for v in twice]))
    both = pd.concat([before.assign(batch_id="n1"), after.assign(batch_id="n2")])
    found = compare_nights(both, "n1", "n2")
    assert found.ratio.value == pytest.approx(1.0)
    assert found.verdict(1.05) == "equivalent"


def test_what_is_tolerated_is_nothing() -> None:
    """One percent, however sure: two nights always differ by something."""
    both = pd.concat([night("n1", a=1.0), night("n2", a=1.01)])
    assert not compare_nights(both, "n1", "n2").is_shown


def test_nights_without_a_common_configuration_say_so() -> None:
    """No figure, and a reason instead."""
    found = compare_nights(pd.concat([night("n1", a=1.0), night("n2", b=1.0)]), "n1", "n2")
    assert math.isnan(found.ratio.value)
    assert found.ratio.reason
    assert not found.is_shown
