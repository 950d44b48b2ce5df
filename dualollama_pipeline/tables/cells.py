"""From the journal to `cell_table`: one row for each arm, judged by what only a whole cell shows.

A cell is all trials of one configuration and arm in one batch; servers and machine were looked at
before its first and after its last trial.
"""

from __future__ import annotations

import math
from collections import Counter
from datetime import datetime, timedelta
from itertools import combinations, pairwise
from statistics import median
from typing import TYPE_CHECKING, Any

from dualollama_pipeline.core.records import Origin, Status
from dualollama_pipeline.core.study import APART, SHARED
from dualollama_pipeline.core.units import NS_PER_MS
from dualollama_pipeline.machine.gpu import is_here
from dualollama_pipeline.ollama.identity import same_process
from dualollama_pipeline.tables import guards
from dualollama_pipeline.tables.guards import Finding, verdict
from dualollama_pipeline.tables.placement import placement_findings
from dualollama_pipeline.tables.rows import NAN, Row, column, grouped
from dualollama_pipeline.tables.usual import usual_of
from dualollama_pipeline.worker.ruler import is_sound

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dualollama_pipeline.core.records import IdentityRecord, ServerIdentity, TrialRecord
    from dualollama_pipeline.worker.journal import Journal

MIN_TRIALS_FOR_DRIFT = 5
ISOLATION = {"parity": "natural eviction"}  # every other work unloads, and looks


def build_cells(journal: Journal, rows: Sequence[Row]) -> list[Row]:
    """Lay out the cells of a journal whose calls are `rows`."""
    if journal.batch is None:  # build_calls has refused it
        raise AssertionError
    plan = journal.batch.plan
    whole = [
        *_bookkeeping(journal),
        *_same_software(journal),
        *_one_after_the_other(journal),
        *_unsound_ruler(journal),
        *_two_clocks(rows),
        *placement_findings(journal),
    ]
    cells = []
    for arm in dict.fromkeys(trial.arm for trial in plan.trials):
        mine = [row for row in rows if row["arm"] == arm]
        trials = [trial for trial in journal.trials if trial.arm == arm]
        seen = [record for record in journal.identities if record.arm == arm]
        planned = [trial.trial_id for trial in plan.trials if trial.arm == arm]
        cell = {
            "origin": journal.origin.value,
            "batch_id": plan.batch_id,
            "config_id": plan.config_id,
            "scenario": plan.scenario,
            "workload": plan.work,
            "arm": arm,
            "isolation": ISOLATION.get(plan.workload, "unloaded and verified"),
            **_counts(planned, trials),
            **_servers(seen),
            "max_round_trip_ms": _round_trip_ms(seen),
            "n_calls": len(mine),
            "n_failed_calls": sum(row["status"] == "failed" for row in mine),
            "n_cold_calls": sum(bool(row["is_reload"]) for row in mine),
            "n_early_stops": sum(row["done_reason"] == "stop" for row in mine),
            "max_loop_lag_p99_ms": _largest([trial.loop_lag_p99_ms for trial in trials]),
            "max_clock_drift_ms": _largest([trial.wall_clock_drift_ms for trial in trials]),
            "drift_share": _drift(mine, trials),
            **_ruler(journal),
        }
        findings = [
            *whole,
            *_server_findings(arm, seen, mine),
            *_trial_findings(cell, mine),
            *_machine_findings(seen, journal),
        ]
        cell["validity"], cell["validity_reasons"] = verdict(findings)
        cells.append(cell)
    return cells


def _counts(planned: Sequence[str], trials: Sequence[TrialRecord]) -> Row:
    """How the planned trials ended, by their last attempts; one never attempted was skipped."""
    last = {trial.trial_id: trial.status for trial in trials}
    ended = Counter(last.get(trial_id, Status.SKIPPED) for trial_id in planned)
    return {
        "n_planned": len(planned),
        **{f"n_{status.value}": ended[status] for status in Status},
    }


