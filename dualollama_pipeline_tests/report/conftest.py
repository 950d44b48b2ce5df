"""Inputs that several tests share, made once: a test that changes a table changes a copy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dualollama_pipeline.report.summary import summarize
from dualollama_pipeline_tests.report.hand_made import HOSTILE, SLOWER, build, with_statistics


@pytest.fixture(scope="session")
def slower():
    """Two measured configurations that lose."""
    return build({"test001": SLOWER, "test013": SLOWER})


@pytest.fixture(scope="session")
def simulated():
    """The same, simulated."""
    return build({"test001": SLOWER, "test013": SLOWER}, origin="simulated")


@pytest.fixture(scope="session")
def with_invalid_block(slower):
    """Block 3 of test013 is INVALID: its call failed with a text that means harm."""
    blocks, calls = slower.blocks.copy(), slower.calls.copy()
    bad = blocks["config_id"].eq("test013") & blocks["block"].eq(3)
    blocks.loc[bad, "status"] = "failed"
    blocks.loc[bad, "validity"] = "INVALID"
    blocks.loc[bad, "counts"] = False
    blocks.loc[bad, "exclusion_reason"] = f"apart: collector analysis failed {HOSTILE}"
    bad = calls["config_id"].eq("test013") & calls["block"].eq(3) & calls["agent"].eq("collector")
    calls.loc[bad, "status"] = "failed"
    calls.loc[bad, "failure_kind"] = "server_error"
    calls.loc[bad, "failure_text"] = HOSTILE
    calls.loc[calls["agent"].eq("collector"), "model"] = HOSTILE
    return with_statistics(replace(slower, blocks=blocks, calls=calls))


@pytest.fixture(scope="session")
def summary(slower):
    """The summary of the measured inputs."""
    return summarize(slower)
