"""What one configuration's numbers rest on: its blocks, and every call with its stamps.

Too much for summary.json, which has the estimates: it is in the tables and in the journal.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from dualollama_pipeline.core.study import TOGETHER
from dualollama_pipeline.core.units import MS_PER_S, NS_PER_S
from dualollama_pipeline.metrics.catalog import Key
from dualollama_pipeline.report import cells, prose
from dualollama_pipeline.report.lanes import lanes_of, trials_of
from dualollama_pipeline.report.model import Cell, TableRow
from dualollama_pipeline.report.pair import choose_block
from dualollama_pipeline.report.plots.timeline import timeline, timeline_in_words
from dualollama_pipeline.report.provenance import describe_agents
from dualollama_pipeline.report.wording import Words, shorten
from dualollama_pipeline.tables.rows import Row, grouped, plain_rows

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dualollama_pipeline.core.records import CallRecord, TrialRecord
    from dualollama_pipeline.report.inputs import ReportInputs
    from dualollama_pipeline.report.model import Summary, Table
    from dualollama_pipeline.worker.journal import Journal

BLOCK = [
    "config_id", "origin", "batch_id", "block", "arm", "counts", "validity", "exclusion_reason",
    "null_reason", "n_reloads", "weighted_speedup", "true_speedup",
]  # fmt: skip
RUN = [
    "config_id", "trial_id", "attempt", "block", "arm", "wall_s", "validity", "validity_reasons",
]  # fmt: skip
CALL = ["trial_id", "attempt", "agent", "stage"]
NONE, NOT_MEASURED = "–", "not measured"
SPEEDUPS = ("weighted_speedup", "true_speedup")
CALL_LABELS = (
    "Trial", "Agent: call", "Sent#", "First piece#", "Last piece#", "End#", "TTFT#", "Tokens#",
    "Ended",
)  # fmt: skip


class Recorded(NamedTuple):
    """What a journal holds of its trials; `path` is below the warehouse."""

    path: str
    trials: tuple[TrialRecord, ...]


def recorded(journal: Journal, warehouse: Path) -> Recorded:
    """Keep of a journal what is shown of it: no texts, of each call's arrivals both ends."""
    trials = (
        trial.model_copy(update={"calls": tuple(map(_stamps_alone, trial.calls))})
        for trial in journal.trials
    )
    return Recorded(journal.path.relative_to(warehouse).as_posix(), tuple(trials))


def _stamps_alone(call: CallRecord) -> CallRecord:
    ends = (*call.chunk_ns[:1], *call.chunk_ns[-1:])
    return call.model_copy(update={"chunk_ns": ends, "text": "", "thinking": ""})


PARTITION = "assets/benchmark_trials?view=partitions&partition={}"


class Evidence(NamedTuple):
    """One configuration's: a title, where it lies, a block in time as `<svg>`, and its tables.

    `ui` is where Dagster shows it; empty where no UI is known.
    """

    config_id: str
    title: str
    where: str
    ui: str
    drawing: str
    caption: str
    tables: tuple[Table, ...]


class _Known(NamedTuple):
    """What the tables know: blocks by configuration, runs by trial and attempt, TTFT by call."""

    blocks: dict[tuple[Any, ...], list[Row]]
    runs: dict[tuple[Any, ...], Row]
    ttft_ms: dict[tuple[Any, ...], float]
    words: Words


def gather_evidence(inputs: ReportInputs, summary: Summary) -> tuple[Evidence, ...]:
    """Lay out the evidence of every configuration of the summary."""
    calls = plain_rows(inputs.calls[[*CALL, "ttft_ms"]])
    known = _Known(
        grouped(plain_rows(inputs.blocks[BLOCK]), "config_id"),
        {(run["trial_id"], run["attempt"]): run for run in plain_rows(inputs.runs[RUN])},
        {tuple(map(call.get, CALL)): call["ttft_ms"] for call in calls},
        Words(summary.n_agents),
    )
    agents = {each.config_id: each.agents for each in summary.configurations}
    for config_id in sorted({*inputs.calls["config_id"]} - agents.keys()):  # of one agent
        mine = inputs.calls[inputs.calls["config_id"].eq(config_id)]
        agents[config_id] = describe_agents(plain_rows(mine))
    return tuple(
        _evidence(config_id, "; ".join(prose.agents_in_words(asked)), known, inputs)
        for config_id, asked in agents.items()
    )


