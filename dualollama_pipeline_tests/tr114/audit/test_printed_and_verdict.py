"""Printed values and tolerances: the trap is a verdict that depends on binary fractions."""

from __future__ import annotations

import pytest

from dualollama_pipeline.tr114.audit.figures import Figure
from dualollama_pipeline.tr114.audit.printed import Printed
from dualollama_pipeline.tr114.audit.rule import arithmetic, from_runs
from dualollama_pipeline.tr114.audit.verdict import Recomputed, Way, judge


def figure(value: str, bound: str = "", statistic: str = "mean") -> Figure:
    return Figure("X", "3.1", 1, "population", "efficiency", statistic, value, "%", bound, "")


@pytest.mark.parametrize(
    ("text", "low", "high", "decimals", "zeros"),
    [
        ("99.80", 99.80, 99.80, 2, 1),
        ("2.000", 2.0, 2.0, 3, 3),
        ("400", 400.0, 400.0, 0, 0),
        ("~45", 45.0, 45.0, 0, 0),
        ("-67", -67.0, -67.0, 0, 0),
        ("3-4", 3.0, 4.0, 0, 0),
        ("0.18-0.38", 0.18, 0.38, 2, 0),
        ("-10-14", -10.0, -14.0, 0, 0),
    ],
)
def test_values_are_read_as_printed(
    text: str, low: float, high: float, decimals: int, zeros: int
) -> None:
    """A zero of 400 is no padding; `-10-14` is two negative ends, not -10 to 14."""
    assert Printed.parse(text) == Printed(low, high, decimals, zeros)


@pytest.mark.parametrize("text", ["right", "120/140", "0.1.17", "", "asyncio vs Tokio", "1e3"])
def test_words_are_no_numbers(text: str) -> None:
    with pytest.raises(ValueError, match="no printed number"):
        Printed.parse(text)


@pytest.mark.parametrize(
    ("printed", "value", "word"),
    [
        ("98.281", 98.2811, "reproduced"),
        ("0.40", 0.396, "reproduced"),  # 0.4 units
        ("97.41", 97.405, "reproduced"),  # exactly half a unit, whatever binary says
        ("15.2", 15.301, "rounding"),  # 1.01 units
        ("15.2", 15.306, "contradicted"),  # 1.06 units
        (
            "99.990",
            99.992,
            "rounding",
        ),  # 2 units of the last digit, 0.2 of the last that is no zero
        ("99.991", 99.993, "contradicted"),  # no zero to take off
        ("4.9", 3.8548, "contradicted"),
        ("88.9", 96.72, "contradicted"),
    ],
)
def test_tolerances_of_the_method(printed: str, value: float, word: str) -> None:
    assert judge(figure(printed), from_runs("runs", value)).word == word


def test_what_contradicts_depends_on_the_basis() -> None:
    """By its own arithmetic a report is inconsistent; by its runs it is contradicted."""
    assert judge(figure("64"), arithmetic("sum", 53.75)).word == "internally inconsistent"
    assert judge(figure("64"), from_runs("runs", 53.75)).word == "contradicted"


def test_counts_are_never_off_by_rounding() -> None:
    """Rank 4 for rank 3 is within 1.05 units, and wrong all the same."""
    assert judge(figure("4", statistic="rank"), from_runs("place", 3)).word == "contradicted"
    assert judge(figure("3", statistic="count <95"), from_runs("n", 4)).word == "contradicted"
    assert judge(figure("3", statistic="rank"), from_runs("place", 3)).word == "reproduced"


def test_the_stated_convention_decides_and_another_is_only_named() -> None:
    """A figure is not right because one of many ways to compute it happens to fit."""
    finding = from_runs("sd", Way(4.0, "ddof 1"), Way(3.6, "ddof 0"))
    verdict = judge(figure("3.6"), finding)
    assert (verdict.word, verdict.convention, verdict.recomputed) == ("contradicted", "ddof 1", 4.0)
    assert verdict.explanation.endswith("sd: 4 (ddof 1); 3.6 (ddof 0)")


def test_both_ends_of_a_range_count() -> None:
    """0.3-0.6 is not reproduced by 0.3 to 0.76."""
    assert judge(figure("0.3-0.6"), arithmetic("x", Way(0.3, high=0.633))).word == "reproduced"
    wrong = judge(figure("0.3-0.6"), arithmetic("x", Way(0.3, high=0.76)))
    assert (wrong.word, wrong.recomputed_high) == ("internally inconsistent", 0.76)
    assert judge(figure("1-2"), arithmetic("x", 0.39)).word == "internally inconsistent"


@pytest.mark.parametrize(
    ("bound", "value", "holds"),
    [
        ("at_least", 50.0, True),
        ("at_least", 49.0, False),
        ("above", 50.0, False),
        ("above", 50.1, True),
        ("at_most", 50.0, True),
        ("below", 50.0, False),
        ("below", 12.0, True),
    ],
)
def test_a_bound_holds_however_far_the_value_is(bound: str, value: float, holds: bool) -> None:
    """`50+ runs` is right with 80; `below 50 %` is wrong with 50."""
    word = judge(figure("50", bound), from_runs("n", value)).word
    assert word == ("reproduced" if holds else "contradicted")


def test_rounded_inputs_leave_slack() -> None:
    """50 x 1.9777 is 98.885 +- 0.0025: 98.88 is within half a unit of that."""
    tight = judge(figure("98.88"), arithmetic("x", 98.8865))
    slack = judge(figure("98.88"), arithmetic("x", Way(98.8865, slack=0.0025)))
    assert (tight.word, slack.word) == ("rounding", "reproduced")


def test_a_statement_needs_no_number() -> None:
    held = judge(figure("right"), Recomputed("imported runs", "skewness -7", holds=False))
    assert (held.word, held.explanation) == ("contradicted", "skewness -7")
