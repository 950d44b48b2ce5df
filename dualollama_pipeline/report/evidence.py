"""What one configuration's numbers rest on: its blocks, and every call with its stamps.

Too much for summary.json, which has the estimates: it is in the tables and in the journal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from dualollama_pipeline.core.study import TOGETHER
from dualollama_pipeline.core.units import MS_PER_S, NS_PER_S
from dualollama_pipeline.report import cells, prose
from dualollama_pipeline.report.lanes import lanes_of, trials_of
from dualollama_pipeline.report.model import Cell, TableRow
from dualollama_pipeline.report.pair import choose_block
from dualollama_pipeline.report.plots.timeline import timeline, timeline_in_words
from dualollama_pipeline.report.wording import arm_in_words, shorten
from dualollama_pipeline.tables.rows import Row, grouped, plain_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dualollama_pipeline.core.records import CallRecord, TrialRecord
    from dualollama_pipeline.report.inputs import ReportInputs
    from dualollama_pipeline.report.model import ConfigurationSummary, Summary, Table
    from dualollama_pipeline.worker.journal import Journal

BLOCK = (
    "origin", "batch_id", "block", "arm", "counts", "validity", "exclusion_reason", "null_reason",
    "n_reloads", "weighted_speedup", "true_speedup",
)  # fmt: skip
RUN = ("trial_id", "attempt", "block", "arm", "wall_s", "validity", "validity_reasons")
CALL = ("trial_id", "attempt", "agent", "stage", "ttft_ms")
NONE = "–"
CALL_LABELS = (
    "Trial", "Agent: call", "Sent#", "First piece#", "Last piece#", "End#", "TTFT#", "Tokens#",
    "Ended",
)  # fmt: skip


@dataclass(frozen=True)
class Recorded:
    """What a journal holds of its trials, without their texts; `path` is below the warehouse.

    Of the arrivals of each call the first and the last alone are kept.
    """

    path: str
    trials: tuple[TrialRecord, ...]


def recorded(journal: Journal, warehouse: Path) -> Recorded:
    """Keep of a journal what is shown of it."""
    return Recorded(
        path=journal.path.relative_to(warehouse).as_posix(),
        trials=tuple(
            trial.model_copy(update={"calls": tuple(map(_stamps_alone, trial.calls))})
            for trial in journal.trials
        ),
    )


def _stamps_alone(call: CallRecord) -> CallRecord:
    ends = tuple(dict.fromkeys((*call.chunk_ns[:1], *call.chunk_ns[-1:])))
    return call.model_copy(update={"chunk_ns": ends, "text": "", "thinking": ""})


class Evidence(NamedTuple):
    """One configuration's: a title, where it lies, a block in time as `<svg>`, and its tables."""

    config_id: str
    title: str
    where: str
    drawing: str
    caption: str
    tables: tuple[Table, ...]


def gather_evidence(inputs: ReportInputs, summary: Summary) -> tuple[Evidence, ...]:
    """Lay out the evidence of every configuration of the summary."""
    blocks, runs, ttfts_ms = (
        grouped(plain_rows(table[["config_id", *columns]]), "config_id")
        for table, columns in ((inputs.blocks, BLOCK), (inputs.runs, RUN), (inputs.calls, CALL))
    )
    return tuple(
        _evidence(
            each,
            blocks.get((each.config_id,), []),
            {tuple(map(run.get, RUN[:2])): run for run in runs.get((each.config_id,), [])},
            {
                tuple(map(row.get, CALL[:4])): row["ttft_ms"]
                for row in ttfts_ms.get((each.config_id,), [])
            },
            inputs.recorded.get(each.config_id),
        )
        for each in summary.configurations
    )


def _evidence(
    each: ConfigurationSummary,
    blocks: list[Row],
    runs: dict[tuple[Any, ...], Row],
    ttfts_ms: dict[tuple[Any, ...], float],
    found: Recorded | None,
) -> Evidence:
    where = "gone or damaged, so no call can be shown"
    tables, drawing, caption = [], "", ""
    if blocks:
        tables.append(_blocks(each.config_id, blocks, list(runs.values())))
    if found is not None:
        where = f"`{found.path}`, below the warehouse"
        tables.append(_calls(each.config_id, found.trials, runs, ttfts_ms))
        choice = choose_block(blocks)
        block = found.trials[0].block if choice is None else choice.block
        lanes = lanes_of(trials_of(found.trials, block))
        if lanes:
            plot = timeline_in_words(f"lanes-{each.config_id}", f"Block {block} in time", lanes)
            drawing, caption = timeline(lanes, plot), f"Block {block}. {plot.caption}"
    return Evidence(
        config_id=each.config_id,
        title="; ".join(prose.agents_in_words(each.agents)),
        where=f"Journal: {where}. Dagster: asset `benchmark_trials`, partition `{each.config_id}`.",
        drawing=drawing,
        caption=caption,
        tables=tuple(tables),
    )


