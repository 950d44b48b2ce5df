"""The figures as data: value as printed, found by subject, metric, statistic; bad lines named."""

from __future__ import annotations

from pathlib import Path

import pytest

from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.tables.conform import conform
from dualollama_pipeline.tr114.audit.figures import COLUMNS, Figures, load_figures

HEAD = ",".join(COLUMNS)
GOOD = "C1,3.1,226,population,efficiency,mean,98.280,%,,a note"


def test_every_figure_is_there_and_fits_its_table(figures: Figures) -> None:
    table = conform("published_figures", figures.table())
    assert len(table) == 630
    assert list(Figures.from_table(table)) == list(figures)


def test_values_keep_their_zeros(figures: Figures) -> None:
    """As a number 99.80 would lose what its last digit is worth."""
    assert figures.first("test200", "efficiency", "peak").value == "99.80"
    assert figures.number("test200", "efficiency", "peak") == 99.8


def test_selection_is_by_subject_metric_and_statistic(figures: Figures) -> None:
    found = figures.select("population", "efficiency", "std")
    assert len(found) == 5
    assert {figure.value for figure in found} == {"4.9"}


def test_a_figure_that_is_not_printed_is_named(figures: Figures) -> None:
    with pytest.raises(InputError, match=r"subject = 'test999'.*metric = 'efficiency'"):
        figures.first("test999", "efficiency", "mean")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{HEAD}\n{GOOD}\n{GOOD}\n", "'C1' appears twice"),
        (f"{HEAD}\n{GOOD.replace('226', 'x')}\n", "line 2: line = 'x'"),
        (f"{HEAD}\n{GOOD.replace('98.280', '')}\n", "value is empty"),
        (f"{HEAD}\n{GOOD.replace('%,,', '%,about,')}\n", "bound = 'about'"),
        (f"{HEAD}\nC1,3.1\n", "it has not 10 fields"),
        (f"{HEAD}\n{GOOD},more\n", "it has not 10 fields"),
        ("a,b\n1,2\n", "the columns are"),
        ("", "the columns are"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "figures.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=said):
        load_figures(path)


def test_a_missing_file_has_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"restore data/published/figures\.csv"):
        load_figures(tmp_path / "figures.csv")
