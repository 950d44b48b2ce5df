"""Whole distributions: the drawn shares are those of the values."""

from __future__ import annotations

import numpy as np
import pytest

from dualollama_pipeline.report.plots.cumulative import Sample, draw_cumulative, is_wide


def test_half_of_the_values_lie_at_or_below_the_median():
    """Trap: shares and values are drawn against each other the wrong way round."""
    (axes,) = draw_cumulative([Sample("alone", np.array([1.0, 2.0, 3.0, 4.0]))], "ms").axes
    values, shares = axes.lines[0].get_data()
    assert list(shares) == [0, 25, 50, 75, 100]
    assert list(values) == [1, 1, 2, 3, 4]


@pytest.mark.parametrize(("largest", "scale"), [(19.0, "linear"), (21.0, "log")])
def test_only_a_wide_range_gets_a_logarithmic_axis(largest, scale):
    """Trap: values from 9.7 to 25 on a logarithmic axis show a single tick."""
    samples = [Sample("a", np.array([2.0, 3.0])), Sample("b", np.array([2.5, largest]))]
    (axes,) = draw_cumulative(samples, "ms").axes
    assert axes.get_xscale() == scale
    assert is_wide(samples) == (scale == "log")


def test_series_differ_by_dash():
    """Trap: in grey, the arms are one line."""
    samples = [Sample(name, np.array([1.0, 2.0])) for name in ("a", "b", "c")]
    (axes,) = draw_cumulative(samples, "ms").axes
    assert len({str(line.get_linestyle()) + str(line._dash_pattern) for line in axes.lines}) == 3