def _servers(seen: Sequence[IdentityRecord]) -> Row:
    """What the servers showed, as text: the last snapshot of the cell."""
    servers = seen[-1].servers if seen else ()

    def each(show: Any) -> str | None:
        return "; ".join(f"{s.server}: {show(s)}" for s in servers) or None

    return {
        "server_versions": each(lambda s: s.version),
        "model_digests": each(lambda s: s.digest),
        "placements": each(_placement),
        "contexts": each(lambda s: s.context_length),
        "gpu_uuids": each(lambda s: " ".join(s.gpu_uuids or ()) or "not known"),
    }


def _round_trip_ms(seen: Sequence[IdentityRecord]) -> float:
    """Return the fastest of each server's requests (no connection had to be opened), the worst."""
    rows = [{"server": s.server, "ms": s.round_trip_ms} for r in seen for s in r.servers]
    by_server = grouped([row for row in rows if row["ms"] is not None], "server").values()
    return _largest([min(column(group, "ms")) for group in by_server])


def _placement(server: ServerIdentity) -> str:
    if server.size_vram_share is None:
        return "not known"
    witness = f" ({server.placement})" if server.placement else ""
    return f"{100 * server.size_vram_share:.0f} % in GPU memory{witness}"


def _ruler(journal: Journal) -> Row:
    """The error of our own stamps, told once for the batch."""
    names = ("ttft_error_median_ms", "ttft_error_max_ms", "gap_error_p95_ms", "rate_error_pct")
    ruler = journal.ruler
    return {f"ruler_{name}": NAN if ruler is None else getattr(ruler, name) for name in names}


def _largest(values: Sequence[float | None]) -> float:
    known = [abs(value) for value in values if value is not None]
    return max(known, default=NAN)


def _drift(calls: Sequence[Row], trials: Sequence[TrialRecord]) -> float:
    """Theil-Sen slope of wall time over trial order, times the span of the orders, / the median.

    Over trials that are ok: a trial whose second call failed is short, not fast.
    """
    sound = {(trial.trial_id, trial.attempt) for trial in trials if trial.status is Status.OK}
    walls = {
        group[0]["trial_order"]: max(column(group, "end_ms")) - min(column(group, "sent_ms"))
        for attempt, group in grouped(calls, "trial_id", "attempt").items()
        if attempt in sound
    }
    if len(walls) < MIN_TRIALS_FOR_DRIFT:
        return NAN
    orders, wall_ms = list(walls), list(walls.values())
    # the median of all slopes between two trials; scipy has it, for a second of imports a run
    slope = median(
        (later - earlier) / (order - before)
        for (before, earlier), (order, later) in combinations(walls.items(), 2)
    )
    span = float(max(orders) - min(orders))
    return float(slope * span / median(wall_ms))


# -- guards of the whole batch ---------------------------------------------------------------------
def _bookkeeping(journal: Journal) -> list[Finding]:
    """Every attempt is of a planned trial, and is there once."""
    planned = {trial.trial_id for trial in journal.batch.plan.trials} if journal.batch else set()
    attempts = Counter((trial.trial_id, trial.attempt) for trial in journal.trials)
    twice = [f"{trial_id} attempt {n}" for (trial_id, n), count in attempts.items() if count > 1]
    foreign = sorted({trial.trial_id for trial in journal.trials} - planned)
    texts = [f"{name} is recorded twice" for name in twice]
    texts += [f"{name} was not planned" for name in foreign]
    return [Finding("ERROR", "bookkeeping", text) for text in texts]


def _same_software(journal: Journal) -> list[Finding]:
    """Arms are compared with each other, so it is constant over the whole batch."""
    software: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for record in journal.identities:
        for server in record.servers:
            seen = software.setdefault((server.server, server.model), set())
            seen.add((server.version, server.digest))
    changed = [name for (name, _), seen in software.items() if len(seen) > 1]
    findings = [
        Finding("ERROR", "same_software", f"server {name} changed its version or weights")
        for name in changed
    ]
    by_model: dict[str, set[tuple[str, str]]] = {}
    for (_, model), seen in software.items():
        by_model.setdefault(model, set()).update(seen)
    if not changed and any(len(seen) > 1 for seen in by_model.values()):
        text = "the two servers differ in version or weights of one model"
        findings.append(Finding("ERROR", "same_software", text))
    return findings


