"""A cell's text and its number say the same, and nothing is printed that is not known."""

from __future__ import annotations

import pytest

from dualollama_pipeline.report import cells
from dualollama_pipeline.report.wording import number, probability

NAN = float("nan")


def test_a_number_carries_interval_n_and_unit():
    """Trap: the page shows an interval that summary.json lacks."""
    cell = cells.figure(0.8312, "x", low=0.8299, high=0.8321, n=5, of="blocks")
    assert cell.text == "0.831×"
    assert cell.detail == "95 %: 0.830 to 0.832; n 5 blocks"
    assert (cell.value, cell.ci_low, cell.ci_high, cell.n) == (0.8312, 0.8299, 0.8321, 5)
    assert (cell.unit, cell.level) == ("x", 0.95)


@pytest.mark.parametrize("value", [None, NAN, float("inf")])
def test_what_is_missing_is_its_reason(value):
    """Trap: `nan ms`, or a zero where nothing was measured."""
    cell = cells.figure(value, "ms", n=3, reason="an interval needs 5 blocks")
    assert (cell.text, cell.value, cell.reason) == ("", None, "an interval needs 5 blocks")
    assert cells.figure(value, "ms").reason == cells.NO_REASON


def test_an_interval_that_is_open_on_a_side_says_so():
    """Trap: n supports no upper end, and the lower one is printed as if it were both."""
    cell = cells.figure(1.0, "ms", low=0.5, high=NAN, n=20, remark="not said")
    assert (cell.ci_low, cell.ci_high, cell.level) == (0.5, None, 0.95)
    assert cell.detail == "95 %: at least 0.50, open on the other side; n 20"
    assert cells.figure(1.0, "ms", low=NAN, high=NAN, remark="too few").detail == "too few"


def test_a_ratio_that_is_not_one_is_not_rounded_onto_it():
    """Trap: 0.9996 to 1.0003 printed as 1.000 to 1.000."""
    cell = cells.figure(0.99961, "x", low=0.9990, high=0.99994)
    assert cell.text == "0.9996×"
    assert cell.detail == "95 %: 0.9990 to 0.9999"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (12345.6, "ms", "12,346 ms"),
        (0.01234, "s", "0.0123 s"),
        (-0.0001, "%", "0.00 %"),
        (0.0, "tok/s", "0 tok/s"),
        (4.0, "machines", "4 machines"),
        (250, "", "250"),
    ],
)
def test_numbers_have_three_figures_and_a_unit(value, unit, text):
    """Trap: 1.235e+04, or a minus before a zero."""
    assert number(value, unit) == text


def test_a_small_p_value_is_never_zero():
    """Trap: p = 0.000."""
    assert probability(1e-132) == "below 0.001"
    assert probability(0.0333) == "0.033"
    assert probability(NAN) == "none"


def test_foreign_text_is_one_line_and_bounded():
    """Trap: an error text of a megabyte, with newlines, in a cell."""
    assert cells.words("a\nb").text == "a b"
    assert len(cells.words("x" * 10_000).text) == 300
    assert cells.words(None).text == ""


def test_a_heading_that_ends_in_a_hash_heads_numbers():
    """Trap: text columns are sorted as numbers."""
    table = cells.table("t", "c", ("Name", "Time#"), [[cells.words("a"), cells.count(3, "runs")]])
    assert [column.is_number for column in table.columns] == [False, True]
    assert [column.label for column in table.columns] == ["Name", "Time"]


def test_a_hover_says_all_that_belongs_to_a_number():
    """Trap: three figures on the page, and nowhere the number or how its interval was made."""
    cell = cells.figure(
        0.83124215823, "x", low=0.8299, high=0.8321, n=5, of="blocks", method="t on logs"
    )
    assert cells.hover(cell) == ("0.8312421582 x; 95 %: 0.830 to 0.832; n 5 blocks; t on logs")
    missing = cells.figure(None, "ms", n=3, of="blocks", reason="no block counts")
    assert cells.hover(missing) == "no block counts; n 3 blocks"
