"""What to run follows from the verdicts, and simulated numbers advise nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dualollama_pipeline.report.advice import IF_MEASURED, _what_to_run
from dualollama_pipeline.report.summary import summarize
from dualollama_pipeline_tests.report.hand_made import (
    FASTER,
    SLOWER,
    STRADDLING,
    build,
    with_statistics,
)

OTHER = "no difference shown"


@pytest.mark.parametrize(
    ("dual", "single", "against", "start"),
    [
        ("faster", "slower", "faster", "Run both agents at once, each on its own server."),
        ("faster", "slower", "slower", "Run both agents at once, each on its own server."),
        ("faster", "faster", "faster", "Run both agents at once, each on its own server."),
        ("faster", "faster", "slower", "Run both agents at once on one server: against two"),
        ("faster", "faster", OTHER, "Run both agents at once on one server: against two"),
        ("slower", "faster", "slower", "Run both agents at once on one server; a second"),
        ("slower", "slower", "slower", "Run the agents one after the other"),
        (OTHER, OTHER, OTHER, "Run the agents one after the other"),
        (OTHER, "undetermined", "undetermined", "Run the agents one after the other"),
        (OTHER, "slower", OTHER, "Run the agents one after the other: nothing shows"),
        ("undetermined", "faster", "faster", "Nothing can be advised yet"),
    ],
)
def test_every_verdict_has_its_advice(dual, single, against, start):
    """Trap: a loss on two servers is still recommended, or silence where nothing is known."""
    assert _what_to_run(dual, single, against).startswith(start)


def test_simulated_numbers_advise_only_as_if():
    """Trap: someone buys a second GPU because of a simulator."""
    simulated = summarize(build({"test001": FASTER}, origin="simulated")).advice
    measured = summarize(build({"test001": FASTER})).advice
    assert simulated[0] == IF_MEASURED + "run both agents at once, each on its own server."
    assert measured[0] == "Run both agents at once, each on its own server."


def test_the_best_is_named_with_the_places_it_may_have():
    """Trap: the best of two that cannot be told apart is sold as the best."""
    told = summarize(build({"test001": FASTER, "test013": FASTER})).advice[-1]
    assert "n 5 blocks" in told
    assert "any place from 1 to 2 of 2" in told


def test_a_clear_best_is_called_clear():
    """Trap: a real difference is hidden behind caution."""
    told = summarize(build({"test001": FASTER, "test013": SLOWER})).advice[-1]
    assert "test001 " in told
    assert "the first of 2 configurations, clear of the second" in told


def test_without_intervals_no_best_is_named():
    """Trap: three blocks already rank the configurations."""
    assert len(summarize(build({"test001": FASTER[:3], "test013": SLOWER[:3]})).advice) == 1


def test_equivalence_is_said_only_if_it_was_tested():
    """Trap: `costs nothing` because no difference was shown."""
    inputs = build({"test001": STRADDLING})
    assert "margin" not in " ".join(summarize(inputs).advice)
    blocks = inputs.blocks.copy()
    blocks["single_true_speedup"] = [0.999, 0.9985, 0.9988, 0.9992, 0.9989]
    with_single = with_statistics(replace(inputs, blocks=blocks), with_contrasts=True)
    assert "within the tested margin of 2 %" in " ".join(summarize(with_single).advice)
