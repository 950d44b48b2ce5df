"""What a table should show, cell by cell, and the comparison with what it shows.

A row of an expected table has one entry for each column: a text that must stand there, a Number
that must, or ANY for words without a number. A cell with a number and no Number expected fails.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dualollama_pipeline_tests.end_to_end.rederive.arithmetic import Interval
from dualollama_pipeline_tests.end_to_end.rederive.headings import HEADINGS

EXACT = 1e-9
ZERO = 1e-12  # what rounding leaves of a difference of equal numbers
ANY = None
LEVEL = 0.95
NUMBERS = ("value", "ci_low", "ci_high", "n")


@dataclass(frozen=True)
class Number:
    """The numbers of one cell; `n` and `found` may be None where the cell has none."""

    found: Interval
    n: int | None = None

    def numbers(self) -> tuple[float | None, ...]:
        return (*self.found, self.n)


@dataclass(frozen=True)
class Words:
    """A text that must stand in a cell, and the smaller one below it."""

    text: str
    detail: str


@dataclass(frozen=True)
class Published:
    """A cell that may show a figure which the report prints: read from its text, not measured."""


Entry = str | Words | Number | Published | None
Row = list[Entry]


def number(value: float | None, n: int | None = None) -> Number:
    return Number(Interval(value), n)


def is_near(found: float | None, expected: float | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return math.isclose(found, expected, rel_tol=EXACT, abs_tol=ZERO)


def as_shown(table: dict[str, Any], rows: Sequence[Row], place: int) -> list[Row]:
    """Put derived rows in the order of the shown ones, where equal numbers leave it open.

    Rows are told apart by their texts and their number in column `place`; what is not shown comes
    last.
    """
    left = list(rows)
    made = []
    for shown in table["rows"]:
        cells = shown["cells"]
        same = [row for row in left if is_same(cells, row, place)]
        if same:
            made.append(same[0])
            left.remove(same[0])
    return [*made, *left]


def is_same(cells: Sequence[dict[str, Any]], row: Row, place: int) -> bool:
    texts = [(c, entry) for c, entry in zip(cells, row, strict=True) if not is_number(entry)]
    entry = row[place]
    return (
        all(has_words(cell, words) for cell, words in texts)
        and isinstance(entry, Number)
        and is_near(cells[place]["value"], entry.found.value)
    )


def is_number(entry: Entry) -> bool:
    return isinstance(entry, Number | Published)


def has_words(cell: dict[str, Any], entry: Entry) -> bool:
    if isinstance(entry, Words):
        return bool(cell["text"] == entry.text and cell["detail"] == entry.detail)
    return entry is ANY or bool(cell["text"] == entry)


def compare(where: str, table: dict[str, Any], rows: Sequence[Row]) -> tuple[int, list[str]]:
    """Return how many numbers were compared, and what differs."""
    labels = [column["label"] for column in table["columns"]]
    shown = [row["cells"] for row in table["rows"]]
    if len(shown) != len(rows):
        return 0, [f"{where}: {len(shown)} rows are shown, {len(rows)} derived"]
    n_compared, wrong = 0, []
    if tuple(labels) != HEADINGS[table["name"]]:
        wrong.append(f"{where}: the columns are {labels}, derived {HEADINGS[table['name']]}")
    for place, (cells, row) in enumerate(zip(shown, rows, strict=True), start=1):
        for label, cell, entry in zip(labels, cells, row, strict=True):
            if isinstance(entry, Number):
                n_compared += sum(each is not None for each in entry.numbers())
            here = f"{where}, row {place} ({cells[0]['text']}), {label}"
            wrong += [f"{here}: {what}" for what in differences(cell, entry)]
    return n_compared, wrong


def differences(cell: dict[str, Any], entry: Entry) -> list[str]:
    """Say what one cell shows and should not, or the other way round."""
    has_interval = cell["ci_low"] is not None or cell["ci_high"] is not None
    wrong = []
    if cell["level"] != (LEVEL if has_interval else None):
        wrong.append(f"the level of its interval is {cell['level']!r}")
    if isinstance(entry, Number):
        expected = dict(zip(NUMBERS, entry.numbers(), strict=True))
        wrong += [
            f"{name} is {cell[name]!r}, derived {value!r}"
            for name, value in expected.items()
            if not is_near(cell[name], value)
        ]
    elif not isinstance(entry, Published):
        wrong += [f"{name} has no derivation" for name in NUMBERS if cell[name] is not None]
        if not has_words(cell, entry):
            wrong.append(f"{cell['text']!r}, {cell['detail']!r} stands there, derived {entry!r}")
    return wrong
