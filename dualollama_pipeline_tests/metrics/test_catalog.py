"""The catalog: each metric once, with a column that exists and a unit that its name carries."""

from __future__ import annotations

import pytest

from dualollama_pipeline.metrics.catalog import BY_NAME, METRICS, Metric

# the ends of column names, and the unit that they stand for
UNITS = {"_ms": "ms", "_pct": "%", "_tok_per_s": "tok/s", "_s": "s"}


def test_names_are_unique() -> None:
    """Of two metrics with one name, BY_NAME would keep the last."""
    assert len(BY_NAME) == len(METRICS)
    assert all(BY_NAME[metric.name] is metric for metric in METRICS)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_metric_is_told_in_full(metric: Metric) -> None:
    """A number without unit, formula or meaning is not printed."""
    assert all([metric.label, metric.unit, metric.formula, metric.meaning])
    name = metric.name.removesuffix("_delta")
    ending = next((end for end in ("_tok_per_s", *UNITS) if f"_{name}".endswith(end)), None)
    assert metric.unit == (UNITS[ending] if ending else "x")


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_only_what_cannot_be_negative_is_averaged_as_a_ratio(metric: Metric) -> None:
    """The logarithm of a signed difference does not exist."""
    signed = "delta" in metric.name or "minus" in metric.name
    assert not (signed and metric.scale == "ratio")
    # the mean of a share that may be 0 has no logarithm either
    assert (metric.table != "run_table" and metric.upper is None) == (metric.scale == "ratio")


def test_the_reports_figures_never_pass_for_a_speedup_of_ours() -> None:
    """METHOD section 1: kept under their own name, beside the true one."""
    assert "report" in BY_NAME["balance_speedup"].label
    assert BY_NAME["balance_speedup"].table == "run_table"
    assert BY_NAME["true_speedup"].arms == ("apart", "shared")
