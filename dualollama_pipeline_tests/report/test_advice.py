"""What to run follows from the verdicts, and simulated numbers advise nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dualollama_pipeline.report.advice import IF_MEASURED, _what_to_run
from dualollama_pipeline.report.summary import summarize
from dualollama_pipeline.report.wording import PAIR
from dualollama_pipeline_tests.report.hand_made import (
    FASTER,
    SLOWER,
    build,
    with_statistics,
)

OTHER = "no difference shown"


@pytest.mark.parametrize(
    ("apart", "shared", "against", "start"),
    [
        ("faster", "slower", "faster", "Run both agents at once, each on its own server"),
        ("faster", "slower", "slower", "Run both agents at once, each on its own server"),
        ("faster", "faster", "faster", "Run both agents at once, each on its own server"),
        ("faster", "faster", "slower", "Run both agents at once on one server: against two"),
        ("faster", "faster", OTHER, "Run both agents at once on one server: against two"),
        ("slower", "faster", "slower", "Run both agents at once on one server; a second"),
        ("slower", "slower", "slower", "Run the agents one after the other; one server is enough"),
        ("slower", "undetermined", "undetermined", "Run the agents one after the other"),
        (OTHER, OTHER, OTHER, "Run the agents one after the other"),
        (OTHER, "undetermined", "undetermined", "Run the agents one after the other"),
        (OTHER, "slower", OTHER, "Run the agents one after the other: nothing shows"),
        ("equivalent", "slower", OTHER, "Run the agents one after the other: both at once are no"),
        ("faster", "faster", "equivalent", "Run both agents at once on one server: against two"),
        ("undetermined", "faster", "faster", "Nothing can be advised yet"),
    ],
)
def test_every_verdict_has_its_advice(apart, shared, against, start):
    """Trap: a loss on two servers is still recommended, or silence where nothing is known."""
    assert _what_to_run(apart, shared, against, PAIR).startswith(start)


def test_simulated_numbers_advise_only_as_if():
    """Trap: someone buys a second GPU because of a simulator."""
    simulated = summarize(build({"test001": FASTER}, origin="simulated")).advice
    measured = summarize(build({"test001": FASTER})).advice
    assert simulated[0] == IF_MEASURED + "run both agents at once, each on its own server."
    assert measured[0] == "Run both agents at once, each on its own server."


def test_the_best_is_named_with_the_places_it_may_have():
    """Trap: the best of two that cannot be told apart is sold as the best."""
    told = summarize(build({"test001": FASTER, "test013": FASTER})).advice[-2]
    assert "n 5 blocks" in told
    assert "any place from 1 to 2 of 2" in told


def test_a_clear_best_is_called_clear():
    """Trap: a real difference is hidden behind caution."""
    told = summarize(build({"test001": FASTER, "test013": SLOWER})).advice[-2]
    assert "test001 " in told
    assert "the first of 2 configurations, clear of the second" in told


def test_without_intervals_no_best_is_named():
    """Trap: three blocks already rank the configurations."""
    assert len(summarize(build({"test001": FASTER[:3], "test013": SLOWER[:3]})).advice) == 2


def test_equivalence_is_said_only_if_it_was_tested():
    """Trap: `costs nothing` because no difference was shown."""
    inputs = build({"test001": SLOWER})
    assert "within 2 %" not in " ".join(summarize(inputs).advice)
    blocks = inputs.blocks.copy()
    blocks.loc[blocks["arm"].eq("shared"), "weighted_speedup"] = [
        0.999, 0.9985, 0.9988, 0.9992, 0.9989,
    ]  # fmt: skip
    with_single = with_statistics(replace(inputs, blocks=blocks), with_contrasts=True)
    summary = summarize(with_single)
    assert "as fast as one after the other, within 2 %" in " ".join(summary.advice)
    said = " ".join(summary.explanation)  # the same word: its interval lies wholly below 1
    assert "Both agents on one server are as fast as one after the other, within 2 %" in said
    assert "Both agents on one server are slower" not in said


def _reloading(inputs, *config_ids: str):
    """Let the one server reload the model for 2, 4 and 9 s in a block of these configurations."""
    blocks = inputs.blocks.copy()
    blocks.loc[blocks["config_id"].isin(config_ids), "n_reloads"] = 1
    calls = inputs.calls.copy()
    mine = calls.index[calls["config_id"].isin(config_ids)][:3]
    calls.loc[mine, ["arm", "is_reload"]] = ["shared", True]
    calls.loc[mine, "load_ms"] = [2000.0, 4000.0, 9000.0]
    return with_statistics(replace(inputs, blocks=blocks, calls=calls), with_contrasts=True)


def test_one_server_is_enough_only_where_nothing_reloads():
    """Trap: turns on one server may load the model at each change, which no arm has measured."""
    told = summarize(build({"test001": SLOWER, "test013": SLOWER})).advice
    assert "load" not in " ".join(told)
    inputs = _reloading(build({"test001": SLOWER, "test013": SLOWER}), "test001")
    blocks = inputs.blocks.copy()
    blocks.loc[blocks["arm"].eq("shared"), "weighted_speedup"] = [
        0.99, 0.991, 0.992, 0.993, 0.994,
    ] * 2  # fmt: skip
    told = summarize(with_statistics(replace(inputs, blocks=blocks), with_contrasts=True)).advice
    assert told[0].endswith("a second does not pay, where no model has to be loaded again.")
    (apart,) = [line for line in told if line.startswith("In 1 of 2 configurations")]
    assert "(median 4.0 s)" in apart
    assert "0.820× to 0.820× in 1 group of equal options" in apart


def test_where_all_reload_nothing_is_said_of_one_server():
    """Trap: `one server is enough` from a figure that no configuration has."""
    told = summarize(_reloading(build({"test001": SLOWER}), "test001")).advice
    assert told[0] == "Run the agents one after the other."
    assert told[1].startswith("In 1 of 1 configurations")


def test_an_accidental_load_is_not_a_configuration_that_reloads():
    """Trap: one expired model of five blocks, and its configuration stands apart for ever."""
    inputs = _reloading(build({"test001": SLOWER, "test013": SLOWER}), "test001")
    blocks = inputs.blocks.copy()
    blocks.loc[blocks["block"].ne(1), "n_reloads"] = 0
    inputs = with_statistics(replace(inputs, blocks=blocks), with_contrasts=True)
    assert "load" not in " ".join(summarize(inputs).advice)


def test_an_advice_for_two_servers_needs_no_such_bound():
    """Trap: `each on its own server, where no model has to be loaded` is the wrong way round."""
    told = summarize(_reloading(build({"test001": FASTER, "test013": FASTER}), "test001")).advice
    assert told[0] == "Run both agents at once, each on its own server."


@pytest.mark.parametrize(("mode", "is_said"), [("queued", True), ("batched", False)])
def test_where_the_one_server_queued_its_slots_are_named(mode, is_said):
    """Trap: a second server is kept because the one had a single slot, which is a default."""
    inputs = build({"test001": FASTER})
    told = " ".join(summarize(replace(inputs, runs=inputs.runs.assign(shared_mode=mode))).advice)
    assert ("one after the other in 5 of 5 trials" in told) is is_said
    assert ("Start it with `OLLAMA_NUM_PARALLEL=2` and measure again" in told) is is_said


def test_without_a_verdict_there_is_one_sentence():
    """Trap: `nothing can be advised yet`, and then an advice."""
    told = summarize(_reloading(build({"test001": SLOWER[:2]}), "test001")).advice
    assert len(told) == 1
    assert told[0].startswith("Nothing can be advised yet")