def _one_after_the_other(journal: Journal) -> list[Finding]:
    """No trial begins before another has ended, by the wall clock (virtual time has none)."""
    if journal.origin is not Origin.MEASURED:
        return []
    spans = []
    for trial in journal.trials:
        begun = datetime.fromisoformat(trial.started_at)
        ends = [call.end_ns for call in trial.calls if call.end_ns is not None]
        spans.append((begun, begun + timedelta(milliseconds=max(ends, default=0) / NS_PER_MS)))
    spans.sort()
    tolerance = timedelta(milliseconds=guards.MAX_CLOCK_DRIFT_MS)
    overlapping = any(start < end - tolerance for (_, end), (start, _) in pairwise(spans))
    text = "trials overlap by the wall clock, solo ones too"
    return [Finding("ERROR", "baseline_alone", text)] if overlapping else []


def _unsound_ruler(journal: Journal) -> list[Finding]:
    """The error of our own stamps is within what OLLAMA.md P9 promises."""
    if journal.ruler is None or is_sound(journal.ruler):
        return []
    text = f"our own TTFT stamps are off by {journal.ruler.ttft_error_median_ms:.1f} ms (median)"
    return [Finding("WARN", "resolution", text)]


def _two_clocks(calls: Sequence[Row]) -> list[Finding]:
    """Say once which server's clock runs faster than ours; its times were brought to ours."""
    return [
        Finding("WARN", "clocks", f"server {name}: its clock runs {100 * (r - 1):.1f} % faster")
        for name, r in usual_of(calls).clock_ratio.items()
        if r > 1
    ]


# -- guards of one cell ----------------------------------------------------------------------------
def _server_findings(
    arm: str, seen: Sequence[IdentityRecord], calls: Sequence[Row]
) -> list[Finding]:
    findings: list[Finding] = []
    if any(same_process(record.servers) for record in seen):
        findings.append(Finding("ERROR", "distinct_servers", "both URLs reach one server"))
    if arm == APART and not any(_proved_distinct(record.servers) for record in seen):
        text = "nothing shows that the two servers are two"
        findings.append(Finding("WARN", "distinct_servers", text))
    contexts = {
        server.server: server.context_length
        for record in seen
        for server in record.servers
        if server.context_length is not None and arm != SHARED
    }
    for row in calls:
        findings += _context_findings(row, contexts.get(row["server"]))
    return findings


def _proved_distinct(servers: Sequence[ServerIdentity]) -> bool:
    """Different processes, loads that end at different instants, or simulated by design."""
    if any(server.simulated_by for server in servers):
        return True
    by_pid = {server.server: server.pid for server in servers}
    by_expiry = {server.server: server.expires_at for server in servers}
    return any(
        None not in known.values() and len(known) > 1 and len(set(known.values())) == len(known)
        for known in (by_pid, by_expiry)
    )


def _context_findings(call: Row, context: int | None) -> list[Finding]:
    if context is None:
        return []
    asked = call["num_ctx"]
    if asked is None or math.isnan(asked) or asked == context:
        return []
    text = f"{call['agent']} asked for num_ctx {asked:.0f}, the server has {context}"
    return [Finding("WARN", "context", text)]


def _trial_findings(cell: Row, calls: Sequence[Row]) -> list[Finding]:
    findings = []
    if cell["n_skipped"] + cell["n_interrupted"] > 0:
        left = cell["n_skipped"] + cell["n_interrupted"]
        text = f"{left} of {cell['n_planned']} trials were not measured to their end"
        findings.append(Finding("WARN", "complete", text))
    for (agent, stage), group in grouped(calls, "agent", "stage").items():
        sizes = [size for size in column(group, "n_prompt_tokens") if not math.isnan(size)]
        if sizes and max(sizes) - min(sizes) > 2 * guards.PROMPT_TOLERANCE_TOKENS:
            text = f"{agent} {stage}: prompts of {min(sizes):.0f} to {max(sizes):.0f} tokens"
            findings.append(Finding("WARN", "prompt_size", text))
    if cell["arm"] != SHARED and cell["n_cold_calls"] > guards.MAX_COLD_SHARE * len(calls):
        text = f"{cell['n_cold_calls']} of {len(calls)} calls loaded the model"
        findings.append(Finding("WARN", "warm", text))
    failed = cell["n_failed_calls"]
    if failed > guards.MAX_FAILED_SHARE * len(calls):
        level = "ERROR" if failed > guards.LOST_SHARE * len(calls) else "WARN"
        text = f"{failed} of {len(calls)} calls failed"
        findings.append(Finding(level, "failures", text))  # type: ignore[arg-type]
    if abs(cell["drift_share"]) > guards.MAX_DRIFT:
        text = f"wall time moves by {100 * cell['drift_share']:+.0f} % over the cell"
        findings.append(Finding("WARN", "drift", text))
    return findings + _ruler_findings(cell, calls)


