"""What was valid, and what was not: cells, reasons, failures, and counts outside the sections."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from dualollama_pipeline_tests.end_to_end.rederive import judged
from dualollama_pipeline_tests.end_to_end.rederive.evidence import Evidence
from dualollama_pipeline_tests.end_to_end.rederive.ledger import ANY, Row, number

STATUSES = ("ok", "failed", "interrupted", "skipped")


def cells(evidence: Evidence) -> list[Row]:
    """One row for each arm, over the cells of all configurations."""
    rows: list[Row] = []
    for arm in evidence.current[0].arms:
        statuses = Counter(t.last["status"] for b in evidence.current for t in b.of_arms(arm))
        n_planned = sum(t["arm"] == arm for b in evidence.current for t in b.plan["trials"])
        levels = [
            judged.verdict({level for level, _ in judged.cell_findings(batch, arm)})
            for batch in evidence.current
        ]
        words = ", ".join(str(levels.count(word)) for word in ("VALID", "WARN", "INVALID"))
        calls = [(batch, call) for batch in evidence.current for call in batch.every_call(arm)]
        n_cold = sum(judged.is_reload(call, judged.reload_limit_ms(b)) for b, call in calls)
        drifts = [
            100 * moved
            for batch in evidence.current
            if (moved := judged.drift(batch, arm)) is not None
        ]
        rows.append(
            [
                arm,
                number(statuses["ok"], n_planned),
                number(statuses["failed"]),
                number(statuses["interrupted"] + statuses["skipped"]),
                words,
                number(n_cold, len(calls)),
                number(max(drifts, key=abs), len(drifts)),
            ]
        )
    return rows


def reasons(evidence: Evidence) -> list[Row]:
    """Each reason once for each cell: the invalid first, then the most frequent."""
    found: dict[tuple[str, str], list[str]] = {}
    for batch in evidence.current:
        for arm in batch.arms:
            spoke = judged.cell_findings(batch, arm)
            verdict = judged.verdict({level for level, _ in spoke})
            for _, text in spoke:
                found.setdefault((verdict, text), []).append(batch.config_id)
    order = sorted(found.items(), key=lambda item: (item[0][0] != "INVALID", -len(item[1])))
    rows: list[Row] = []
    for (verdict, text), names in order:
        guard, _, what = text.partition(": ")
        configurations = ", ".join(sorted(set(names)))
        rows.append([verdict, guard, what, number(len(names)), configurations, ANY])
    return rows


def failures(evidence: Evidence) -> list[Row]:
    """How often each kind of failure was seen, and its first text."""
    rows: list[Row] = []
    for kind, texts in failed_calls(evidence).items():
        rows.append([kind, number(len(texts)), texts[0]])
    return rows


def failed_calls(evidence: Evidence) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for batch in evidence.current:
        for call in batch.every_call(*batch.arms):
            if call["failure"] is not None:
                found.setdefault(call["failure"]["kind"], []).append(call["failure"]["text"])
    return dict(sorted(found.items()))


def status_counts(statuses: Sequence[str]) -> dict[str, int]:
    return {"n": len(statuses), **{status: statuses.count(status) for status in STATUSES}}


def provenance_counts(evidence: Evidence) -> dict[str, Any]:
    """The numbers of summary.json's provenance."""
    calls = [c["status"] for b in evidence.current for c in b.every_call(*b.arms)]
    trials = [t.last["status"] for b in evidence.current for t in b.trials]
    return {
        "calls": status_counts(calls),
        "trials": status_counts(trials),
        "failures": [
            {"kind": kind, "n": len(texts), "example": texts[0]}
            for kind, texts in failed_calls(evidence).items()
        ],
    }


def notes(evidence: Evidence, config_id: str) -> list[tuple[int, str, list[str]]]:
    """Block, verdict and the arms it is left out of, for each block that is not plainly valid."""
    batch = next(each for each in evidence.current if each.config_id == config_id)
    verdicts = judged.trial_verdicts(batch)
    made: list[tuple[int, str, list[str]]] = []
    for place, block in batch.blocks.items():
        levels = {verdicts[trial.trial_id] for trial in block.values()}
        worst = next(word for word in ("INVALID", "WARN", "VALID") if word in levels)
        left_out = [
            arm
            for arm in ("apart", "shared")
            if any(
                not v.counts
                for v in evidence.values
                if (v.config_id, v.block, v.metric)
                == (config_id, place, ("weighted_speedup", arm, "all"))
            )
        ]
        if worst != "VALID" or left_out:
            made.append((place, worst, left_out))
    return made
