"""The Summary takes numbers over as they are, and a missing one never becomes zero."""

from __future__ import annotations

import json
from dataclasses import replace

import pandas as pd
import pytest
from pydantic import ValidationError

from dualollama_pipeline.metrics.catalog import APART_SPEEDUP, Key
from dualollama_pipeline.report.model import Summary, find
from dualollama_pipeline.report.summary import summarize
from dualollama_pipeline.statistics.samples import of_key
from dualollama_pipeline_tests.report.hand_made import HOSTILE, SLOWER, build


def _of(summary, config_id):
    return next(each for each in summary.configurations if each.config_id == config_id)


def test_numbers_are_those_of_the_statistics(slower):
    """Trap: the report averages anew and differs from the tables in the third digit."""
    summary = summarize(slower)
    table = of_key(slower.population_statistics, APART_SPEEDUP).iloc[0]
    shown = find(summary.population, APART_SPEEDUP)
    assert (shown.value, shown.ci_low, shown.ci_high) == (
        table["value"],
        table["ci_low"],
        table["ci_high"],
    )
    assert (shown.n, shown.n_left_out, shown.n_configurations) == (10, 0, 2)
    assert shown.batches == ("night1",)


def test_nan_becomes_null_with_its_reason():
    """Trap: NaN in JSON (which no parser must accept), or a null that reads as zero."""
    summary = summarize(build({"test001": SLOWER[:3]}))
    text = summary.model_dump_json()
    assert "NaN" not in text
    estimate = find(_of(summary, "test001").estimates, APART_SPEEDUP)
    assert estimate.value == pytest.approx(0.81, abs=1e-4)
    assert estimate.ci_low is None
    assert "needs 5 blocks" in estimate.null_reason
    unmeasured = find(_of(summary, "test001").estimates, Key("throughput_scaling", "apart"))
    assert unmeasured.value is None
    assert unmeasured.null_reason


def test_summary_survives_its_own_json(with_invalid_block):
    """Trap: a field that can be written but not read back by whoever uses summary.json."""
    summary = summarize(with_invalid_block)
    assert Summary.model_validate_json(summary.model_dump_json()) == summary
    assert json.loads(summary.model_dump_json())["schema_version"] == 3


def test_unknown_field_is_refused(summary):
    """Trap: a misspelt field passes unseen."""
    content = summary.model_dump() | {"headlin": "faster"}
    with pytest.raises(ValidationError, match="headlin"):
        Summary.model_validate(content)


def test_invalid_block_is_counted_and_named(with_invalid_block):
    """Trap: a block that was left out vanishes from the report."""
    found = _of(summarize(with_invalid_block), "test013")
    assert (found.validity.n_invalid, found.validity.n_left_out["apart"]) == (1, 1)
    (note,) = found.notes
    assert (note.block, note.validity, note.left_out_of) == (3, "INVALID", ("apart", "shared"))
    assert find(found.estimates, APART_SPEEDUP).n_left_out == 1


def test_foreign_text_is_one_line(with_invalid_block):
    """Trap: a newline of a server's answer starts a heading in report.md."""
    summary = summarize(with_invalid_block)
    assert "\n" in HOSTILE
    assert all("\n" not in failure.example for failure in summary.provenance.failures)


def test_one_simulated_row_makes_the_report_simulated(slower, simulated):
    """Trap: 9 measured rows hide one simulated row."""
    calls = pd.concat([slower.calls, simulated.calls.head(1)], ignore_index=True)
    summary = summarize(replace(slower, calls=calls))
    assert summary.origin == "simulated"
    assert summary.origins == ("measured", "simulated")
    assert "SIMULATED" in summary.title


def test_measured_report_does_not_call_itself_simulated(slower):
    """Trap: a banner that is always there is read by nobody."""
    summary = summarize(slower)
    assert (summary.origin, summary.origins) == ("measured", ("measured",))
    text = " ".join((summary.title, summary.headline, *summary.explanation))
    assert "simulat" not in text.lower()


def test_missing_and_equal_configurations_are_kept(slower):
    """Trap: 2 of 27 configurations look like a whole study."""
    summary = summarize(
        replace(
            slower, missing={"test099": "not measured yet"}, equal_groups=(("test013", "test200"),)
        )
    )
    assert summary.missing == {"test099": "not measured yet"}
    assert _of(summary, "test013").equal_to == ("test200",)
    assert _of(summary, "test001").equal_to == ()


def test_statuses_add_up(with_invalid_block):
    """Trap: a failed call is in neither column."""
    calls = summarize(with_invalid_block).provenance.calls
    assert (calls.n, calls.ok, calls.failed) == (20, 19, 1)
    assert calls.n == calls.ok + calls.failed + calls.interrupted + calls.skipped


def test_options_are_described_by_what_was_asked(summary):
    """Trap: an option that was not sent reads as `nan GPU layers`."""
    words = {agent.agent: agent.options for agent in _of(summary, "test001").agents}
    assert words == {"collector": "server defaults", "insight": "80 layers, context 512"}
