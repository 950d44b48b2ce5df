"""Validity and provenance: what was judged and why, what to do, and where the numbers come from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.core.records import Origin
from dualollama_pipeline.core.study import APART
from dualollama_pipeline.report import cells, prose
from dualollama_pipeline.report.model import Cell, Section
from dualollama_pipeline.report.sections.chapter import Chapter, chapter, evidence_of
from dualollama_pipeline.report.wording import Words
from dualollama_pipeline.tables.guards import GUARDS
from dualollama_pipeline.tables.rows import grouped, plain_rows

if TYPE_CHECKING:
    from dualollama_pipeline.report.inputs import ReportInputs
    from dualollama_pipeline.report.model import Summary, Table
    from dualollama_pipeline.tables.rows import Row

ID, TITLE = "validity", "Validity and provenance"
REASON_LABELS = ("Judged", "Guard", "What it saw", "Cells#", "Configurations", "Way out")
CELL_LABELS = (
    "Arm", "Trials ok#", "Failed#", "Interrupted or skipped#", "Valid, warned, invalid",
    "Calls that loaded the model#", "Drift, worst#",
)  # fmt: skip


def build(inputs: ReportInputs, summary: Summary) -> Chapter:
    """Show the cells by arm, the reasons with their way out, servers, and failures."""
    table, words = inputs.table("cell_table"), Words(summary.n_agents)
    tables = [_servers(summary)]
    counts = summary.validity
    paragraphs = [prose.blocks_in_words(counts, words)] if counts.n_blocks else []
    told = prose.provenance_in_words(summary)
    if table is None:
        paragraphs.append(
            "The table `cell_table` is not there yet: `dualollama report --from-journals` makes it."
        )
    else:
        rows = plain_rows(table)
        tables = [_by_arm(rows), *filter(lambda table: table.rows, [_reasons(rows)]), *tables]
        told |= _conditions(rows, words)
    facts = [[Cell(text=what), cells.words(telling)] for what, telling in told.items()]
    tables.append(
        cells.table("provenance", "Where the numbers come from.", ("What", "Told"), facts)
    )
    if summary.provenance.failures:
        tables.append(_failures(summary))
    section = Section(
        id=ID,
        title=TITLE,
        evidence=evidence_of(summary.origins),
        paragraphs=tuple(paragraphs),
        tables=tuple(tables),
    )
    return chapter(section)


def _by_arm(rows: list[Row]) -> Table:
    made = []
    for (arm,), group in grouped(rows, "arm").items():
        judged = [row["validity"] for row in group]
        drifts = [row["drift_share"] for row in group if row["drift_share"] == row["drift_share"]]
        worst = 100 * max(drifts, key=abs) if drifts else None
        planned = _sum(group, "n_planned")
        made.append(
            [
                cells.words(arm),
                Cell(text=f"{_sum(group, 'n_ok')} of {planned}", value=_sum(group, "n_ok"),
                     unit="trials", n=planned),
                cells.count(_sum(group, "n_failed"), "trials"),
                cells.count(_sum(group, "n_interrupted") + _sum(group, "n_skipped"), "trials"),
                Cell(text=", ".join(
                    str(judged.count(word)) for word in ("VALID", "WARN", "INVALID"))),
                Cell(text=f"{_sum(group, 'n_cold_calls')} of {_sum(group, 'n_calls')}",
                     value=_sum(group, "n_cold_calls"), unit="calls", n=_sum(group, "n_calls")),
                cells.figure(worst, "%", n=len(drifts), of="cells", reason="too few trials"),
            ]
        )  # fmt: skip
    caption = (
        "Cells (all trials of a configuration in one arm), by arm. Calls: every attempt. Drift: "
        "change of the wall time over the trials of a cell that are ok, against its median."
    )
    return cells.table("cells", caption, CELL_LABELS, made)


def _sum(rows: list[Row], name: str) -> int:
    return int(sum(row[name] for row in rows))


def _reasons(rows: list[Row]) -> Table:
    """Count each reason once for each cell, worst first, with what a user does about it."""
    seen: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        for reason in filter(None, (row["validity_reasons"] or "").split("; ")):
            seen.setdefault((row["validity"], reason), []).append(row["config_id"])
    order = sorted(seen.items(), key=lambda item: (item[0][0] != "INVALID", -len(item[1])))
    made = []
    for (validity, reason), config_ids in order:
        guard, _, what = reason.partition(": ")
        known = GUARDS.get(guard)
        made.append(
            [
                Cell(text=validity),
                Cell(text=guard, detail=known.why if known else ""),
                cells.words(what),
                cells.count(len(config_ids), "cells"),
                cells.words(", ".join(sorted(set(config_ids)))),
                Cell(text=known.advice if known else ""),
            ]
        )
    caption = "Why cells are not plainly valid. INVALID is kept, counted and left out; WARN counts."
    return cells.table("reasons", caption, REASON_LABELS, made, is_sortable=True)


def _conditions(rows: list[Row], words: Words) -> dict[str, str]:
    """Say what the servers and the machine were like, where it is known."""
    places = sorted(
        {part for row in rows for part in (row["placements"] or "").split("; ") if part}
    )
    told = {
        "Placement of the model": "; ".join(places) or "not known",
        "GPUs": _gpus(rows, words),
        "The model between configurations": "; ".join(sorted({row["isolation"] for row in rows})),
    }
    is_virtual = {row["origin"] for row in rows} == {Origin.SIMULATED}
    nothing = "none: the clock is virtual" if is_virtual else "not known"
    for name, told_as in (
        ("max_round_trip_ms", "Round trip from this client to the servers, worst"),
        ("max_loop_lag_p99_ms", "P99 lateness of the event loop, worst trial"),
        ("max_clock_drift_ms", "Wall clock against monotonic clock, worst trial"),
    ):
        known = [row[name] for row in rows if row[name] == row[name]]
        told[told_as] = f"{max(known):.2f} ms (n {len(known)} cells)" if known else nothing
    return told


def _gpus(rows: list[Row], words: Words) -> str:
    """Say whether the servers have a GPU each: they then share no compute."""
    both = {row["gpu_uuids"] for row in rows if row["arm"] == APART and row["gpu_uuids"]}
    said = set()
    for text in both:
        first, *others = [set(part.partition(": ")[2].split()) for part in text.split("; ")]
        if "not known" in text or not others or not all((first, *others)):
            said.add("not known")
        else:
            shares = any(first & other for other in others)
            said.add(f"shared by {words.both} servers" if shares else "each server its own")
    return "; ".join(sorted(said)) or "not known"


def _servers(summary: Summary) -> Table:
    rows = [
        [
            Cell(text=server.server),
            Cell(text=server.version),
            Cell(text=server.model),
            Cell(text=server.model_digest[:16], detail="first 16 of its digits"),
            Cell(text=server.simulated_by or "no simulator announced itself"),
        ]
        for server in summary.provenance.servers
    ]
    labels = ("Server", "Version", "Model", "Model digest", "Simulated by")
    return cells.table("servers", "Servers, as they announced themselves.", labels, rows)


def _failures(summary: Summary) -> Table:
    rows = [
        [Cell(text=each.kind), cells.count(each.n, "calls"), Cell(text=each.example)]
        for each in summary.provenance.failures
    ]
    return cells.table("failures", "What went wrong.", ("Kind", "Calls#", "First text"), rows)
