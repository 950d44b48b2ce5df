"""The words follow from the interval's place against 1, and from nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dualollama_pipeline.report.summary import summarize
from dualollama_pipeline_tests.report.hand_made import FASTER, SLOWER, STRADDLING, build


@pytest.mark.parametrize(
    ("speedups", "verdict"),
    [
        (SLOWER, "slower"),
        (FASTER, "faster"),
        (STRADDLING, "no difference shown"),
        (FASTER[:4], "undetermined"),
    ],
)
def test_verdict_follows_the_interval(speedups, verdict):
    """Trap: the point estimate decides, or four good blocks already count as proof."""
    assert summarize(build({"test001": speedups})).verdict == verdict


def test_loss_is_told_as_more_time():
    """Trap: 0.82 told as `18 % slower`: it takes 1 / 0.82 = 1.22 times as long."""
    summary = summarize(build({"test001": SLOWER}))
    assert "takes 22.0 % more time" in summary.explanation[2]


def test_gain_is_told_as_less_time_with_ordered_ends():
    """Trap: the ends of the interval swap when the ratio is turned over."""
    sentence = summarize(build({"test001": FASTER})).explanation[2]
    assert "takes 29.6 % less time" in sentence
    low, high = sentence.split("interval ", 1)[1].split(")")[0].split(" to ")
    assert float(low.rstrip(" %")) < 29.6 < float(high.rstrip(" %"))


def test_no_percentage_without_a_shown_difference():
    """Trap: `0.3 % faster` beside an interval that contains 1."""
    summary = summarize(build({"test001": STRADDLING}))
    assert "contains 1" in summary.explanation[0]
    assert "time" not in summary.explanation[0].split("contains 1")[1]
    assert summary.explanation[2].endswith("; the interval contains no change.")


def test_early_stops_are_counted_and_few_blocks_of_them_doubted():
    """Trap: an interval that covers 90 % is printed as one of 95, without a word."""
    inputs = build({"test001": FASTER})
    assert not any("length limit" in text for text in summarize(inputs).explanation)
    ended = ["stop", "length"] * (len(inputs.calls) // 2)
    stopped = replace(inputs, calls=inputs.calls.assign(done_reason=ended))
    said = summarize(stopped).explanation[-1]
    assert said.startswith(f"{len(ended) // 2} of {len(ended)} answers ended before")
    assert "about 90 % below 15 blocks" in said
    many = build({"test001": FASTER * 3})
    stopped = replace(many, calls=many.calls.assign(done_reason="stop"))
    assert summarize(stopped).explanation[-1].endswith("length limit.")


def test_no_interval_no_number():
    """Trap: the mean of three blocks is printed as the answer."""
    summary = summarize(build({"test001": FASTER[:3]}))
    assert "1.41" not in " ".join(summary.explanation)
    assert "degrees of freedom" in summary.explanation[1]


def test_simulated_answer_is_an_illustration():
    """Trap: a simulator's number reads as a finding about servers."""
    simulated = summarize(build({"test001": FASTER}, origin="simulated"))
    measured = summarize(build({"test001": FASTER}))
    assert simulated.headline.startswith("Simulated illustration")
    assert "illustration" not in measured.headline
    assert "is supported" not in simulated.model_dump_json()


def test_reloading_configurations_are_said_to_stand_apart(slower):
    """Trap: the pooled one-server figure silently speaks for a part of the configurations."""
    blocks = slower.blocks.copy()
    blocks.loc[blocks["config_id"].eq("test001"), "n_reloads"] = 2
    told = summarize(replace(slower, blocks=blocks)).explanation[3]
    assert "In 1 configuration the agents" in told
    assert "reload" not in summarize(slower).explanation[3]
