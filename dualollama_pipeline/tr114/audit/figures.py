"""The report's printed figures as data: read, checked, and found by subject, metric, statistic."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.tr114.audit.printed import Printed
from dualollama_pipeline.tr114.schemas_published import BOUNDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COLUMNS = (
    "claim_id",
    "section",
    "line",
    "subject",
    "metric",
    "statistic",
    "value",
    "unit",
    "bound",
    "note",
)


@dataclass(frozen=True)
class Figure:
    """One printing of one figure; `value` is the text as printed."""

    claim_id: str
    section: str
    line: int
    subject: str
    metric: str
    statistic: str
    value: str
    unit: str
    bound: str
    note: str

    @property
    def printed(self) -> Printed:
        """The value as numbers with their last digit; raises ValueError if it is words."""
        return Printed.parse(self.value)

    @property
    def number(self) -> float:
        """The value, where a single number is printed."""
        return self.printed.low


@dataclass(frozen=True)
class Figures:
    """All printed figures, in the order of the report's text."""

    all: tuple[Figure, ...]

    def __iter__(self) -> Iterator[Figure]:
        return iter(self.all)

    def __len__(self) -> int:
        return len(self.all)

    def select(
        self, subject: str | None = None, metric: str | None = None, statistic: str | None = None
    ) -> tuple[Figure, ...]:
        """Return the printings that match what is given, in the order of the text."""
        return tuple(
            figure
            for figure in self.all
            if (subject is None or figure.subject == subject)
            and (metric is None or figure.metric == metric)
            and (statistic is None or figure.statistic == statistic)
        )

    def first(self, subject: str, metric: str, statistic: str) -> Figure:
        """Return the first printing.

        Raises:
            InputError: the report prints no such figure.
        """
        found = self.select(subject, metric, statistic)
        if not found:
            raise InputError(
                f"no published figure has subject = {subject!r}, metric = {metric!r}, "
                f"statistic = {statistic!r}",
                "see data/published/figures.csv for those that exist",
            )
        return found[0]

    def number(self, subject: str, metric: str, statistic: str) -> float:
        """Return the first printing's value as a number."""
        return self.first(subject, metric, statistic).number

    def table(self) -> pd.DataFrame:
        """Lay the figures out as `published_figures`, a row for each printing."""
        rows = [{"origin": "published", **vars(figure)} for figure in self.all]
        return pd.DataFrame(rows)

    @classmethod
    def from_table(cls, published_figures: pd.DataFrame) -> Figures:
        """Return the figures of the table `published_figures`."""
        rows = published_figures[list(COLUMNS)].to_dict("records")
        return cls(tuple(_figure({str(k): v for k, v in row.items()}) for row in rows))


def _figure(row: dict[str, object]) -> Figure:
    texts = {name: str(row[name]) for name in COLUMNS if name != "line"}
    return Figure(line=int(str(row["line"])), **texts)


def load_figures(path: Path) -> Figures:
    """Read `data/published/figures.csv`.

    Raises:
        InputError: it cannot be read, or a row is wrong; names line, field and value.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            if tuple(reader.fieldnames or ()) != COLUMNS:
                raise InputError(
                    f"{path}: the columns are {reader.fieldnames}, wanted {list(COLUMNS)}",
                    "restore data/published/figures.csv",
                )
            figures = tuple(_checked(path, reader.line_num, row) for row in reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path}: cannot read the published figures ({error})",
            "restore data/published/figures.csv",
        ) from error
    seen: dict[str, Figure] = {}
    for figure in figures:
        if seen.setdefault(figure.claim_id, figure) is not figure:
            raise InputError(
                f"{path}: claim_id {figure.claim_id!r} appears twice", "give each printing one name"
            )
    return Figures(figures)


def _checked(path: Path, line: int, row: dict[str | None, str]) -> Figure:
    where = f"{path} line {line}"
    if None in row or None in row.values():
        raise InputError(f"{where}: it has not {len(COLUMNS)} fields", "correct that line")
    if not row["line"].isdecimal() or int(row["line"]) < 1:
        raise InputError(f"{where}: line = {row['line']!r} is no line number", "correct it")
    if row["bound"] not in BOUNDS:
        raise InputError(f"{where}: bound = {row['bound']!r}", f"use one of {BOUNDS}")
    for name in ("claim_id", "subject", "metric", "statistic", "value"):
        if not row[name].strip():
            raise InputError(f"{where}: {name} is empty", "correct that line")
    return _figure({str(key): value for key, value in row.items()})
