"""The states that a reader may meet, each as a report: nothing, little, much, long, foreign."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from dualollama_pipeline.report.evidence import recorded
from dualollama_pipeline.report.inputs import ReportInputs
from dualollama_pipeline.report.pair import choose_block, pair_of
from dualollama_pipeline.report.sections.contents import SECTIONS
from dualollama_pipeline.report.summary import Report, compose
from dualollama_pipeline.tables.build import build_tables
from dualollama_pipeline.tables.rows import plain_rows
from dualollama_pipeline_tests.report.hand_made import (
    FASTER,
    HOSTILE,
    SLOWER,
    build,
    with_statistics,
)
from dualollama_pipeline_tests.tables.journals import SOLO_A, block_of, failed, journal, trial

LONG = "a_name_without_any_space_that_is_longer_than_the_column_it_stands_in_by_far"
FOREIGN = f"مرحبا بالعالم 你好，世界 👩‍👩‍👧 {'文' * 90} {HOSTILE}"


def of_a_journal() -> ReportInputs:
    """Two blocks; in the second, the collector alone fails first, with a text that means harm."""
    where = {"url": "http://x", "model": "m", "phase": "waiting"}
    bad = failed(failure={"kind": "server_error", "text": FOREIGN, **where})
    first, *others = block_of(2)
    again = first.model_copy(update={"attempt": 2})
    made = journal([*block_of(1), trial(SOLO_A, 2, [bad]), again, *others])
    made.path = made.path.parent / "journals" / "test1" / "batch1.jsonl"
    tables = build_tables(made)
    choice = choose_block(plain_rows(tables.block_table))
    assert choice is not None
    return with_statistics(
        replace(
            build({}),
            blocks=tables.block_table,
            runs=tables.run_table,
            calls=tables.call_table,
            pair=pair_of(made, choice),
            recorded={"test1": recorded(made, made.path.parents[2])},
            toml={"test1": '[agents]\nmodel = "m:1b"\n'},
        ),
        with_contrasts=True,
    )


def _nothing_valid() -> ReportInputs:
    inputs = build({"test001": SLOWER, "test013": SLOWER})
    return with_statistics(
        replace(
            inputs,
            blocks=inputs.blocks.assign(
                counts=False, validity="INVALID", exclusion_reason=f"apart: failed {FOREIGN}"
            ),
            runs=inputs.runs.assign(
                validity="INVALID", validity_reasons="warm: the model was loaded inside a call"
            ),
        )
    )


def _with_long_names() -> ReportInputs:
    inputs = build({LONG: FASTER, f"{LONG}_2": SLOWER})
    calls = inputs.calls.assign(model=f"{LONG}:{LONG}", agent=inputs.calls["agent"] + "_" + LONG)
    return replace(inputs, calls=calls, missing={f"{LONG}_3": "not measured"})


def of_one_agent() -> ReportInputs:
    """One agent: there is nobody to compare it with."""
    inputs = build({"test001": SLOWER})
    calls = inputs.calls[inputs.calls["agent"].eq("collector")]
    return with_statistics(
        replace(
            inputs,
            blocks=inputs.blocks.iloc[:0],
            runs=inputs.runs.assign(n_agents=1, arm=SOLO_A),
            calls=calls.assign(arm=SOLO_A),
        )
    )


def states() -> dict[str, Report]:
    """Return each state by its name."""
    foreign = of_a_journal()
    made = {
        "many": build({f"test{n:03}": SLOWER for n in range(27)}, origin="simulated"),
        "one": build({"test001": FASTER}),
        "alone": of_one_agent(),
        "one-block": build({"test001": SLOWER[:1]}),
        "nothing": _nothing_valid(),
        "unmeasured": build({}, missing={"test001": "not measured yet"}),
        "long": _with_long_names(),
        "foreign": replace(foreign, calls=_said(foreign.calls)),
    }
    return {name: compose(inputs, SECTIONS) for name, inputs in made.items()}


def _said(calls: pd.DataFrame) -> pd.DataFrame:
    return calls.assign(model=FOREIGN, failure_text=FOREIGN, failure_kind="server_error")
