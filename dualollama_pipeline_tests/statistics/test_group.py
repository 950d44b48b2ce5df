"""Samples as arrays give what a frame gives, in an order that does not hang on who came first."""

from __future__ import annotations

import numpy as np

from dualollama_pipeline.statistics.group import Group
from dualollama_pipeline_tests.statistics.campaign import joined, rows

MADE = Group.of(joined(rows("test2", [1.0, 2.0]), rows("test1", [3.0]), rows("test2", [4.0])))


def test_groups_come_in_the_order_of_their_names_and_keep_that_of_their_rows() -> None:
    """A mean over rows in another order has other last digits."""
    found = {name: group["value"].tolist() for name, group in MADE.by("config_id")}
    assert list(found.items()) == [("test1", [3.0]), ("test2", [1.0, 2.0, 4.0])]


def test_codes_stand_for_the_texts_that_are_left() -> None:
    """A stratum without a value has weight 0 and would still change how a sum is rounded."""
    left = MADE.take(MADE["value"] < 3)
    assert left.texts("config_id") == ["test2"]
    assert left.codes("config_id").tolist() == [0, 0]


def test_no_rows_have_no_groups() -> None:
    """Nothing may count: the code of a text that nobody has must not be made up."""
    nothing = MADE.take(np.zeros(4, dtype=bool))
    assert (len(nothing), dict(nothing.by("config_id")), nothing.texts("batch_id")) == (0, {}, [])