def _evidence(config_id: str, title: str, known: _Known, inputs: ReportInputs) -> Evidence:
    found = inputs.recorded.get(config_id)
    where = "gone or damaged, so no call can be shown"
    tables, drawing, caption = [], "", ""
    blocks = known.blocks.get((config_id,), [])
    if blocks:
        tables.append(_blocks(config_id, blocks, known))
    if found is not None:
        where = f"`{found.path}`, below the warehouse"
        tables.append(_calls(config_id, found.trials, known))
        choice = choose_block(blocks)
        block = found.trials[0].block if choice is None else choice.block
        lanes = lanes_of(trials_of(found.trials, block))
        if lanes:
            plot = timeline_in_words(f"lanes-{config_id}", f"Block {block} in time", lanes)
            drawing, caption = timeline(lanes, plot), f"Block {block}. {plot.caption}"
    return Evidence(
        config_id=config_id,
        title=title,
        where=f"Journal: {where}. Dagster: asset `benchmark_trials`, partition `{config_id}`.",
        ui=inputs.ui_url and f"{inputs.ui_url}/{PARTITION.format(config_id)}",
        drawing=drawing,
        caption=caption,
        tables=tuple(tables),
    )


def _blocks(config_id: str, blocks: list[Row], known: _Known) -> Table:
    """Lay out a row for each block: what each arm took, its speedups, and whether it counts."""
    runs = [run for run in known.runs.values() if run["config_id"] == config_id]
    wall_s = {(run["block"], run["arm"]): run["wall_s"] for run in runs}
    measured = {run["arm"]: None for run in runs} | {block["arm"]: None for block in blocks}
    arms = sorted(measured, key=lambda arm: (arm in TOGETHER, arm))
    keys = [Key(name, arm) for arm in arms if arm in TOGETHER for name in SPEEDUPS]
    labels = [*map(known.words.arm, arms), *map(known.words.label, keys)]
    rows = []
    for (block,), of_arms in grouped(blocks, "block").items():
        rows_of = {row["arm"]: row for row in of_arms}
        walls = [cells.figure(wall_s.get((block, arm)), "s", reason=NOT_MEASURED) for arm in arms]
        speedups = [
            cells.figure(row[key.metric], "x", reason=row["exclusion_reason"] or row["null_reason"])
            for key in keys
            for row in [rows_of[key.arm]]  # a block has all arms that are planned
        ]
        rows.append([cells.count(block), *walls, *speedups, cells.words(_counts(of_arms))])
    return cells.table(
        f"blocks-{config_id}",
        f"Blocks of {config_id}: wall time of each arm, speedups, and whether it counts.",
        ["Block#", *(f"{label}#" for label in labels), "Counts"],
        rows,
    )


def _counts(arms: list[Row]) -> str:
    """Say whether a block counts in all of its arms, else why not."""
    out = dict.fromkeys(row["exclusion_reason"] for row in arms if not row["counts"])
    return f"no: {'; '.join(out)}" if out else "yes"


def _calls(config_id: str, trials: Sequence[TrialRecord], known: _Known) -> Table:
    """Lay out a row for each call, in seconds after its trial's first request."""
    rows = []
    for trial in trials:
        key = (trial.trial_id, trial.attempt)
        attempt = f", attempt {trial.attempt}" if trial.attempt > 1 else ""
        name = f"{trial.block}, {known.words.arm(trial.arm)}{attempt}"
        for call in trial.calls:
            notes = _notes(trial, known.runs.get(key)) if call is trial.calls[-1] else ()
            ttft_ms = known.ttft_ms.get((*key, call.agent, call.stage))
            rows.append(TableRow(cells=_call(name, call, ttft_ms), notes=notes))
    caption = f"Calls of {config_id}: seconds after the first request of their trial (block, arm)."
    return cells.table(f"calls-{config_id}", caption, CALL_LABELS, rows)


def _notes(trial: TrialRecord, run: Row | None) -> tuple[str, ...]:
    if run is None:
        return (f"{trial.reason or trial.status.value}: a later attempt took its place",)
    if run["validity"] != "INVALID":  # warnings stand with the configuration
        return ()
    return (shorten(f"INVALID: {run['validity_reasons']}"),)


def _call(name: str, call: CallRecord, ttft_ms: float | None) -> tuple[Cell, ...]:
    last_ns = call.chunk_ns[-1] if call.chunk_ns else None
    stamps_ns = (call.sent_ns, call.first_token_ns, last_ns, call.end_ns)
    stamps_s = [None if ns is None else ns / NS_PER_S for ns in stamps_ns]
    failure, tokens = call.failure, call.counters.eval_count
    why = f"{failure.kind.value}: {failure.text}" if failure else call.counters.done_reason
    return (
        Cell(text=name),
        cells.words(f"{call.agent}: {call.stage}"),
        *map(_stamp, stamps_s),
        _stamp(None if ttft_ms is None else ttft_ms / MS_PER_S),
        Cell(text=NONE if tokens is None else str(tokens)),
        cells.words(", ".join(filter(None, (call.status.value, why)))),
    )


def _stamp(at_s: float | None) -> Cell:
    return Cell(text=NONE if at_s is None or math.isnan(at_s) else f"{at_s:.3f}")
