"""From run folders to `imported_calls` and `imported_runs`, with the rules of METHOD section 4.

What the original stored is kept as `reported_*`; beside it stand our own figures, which leave a
failed call out instead of counting it as 0 tokens per second. Both agents of a run start at one
instant (the stamps agree to a few ms), so instants of both stand on one time axis.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import pandas as pd

from dualollama_pipeline.core.records import FailureKind, Origin, Status
from dualollama_pipeline.metrics.call import is_degenerate, repetition_ratio
from dualollama_pipeline.metrics.run import balance_efficiency_pct, balance_speedup
from dualollama_pipeline.tables.rows import Row
from dualollama_pipeline.tables.usual import warm_limit_ms
from dualollama_pipeline.tr114.imported.overlap import CallTimes, split
from dualollama_pipeline.tr114.schemas_published import IMPORTED_CALLS, IMPORTED_RUNS

if TYPE_CHECKING:
    from dualollama_pipeline.tr114.imported.artifacts import LlmCall, OriginalAgent
    from dualollama_pipeline.tr114.imported.folder import RunFile, RunFolder

NAN = float("nan")
ROLES, STAGES = ("collector", "insight"), ("analysis", "report")
CONNECTION_MS = 100.0  # warm calls: 3 to 15 ms before load and prompt; a connection: 309 to 362
NANOSECOND_MS = 1e-6  # the servers' counters know nothing shorter


def build_imported_calls(folder: RunFolder | None) -> pd.DataFrame:
    """Lay out every call of every run; without an import the table is empty."""
    rows = [row for run in folder.runs for row in _calls(run, folder.source)] if folder else []
    _mark_reloads(rows)
    return _frame(rows, list(IMPORTED_CALLS.columns))


def build_imported_runs(folder: RunFolder | None, calls: pd.DataFrame) -> pd.DataFrame:
    """Lay out every run: as the original scored it, and ours beside it."""
    if folder is None:
        return _frame([], list(IMPORTED_RUNS.columns))
    of_run: defaultdict[tuple[str, int], list[Row]] = defaultdict(list)
    for record in calls.astype(object).to_dict("records"):
        row = {str(name): value for name, value in record.items()}
        of_run[row["config_id"], row["run_number"]].append(row)
    rows = [_run(run, folder.source, of_run[run.key]) for run in folder.runs]
    return _frame(rows, list(IMPORTED_RUNS.columns))


def _frame(rows: list[Row], columns: list[str]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=columns)


def _where(run: RunFile, source: str) -> Row:
    return {
        "origin": Origin.IMPORTED.value,
        "source": source,
        "config_id": run.config_id,
        "scenario": run.artifact.scenario,
        "run_number": run.artifact.run_number,
    }


def _calls(run: RunFile, source: str) -> list[Row]:
    windows = {role: _windows(agent) for role, agent in run.artifact.agents}
    rows = []
    for role, agent in run.artifact.agents:
        (partner,) = (windows[other] for other in windows if other != role)
        busy = [window.busy for window in partner]
        for call, window in zip(agent.result.llm_calls, windows[role], strict=True):
            alone_s, together_s = split(window.decode, busy)
            rows.append(
                {
                    **_where(run, source),
                    "role": role,
                    **_asked(agent, call),
                    **_counters(call),
                    "start_s": window.start,
                    "together_s": together_s,
                    "alone_s": alone_s,
                }
            )
    return rows


def _windows(agent: OriginalAgent) -> list[CallTimes]:
    """Place the agent's calls after its start.

    The analysis follows the ingest, the report ends the workflow.
    """
    workflow = agent.result.workflow
    starts = {
        "analysis": workflow.ingest_seconds,
        "report": max(0.0, workflow.total_seconds - workflow.report_seconds),
    }
    windows = []
    for call in agent.result.llm_calls:
        start, metrics = starts[call.stage], call.metrics
        first = start + metrics.ttft_ms / 1000
        end = max(first, start + metrics.total_duration_ms / 1000)
        prompt = max(start, first - metrics.prompt_eval_duration_ms / 1000)
        windows.append(CallTimes(start, prompt, first, end))
    return windows


def _asked(agent: OriginalAgent, call: LlmCall) -> Row:
    options = agent.config.options
    return {
        "server": agent.config.base_url,
        "model": agent.config.model,
        "stage": call.stage,
        "num_gpu": options.num_gpu,
        "num_ctx": options.num_ctx,
        "temperature": _or_nan(options.temperature),
        "top_p": _or_nan(options.top_p),
        "top_k": options.top_k,
        "repeat_penalty": _or_nan(options.repeat_penalty),
    }


def _or_nan(value: float | None) -> float:
    return NAN if value is None else value


def _counters(call: LlmCall) -> Row:
    metrics, ratio = call.metrics, repetition_ratio(call.response)
    ok = metrics.has_final_record
    load, prompt = metrics.load_duration_ms, metrics.prompt_eval_duration_ms
    decode = metrics.eval_duration_ms
    return {
        "status": (Status.OK if ok else Status.FAILED).value,
        "failure_kind": None if ok else FailureKind.TRUNCATED.value,
        "failure_text": None
        if ok
        else f"no final record: {len(call.response)} characters in "
        f"{metrics.total_duration_ms / 1000:.1f} s, and no counter",
        "ttft_ms": metrics.ttft_ms if metrics.ttft_ms > 0 else NAN,
        "total_ms": metrics.total_duration_ms if ok else NAN,
        "load_ms": load if ok else NAN,
        "prompt_eval_ms": prompt if ok else NAN,
        "eval_ms": decode if ok else NAN,
        "residual_ms": metrics.total_duration_ms - load - prompt - decode if ok else NAN,
        "connect_ms": metrics.ttft_ms - load - prompt if ok else NAN,
        "n_tokens": metrics.tokens_generated if ok else None,
        "tok_per_s": metrics.tokens_generated / (decode / 1000)
        if ok and decode >= NANOSECOND_MS
        else NAN,
        "reported_tok_per_s": metrics.throughput_tokens_per_sec,
        "reported_total_ms": metrics.total_duration_ms,
        "n_text_chars": len(call.response),
        "repetition_ratio": ratio,
        "is_degenerate": is_degenerate(ratio),
        "has_connection_setup": metrics.ttft_ms - load - prompt > CONNECTION_MS if ok else None,
    }


def _mark_reloads(rows: list[Row]) -> None:
    """A load well above the usual one loaded the model (the limit of tables/validity.py).

    The usual load is that of all calls: where every run begins cold, half of one configuration's
    calls could be loads.
    """
    loads = pd.Series([row["load_ms"] for row in rows], dtype="float64")
    limit_ms = warm_limit_ms(float(loads.median()))
    for row in rows:
        row["is_reload"] = row["load_ms"] > limit_ms if row["status"] == Status.OK else None


def _run(run: RunFile, source: str, calls: list[Row]) -> Row:
    artifact = run.artifact
    collector_s, insight_s = (agent.execution_time_s for _, agent in artifact.agents)
    failed = [call for call in calls if call["status"] != Status.OK]
    n_failed = len(failed) + len(_missing(calls))
    loops = [call for call in calls if call["is_degenerate"]]
    reloads = [call for call in calls if call["is_reload"] is True]
    first = {call["role"] for call in reloads if call["stage"] == "analysis"}
    wall_s = NAN if n_failed else artifact.summary.concurrent_wall_time_s
    speedup = balance_speedup((collector_s, insight_s), wall_s)
    system = artifact.collector.result.system_info
    return {
        **_where(run, source),
        "file": run.file,
        "sha256": run.sha256,
        "ended_at": artifact.ended_at.isoformat(),
        "software": f"os {system.os or 'unknown'}, rust {system.rust_version or 'unknown'}",
        "status": (Status.FAILED if n_failed else Status.OK).value,
        "validity_reasons": "; ".join(_reasons(calls, len(first) == 1)),
        **_reported(run),
        "collector_s": collector_s,
        "insight_s": insight_s,
        "identity_efficiency_pct": 100
        - 50 * abs(collector_s - insight_s) / max(collector_s, insight_s),
        "wall_s": wall_s,
        "balance_speedup": speedup,
        "balance_efficiency_pct": balance_efficiency_pct(speedup, 2),
        **_rates(calls),
        "n_failed_calls": n_failed,
        "n_degenerate_calls": len(loops),
        "n_reloads": len(reloads),
        "is_one_sided_reload": len(first) == 1,
        "is_clean": not n_failed and not loops and not reloads,
    }


def _reported(run: RunFile) -> Row:
    summary = run.artifact.summary
    return {
        "reported_speedup": summary.concurrency_speedup,
        "reported_efficiency_pct": summary.efficiency_percent,
        "reported_wall_s": summary.concurrent_wall_time_s,
        "reported_sequential_s": summary.sequential_estimated_s,
        "reported_throughput_delta_tok_per_s": summary.throughput_delta,
        "reported_ttft_delta_ms": summary.ttft_delta_ms,
        "reported_collector_tok_per_s": summary.collector_throughput,
        "reported_insight_tok_per_s": summary.insight_throughput,
        "reported_collector_ttft_ms": summary.collector_ttft_ms,
        "reported_insight_ttft_ms": summary.insight_ttft_ms,
        "reported_contention": summary.resource_contention_detected,
    }


def _missing(calls: list[Row]) -> list[tuple[str, str]]:
    """Return the calls that a run should have and has not."""
    present = {(call["role"], call["stage"]) for call in calls}
    return [(role, stage) for role in ROLES for stage in STAGES if (role, stage) not in present]


def _rates(calls: list[Row]) -> Row:
    """Return each agent's mean rate; null where a call of it failed or is missing."""
    rate = {role: _mean(calls, role, "tok_per_s") for role in ROLES}
    ttft = {role: _mean(calls, role, "ttft_ms") for role in ROLES}
    return {
        "collector_tok_per_s": rate["collector"],
        "insight_tok_per_s": rate["insight"],
        "collector_minus_insight_tok_per_s": rate["collector"] - rate["insight"],
        "ttft_delta_ms": ttft["collector"] - ttft["insight"],
    }


def _mean(calls: list[Row], role: str, name: str) -> float:
    mine = [call for call in calls if call["role"] == role]
    if len(mine) < len(STAGES) or any(call["status"] != Status.OK for call in mine):
        return NAN
    return float(sum(float(call[name]) for call in mine) / len(mine))


def _reasons(calls: list[Row], one_sided: bool) -> list[str]:
    reasons = []
    for call in calls:
        name = f"{call['role']} {call['stage']}"
        if call["status"] != Status.OK:
            reasons.append(f"{name} failed ({call['failure_text']})")
        if call["is_degenerate"]:
            reasons.append(f"{name}: ends in a loop (shortened {call['repetition_ratio']:.0f} x)")
        if call["is_reload"] is True:
            reasons.append(f"{name}: cold load of {call['load_ms']:.0f} ms")
        if call["has_connection_setup"] is True:
            reasons.append(f"{name}: connection set-up inside the TTFT")
    reasons += [f"{role} {stage} is missing" for role, stage in _missing(calls)]
    if one_sided:
        reasons.append("one agent loaded its model, the other did not")
    return reasons
