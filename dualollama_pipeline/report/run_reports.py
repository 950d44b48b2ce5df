"""Reports of single runs, as TR114's program wrote them: `parity` only.

`run_N/` (N is the block) holds what each agent found in the `apart` trial and the pair's figures;
`summary.json` and `summary.md` beside them hold all runs of the batch. What a model wrote stands
in a fenced block, so that it cannot become markup.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pandas as pd

from dualollama_pipeline.core.atomic import write_atomically
from dualollama_pipeline.core.parity import read_analysis
from dualollama_pipeline.core.study import APART
from dualollama_pipeline.core.workload import ANALYSIS
from dualollama_pipeline.tables.build import build_tables

if TYPE_CHECKING:
    from pathlib import Path

    from dualollama_pipeline.core.records import CallRecord, TrialRecord
    from dualollama_pipeline.tables.build import Tables
    from dualollama_pipeline.worker.journal import Journal

FIGURES = {
    "wall_s": "run_table",
    "sequential_s": "run_table",
    "balance_speedup": "run_table",
    "balance_efficiency_pct": "run_table",
    "tok_per_s_delta": "run_table",
    "ttft_delta_ms": "run_table",
    "balance_contention": "run_table",
    "true_speedup": "block_table",
    "weighted_speedup": "block_table",
}


def write_run_reports(journal: Journal, folder: Path) -> int:
    """Write the reports of every `apart` trial (its last attempt); return how many there are.

    Raises:
        OSError: the folder cannot be written.
    """
    if journal.batch is None or journal.batch.plan.workload != "parity":
        return 0
    tables = build_tables(journal)
    last = {trial.block: trial for trial in journal.trials if trial.arm == APART}
    summary = []
    for block, trial in sorted(last.items()):
        run = folder / f"run_{block}"
        figures = _figures(tables, block)
        agents = {agent: _calls_of(trial, agent) for agent in _agents(trial)}
        for agent, calls in agents.items():
            _write(run / f"{agent}.md", _agent_report(journal, agent, calls))
        parts = [_agent_report(journal, agent, calls) for agent, calls in agents.items()]
        combined = [_title(journal, f"run {block}"), _listed(figures), *parts]
        _write(run / "combined.md", "\n\n".join(combined))
        metrics = {
            **_provenance(journal),
            "run": block,
            "status": trial.status.value,
            "figures": figures,
            "calls": tables.call_table[
                (tables.call_table["block"] == block) & (tables.call_table["arm"] == APART)
            ],
        }
        _write(run / "metrics.json", _as_json(metrics))
        summary.append({"run": block, "status": trial.status.value, **figures})
    _write(folder / "summary.json", _as_json({**_provenance(journal), "runs": summary}))
    lines = [f"- run {run.pop('run')}: " + ", ".join(_shown(run)) for run in map(dict, summary)]
    _write(folder / "summary.md", "\n".join([_title(journal, "all runs"), "", *lines, ""]))
    return len(last)


def _provenance(journal: Journal) -> dict[str, Any]:
    plan = journal.batch.plan if journal.batch else None
    return {
        "origin": journal.origin.value,
        "config_id": plan and plan.config_id,
        "scenario": plan and plan.scenario,
        "batch_id": plan and plan.batch_id,
    }


def _title(journal: Journal, what: str) -> str:
    known = _provenance(journal)
    label = "SIMULATED, no measurement: " if known["origin"] == "simulated" else ""
    return f"# {label}{known['config_id']} ({known['scenario']}), {what}"


def _agents(trial: TrialRecord) -> list[str]:
    return sorted({call.agent for call in trial.calls})


def _calls_of(trial: TrialRecord, agent: str) -> list[CallRecord]:
    return [call for call in trial.calls if call.agent == agent]


def _agent_report(journal: Journal, agent: str, calls: list[CallRecord]) -> str:
    label = "SIMULATED: " if journal.origin == "simulated" else ""
    lines = [f"## {label}{agent}", "", f"Model {calls[0].model}, options {calls[0].options}."]
    for call in calls:
        lines += ["", f"### {call.stage}: {call.status.value}"]
        if call.failure is not None:
            lines += ["", f"{call.failure.kind.value}", "", _fenced(call.failure.text)]
        if call.text and call.stage == ANALYSIS:
            analysis = read_analysis(call.text)
            lines += ["", "Findings taken from the answer:", "", _fenced(_list(analysis.findings))]
            lines += ["", "Recommendations:", "", _fenced(_list(analysis.recommendations))]
        if call.text:
            lines += ["", "Answer:", "", _fenced(call.text)]
    return "\n".join(lines) + "\n"


def _list(items: tuple[str, ...]) -> str:
    return "\n".join(f"- {item}" for item in items) or "(none)"


def _fenced(text: str) -> str:
    """Put untrusted text into a fence that is longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _figures(tables: Tables, block: int) -> dict[str, Any]:
    found = {}
    for name, table in FIGURES.items():
        rows = getattr(tables, table)
        rows = rows[(rows["block"] == block) & (rows["arm"] == APART)]
        found[name] = _plain(rows[name].iloc[0]) if len(rows) else None
    return found


def _plain(value: Any) -> Any:
    """Return a value as JSON has it; what is missing is null."""
    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value


def _shown(figures: dict[str, Any]) -> list[str]:
    return [
        f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in figures.items()
        if value is not None
    ]


def _listed(figures: dict[str, Any]) -> str:
    return "\n".join(f"- {text}" for text in _shown(figures))


def _as_json(content: dict[str, Any]) -> str:
    def table(value: pd.DataFrame) -> Any:
        return json.loads(value.to_json(orient="records"))

    return json.dumps(content, indent=1, default=table, ensure_ascii=False)


def _write(path: Path, text: str) -> None:
    write_atomically(path, text.encode("utf-8", errors="replace"))