def _ruler_findings(cell: Row, calls: Sequence[Row]) -> list[Finding]:
    findings = []
    lag_ms, drift_ms = cell["max_loop_lag_p99_ms"], cell["max_clock_drift_ms"]
    shortest_ms = min((row["ttft_ms"] for row in calls if row["status"] == "ok"), default=NAN)
    if lag_ms > guards.MAX_LOOP_LAG_MS or shortest_ms < guards.LAG_PER_TTFT * lag_ms:
        text = f"the event loop was up to {lag_ms:.1f} ms late (P99), TTFT {shortest_ms:.0f} ms"
        findings.append(Finding("WARN", "resolution", text))
    clumped = sum(bool(row["is_clumped"]) for row in calls)
    lumped = max((row["max_lines_per_read"] for row in calls), default=NAN)
    if clumped:
        text = f"{clumped} of {len(calls)} answers came in clumps"
        findings.append(Finding("WARN", "resolution", text))
    elif lumped > guards.MAX_LINES_PER_READ:
        text = f"up to {lumped:.0f} records came in one read"
        findings.append(Finding("WARN", "resolution", text))
    if drift_ms > guards.MAX_CLOCK_DRIFT_MS:
        text = f"the wall clock was set by {drift_ms:.0f} ms inside a trial"
        findings.append(Finding("WARN", "monotonic", text))
    return findings


def _machine_findings(seen: Sequence[IdentityRecord], journal: Journal) -> list[Finding]:
    """Judge what went on on the worker's machine; where all servers are elsewhere, as a client's.

    A client's GPU does nothing for them, and what makes it swap does not slow them down.
    """
    known = [record.conditions for record in seen if record.conditions is not None]
    are_here = any(is_here(server.url) for record in seen for server in record.servers)
    whose = "machine" if are_here else "client"
    texts = {text for record in known if are_here for text in record.gpu_throttling or ()}
    findings = [Finding("WARN", "machine", f"the GPU was slowed down: {text}") for text in texts]
    if any(record.on_battery for record in known):
        findings.append(Finding("WARN", "machine", f"the {whose} ran on its battery"))
    if any(record.governor == "powersave" for record in known):
        findings.append(Finding("WARN", "machine", f"the {whose}'s CPU governor is powersave"))
    foreign = {pid for record in known for pid in record.foreign_gpu_pids or ()}
    if foreign:
        text = f"other processes used the GPU: {', '.join(map(str, sorted(foreign)))}"
        findings.append(Finding("WARN", "machine", text))
    n_cpus = journal.machines[-1].n_cpus if journal.machines else None
    loads = [record.load_1min for record in known if record.load_1min is not None]
    if n_cpus and loads and max(loads) > guards.MAX_LOAD_PER_CPU * n_cpus:
        text = f"load {max(loads):.1f} on the {n_cpus} CPUs of the {whose}"
        findings.append(Finding("WARN", "machine", text))
    swapped = _grown([r.swapped_in_mib for r in known]) + _grown([r.swapped_out_mib for r in known])
    if swapped > guards.MAX_SWAPPED_MIB:
        text = f"the {whose} swapped {swapped:.0f} MiB meanwhile"
        findings.append(Finding("ERROR" if are_here else "WARN", "machine", text))
    return findings


def _grown(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return known[-1] - known[0] if known else 0.0