def _blocks(config_id: str, blocks: list[Row], runs: list[Row]) -> Table:
    """Lay out a row for each block: what each arm took, its speedups, and whether it counts."""
    wall_s = {(run["block"], run["arm"]): run["wall_s"] for run in runs}
    alone = list(dict.fromkeys(run["arm"] for run in runs if run["arm"] not in TOGETHER))
    together = [arm for arm in TOGETHER if any(block["arm"] == arm for block in blocks)]
    labels = [
        "Block#",
        *(f"{arm_in_words(arm)}#" for arm in (*alone, *together)),
        *(
            f"{what}, {arm_in_words(arm)}#"
            for arm in together
            for what in ("Weighted speedup", "True speedup")
        ),
        "Counts",
    ]
    rows = []
    for (number_of,), arms_of in grouped(blocks, "block").items():
        arms = {row["arm"]: row for row in arms_of}
        rows.append(
            [
                cells.count(number_of),
                *(
                    cells.figure(wall_s.get((number_of, arm)), "s", reason="not measured")
                    for arm in (*alone, *together)
                ),
                *(
                    cells.figure(arms[arm][name], "x", reason=_why_null(arms[arm]))
                    for arm in together
                    for name in ("weighted_speedup", "true_speedup")
                ),
                cells.words(_counts(list(arms.values()))),
            ]
        )
    caption = f"Blocks of {config_id}: wall time of each arm, speedups, and whether it counts."
    return cells.table(f"blocks-{config_id}", caption, labels, rows)


def _why_null(row: Row) -> str:
    return row["exclusion_reason"] or row["null_reason"] or "not measured"


def _counts(arms: list[Row]) -> str:
    """Say whether a block counts in all of its arms, else why not."""
    out = dict.fromkeys(row["exclusion_reason"] for row in arms if not row["counts"])
    return f"no: {'; '.join(out)}" if out else "yes"


def _calls(
    config_id: str,
    trials: Sequence[TrialRecord],
    runs: dict[tuple[Any, ...], Row],
    ttfts_ms: dict[tuple[Any, ...], float],
) -> Table:
    """Lay out a row for each call, in seconds after its trial's first request."""
    rows = []
    for trial in trials:
        key = (trial.trial_id, trial.attempt)
        attempt = f", attempt {trial.attempt}" if trial.attempt > 1 else ""
        name = f"{trial.block}, {arm_in_words(trial.arm)}{attempt}"
        for call in trial.calls:
            is_last = call is trial.calls[-1]
            notes = _trial_notes(trial, runs.get(key)) if is_last else ()
            ttft_ms = ttfts_ms.get((*key, call.agent, call.stage))
            rows.append(TableRow(cells=_call(name, call, ttft_ms), notes=notes))
    caption = f"Calls of {config_id}: seconds after the first request of their trial (block, arm)."
    return cells.table(f"calls-{config_id}", caption, CALL_LABELS, rows)


def _trial_notes(trial: TrialRecord, run: Row | None) -> tuple[str, ...]:
    if run is None:
        return (f"{trial.reason or trial.status.value}: a later attempt took its place",)
    if run["validity"] != "INVALID":  # warnings stand with the configuration
        return ()
    return (shorten(f"{run['validity']}: {run['validity_reasons']}"),)


def _call(name: str, call: CallRecord, ttft_ms: float | None) -> tuple[Cell, ...]:
    last_ns = call.chunk_ns[-1] if call.chunk_ns else None
    stamps_ns = (call.sent_ns, call.first_token_ns, last_ns, call.end_ns)
    stamps_s = [None if ns is None else ns / NS_PER_S for ns in stamps_ns]
    # what is not known is nan in the table
    ttft_s = None if ttft_ms is None or math.isnan(ttft_ms) else ttft_ms / MS_PER_S
    tokens = call.counters.eval_count
    ended = call.status.value
    if call.failure is not None:
        ended = f"{ended}, {call.failure.kind.value}: {call.failure.text}"
    elif call.counters.done_reason:
        ended = f"{ended}, {call.counters.done_reason}"
    return (
        Cell(text=name),
        cells.words(f"{call.agent}: {call.stage}"),
        *(Cell(text=NONE if at_s is None else f"{at_s:.3f}") for at_s in (*stamps_s, ttft_s)),
        Cell(text=NONE if tokens is None else str(tokens)),
        cells.words(ended),
    )
