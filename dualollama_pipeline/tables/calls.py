"""From the journal to `call_table`: a row for every call of every attempt, sent or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dualollama_pipeline.core.errors import JournalError
from dualollama_pipeline.core.records import Status
from dualollama_pipeline.core.units import NS_PER_MS
from dualollama_pipeline.metrics.call import (
    decode_tok_per_s,
    is_degenerate,
    queue_ms,
    repetition_ratio,
    time_per_output_token_ms,
)
from dualollama_pipeline.metrics.window import is_clumped
from dualollama_pipeline.tables.effective import mark_effective
from dualollama_pipeline.tables.guards import MIN_TOKENS, verdict
from dualollama_pipeline.tables.shared_window import NO_WINDOW, window_facts
from dualollama_pipeline.tables.usual import mark_reloads, usual_of
from dualollama_pipeline.tables.validity import call_findings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dualollama_pipeline.core.plan import Plan
    from dualollama_pipeline.core.records import CallRecord, TrialRecord
    from dualollama_pipeline.tables.rows import Row
    from dualollama_pipeline.worker.journal import Journal

NAN = float("nan")
NOT_ASKED = {"num_predict": None, "turns_before": 0, "is_live": False, "think": None}
UNSEEN = {"model_digest": "not seen", "server_version": "not seen", "simulated_by": None}


def _or_nan(value: float | None) -> float:
    return NAN if value is None else float(value)


def _ms(value_ns: float | None) -> float:
    return _or_nan(value_ns) / NS_PER_MS


def build_calls(journal: Journal) -> list[Row]:
    """Lay out the calls of a journal.

    Raises:
        JournalError: the journal holds no trial yet.
    """
    if journal.batch is None or not journal.trials:
        raise JournalError(
            f"{journal.path}: no trial is recorded yet", "materialize benchmark_trials first"
        )
    plan, software = journal.batch.plan, _software(journal)
    asked = _asked(plan)
    rows = [
        {
            "origin": journal.origin.value,
            **_trial_columns(plan, trial),
            **_call_columns(trial, call),
            **asked.get((trial.trial_id, call.agent, call.stage), NOT_ASKED),
            **facts.get((call.agent, call.stage), NO_WINDOW),
            **software.get((call.server, call.model), UNSEEN),
        }
        for trial in journal.trials
        for facts in [window_facts(trial)]
        for call in trial.calls
    ]
    mark_reloads(rows, journal)
    mark_effective(rows, journal)
    usual = usual_of(rows)
    for row in rows:
        row["validity"], row["validity_reasons"] = verdict(call_findings(row, usual))
    return rows


def _asked(plan: Plan) -> dict[tuple[str, str, str], dict[str, Any]]:
    return {
        (trial.trial_id, agent.name, stage.name): {
            "num_predict": stage.num_predict,
            "turns_before": len(stage.said),
            "is_live": agent.is_live,
            "think": agent.think,
        }
        for trial in plan.trials
        for agent in trial.agents
        for stage in agent.stages
    }


def _software(journal: Journal) -> dict[tuple[str, str], dict[str, Any]]:
    """What each (server, model) was; the worker holds it constant over a batch."""
    return {
        (server.server, server.model): {
            "model_digest": server.digest,
            "server_version": server.version,
            "simulated_by": server.simulated_by,
        }
        for record in journal.identities
        for server in record.servers
    }


def _trial_columns(plan: Plan, trial: TrialRecord) -> dict[str, Any]:
    return {
        "batch_id": plan.batch_id,
        "config_id": plan.config_id,
        "scenario": plan.scenario,
        "workload": plan.work,
        "ingest_s": plan.ingest_s,
        "block": trial.block,
        "trial_id": trial.trial_id,
        "arm": trial.arm,
        "attempt": trial.attempt,
        "trial_order": trial.order,
        "started_at": trial.started_at,
    }


def _call_columns(trial: TrialRecord, call: CallRecord) -> dict[str, Any]:
    agents = list(dict.fromkeys(other.agent for other in trial.calls))
    failure, ratio = call.failure, repetition_ratio(call.text)
    clumped = is_clumped(call.chunk_ns)
    return {
        "submission_order": agents.index(call.agent),
        "agent": call.agent,
        "server": call.server,
        "model": call.model,
        "stage": call.stage,
        "status": call.status.value,
        "failure_kind": None if failure is None else failure.kind.value,
        "failure_text": None if failure is None else failure.text,
        "http_status": None if failure is None else failure.http_status,
        "num_gpu": call.options.get("num_gpu"),
        "num_ctx": call.options.get("num_ctx"),
        "top_k": call.options.get("top_k"),
        **{
            name: _or_nan(call.options.get(name))
            for name in ("temperature", "top_p", "repeat_penalty")
        },
        "stamps_in_order": _stamps_in_order(call),
        "n_text_chars": len(call.text),
        "n_thinking_chars": len(call.thinking),
        "n_thinking_tokens": _thinking_tokens(call),
        "repetition_ratio": ratio,
        "is_degenerate": is_degenerate(ratio),
        "is_clumped": clumped,
        **_client_times(call, clumped=clumped),
        **_server_counters(call, clumped=clumped),
        **_gaps(call.chunk_ns),
    }


def _client_times(call: CallRecord, *, clumped: bool) -> dict[str, Any]:
    # when a failed call was given up is no end of an answer; the journal keeps it
    end_ns = call.end_ns if call.status is Status.OK else None
    # a buffer in between holds the first pieces back: when they were made is not known
    first_ns, answer_ns = (None, None) if clumped else (call.first_token_ns, call.first_answer_ns)
    return {
        "sent_ms": _ms(call.sent_ns),
        "end_ms": _ms(end_ns),
        # differences of integers, then one division: equal durations stay equal to the last bit
        "ttft_ms": _ms(_since(call.sent_ns, first_ns)),
        "ttfo_ms": _ms(_since(call.sent_ns, answer_ns)),
        "total_ms": _ms(_since(call.sent_ns, end_ns)),
    }


def _thinking_tokens(call: CallRecord) -> float:
    """Return how many tokens were thinking, by their share of the records; nan without a count.

    The server counts them with those of the answer.
    """
    if not call.thinking:
        return 0.0
    end_ns = call.first_answer_ns
    before = [at for at in call.chunk_ns if end_ns is None or at < end_ns]
    return _or_nan(call.counters.eval_count) * len(before) / len(call.chunk_ns)


def _stamps_in_order(call: CallRecord) -> bool:
    """Say whether every instant of a call is at or after the one before it."""
    instants = [call.sent_ns, *call.chunk_ns, call.end_ns]
    known = [instant for instant in instants if instant is not None]
    return known == sorted(known)


def _since(start_ns: int | None, instant_ns: int | None) -> int | None:
    return None if start_ns is None or instant_ns is None else instant_ns - start_ns


def _server_counters(call: CallRecord, *, clumped: bool) -> dict[str, Any]:
    counters = call.counters
    eval_count, eval_ns = _or_nan(counters.eval_count), _or_nan(counters.eval_duration)
    enough = eval_count if eval_count >= MIN_TOKENS else NAN  # a rate of fewer tokens is noise
    total_ns, load_ns = _or_nan(counters.total_duration), _or_nan(counters.load_duration)
    prompt_ns = _or_nan(counters.prompt_eval_duration)
    total_ms = _ms(_since(call.sent_ns, call.end_ns))
    ttft_ms = _ms(_since(call.sent_ns, call.first_token_ns))
    return {
        "server_total_ms": total_ns / NS_PER_MS,
        "load_ms": load_ns / NS_PER_MS,
        "prompt_eval_ms": prompt_ns / NS_PER_MS,
        "eval_ms": eval_ns / NS_PER_MS,
        "queue_ms": queue_ms(total_ns, load_ns, prompt_ns, eval_ns),
        "n_prompt_tokens": counters.prompt_eval_count,
        "n_cached_prompt_tokens": counters.prompt_eval_cached_count,
        "n_tokens": counters.eval_count,
        "done_reason": counters.done_reason,
        "decode_tok_per_s": decode_tok_per_s(enough, eval_ns),
        "tpot_ms": NAN if clumped else time_per_output_token_ms(total_ms, ttft_ms, enough),
        "max_lines_per_read": call.max_lines_per_read,
    }


def _gaps(chunk_ns: Sequence[int]) -> dict[str, Any]:
    """Times between records with text; null for fewer than two."""
    gaps_ms = np.diff(np.asarray(chunk_ns, dtype="int64")) / NS_PER_MS
    some = len(gaps_ms) > 0
    return {
        "n_chunks": len(chunk_ns),
        "gap_p50_ms": float(np.quantile(gaps_ms, 0.50)) if some else NAN,
        "gap_p99_ms": float(np.quantile(gaps_ms, 0.99)) if some else NAN,
        "gap_max_ms": float(gaps_ms.max()) if some else NAN,
    }
