"""Simulated campaigns, short and with a fixed seed: promises of docs/statistics.md in every run.

The trap: an interval that is right in the formula and wrong about the design. The long version is
`python -m dualollama_pipeline_tests.benchmarks.coverage`.
"""

from __future__ import annotations

import numpy as np
import pytest

from dualollama_pipeline.statistics.intervals import t_interval
from dualollama_pipeline_tests.benchmarks.campaigns import noise_free, simulated_blocks
from dualollama_pipeline_tests.benchmarks.coverage import judge

COVERAGE = (
    "configuration, 5 blocks: t on logs",
    "configuration, 15 blocks: t on logs",
    "scenario, 7 x 5: stratified t",
    "population, 27 x 5: stratified t",
    "configuration, 8 nights x 5: t over nights",
    "population, 27 x 5 x 8 nights: t over nights",
    "scenario against scenario, 7 x 5 and 13 x 5",
    "Cliff's delta 0.28, 35 and 35",
    "change of the last of 20 nights",
)
ALARMS = ("27 configurations against 1 (Holm)", "three pairs of scenarios (Holm)")
POWER = ("configuration, 15 blocks, sd 3 %", "population, 27 x 5, sd 8 %")


@pytest.mark.parametrize(
    ("kind", "case"),
    [
        *(("coverage", case) for case in COVERAGE),
        ("exact", "rate 5 %, 135 trials: Clopper-Pearson"),
        *(("false alarm", case) for case in ALARMS),
        *(("power", case) for case in POWER),
    ],
)
def test_a_promise_is_kept(kind: str, case: str) -> None:
    """1,000 campaigns: 93 to 97 % coverage, at most 5 % false alarms, the power that is printed."""
    found = judge(kind, case, 1_000)
    assert found.is_kept, found


def test_the_simulators_truth_is_covered() -> None:
    """600 campaigns of five blocks: on one server the noise-free 1.0, on two the long run.

    Without noise the agents of `dual` load at the same instants; noise takes them out of step and
    makes them faster than the noise-free truth, by more than an interval's half width.
    """
    blocks = simulated_blocks(3_000)
    campaigns = blocks.reshape(600, 5, 2)
    truths = {1: np.log(noise_free("shared")), 0: blocks[:, 0].mean()}
    for which, truth in truths.items():
        found = [t_interval(campaign[:, which]) for campaign in campaigns]
        covered = np.mean([interval.low <= truth <= interval.high for interval in found])
        assert 0.93 <= covered <= 0.97, which
    assert truths[0] > np.log(noise_free("apart"))
