"""The measured tables' columns: type, unit, range, meaning, and what must hold between columns.

Strict: an unknown or missing column is refused. A table without rows is legal: nothing was measured
yet, or nothing counts. A float column that may be missing is null there, never zero; the row's
status and reasons say why.
"""

from __future__ import annotations

import pandera.pandas as pa

from dualollama_pipeline.core.records import FailureKind, Origin, Status
from dualollama_pipeline.core.study import TOGETHER
from dualollama_pipeline.metrics.catalog import METRICS
from dualollama_pipeline.tables.columns import Relation, count, flag, near, number, table, text

VALIDITIES = ("VALID", "WARN", "INVALID")

_WHERE = {
    "origin": text("simulated, measured or imported", among=Origin),
    "batch_id": text("campaign that this row belongs to"),
    "config_id": text("configuration of the study, the partition"),
    "scenario": text("scenario of the report"),
    "workload": text("standard or parity, and whether its length was held"),
    "effective_class": text("what the servers really ran; equal texts are equal", null=True),
    "block": count("repetition of all arms, from 1", least=1),
}
_OF_A_BLOCK = ("effective_class", "block")
_TRIAL = {
    "trial_id": text("one arm of one block"),
    "arm": text("solo_<agent>, apart or shared"),
    "attempt": count("which attempt at the trial, from 1", least=1),
}
_JUDGED = {
    "status": text("ok, failed, interrupted or skipped", among=Status),
    "validity": text("VALID, WARN or INVALID (kept, counted, left out)", among=VALIDITIES),
    "validity_reasons": text("why not VALID; empty if it is"),
}


def _metrics_of(name: str) -> dict[str, pa.Column]:
    """Return the columns of the ratios that the catalog places in a table."""
    return {each.name: number(each.formula) for each in METRICS if each.table == name}


CALL_TABLE = table(
    "call_table",
    {
        **_WHERE,
        **_TRIAL,
        "trial_order": count("position of the trial in the plan, from 0"),
        "submission_order": count("position of the agent in its trial, from 0"),
        "started_at": text("host's wall clock at the start of the attempt"),
        "ingest_s": number("seconds to read the corpus, on the host", null=False),
        "agent": text("agent of the study"),
        "server": text("server that was asked"),
        "model": text("model that was asked"),
        "model_digest": text("digest of its weights on that server"),
        "server_version": text("Ollama version of the server"),
        "simulated_by": text("simulator and profile that announced itself", null=True),
        "stage": text("analysis or report"),
        **_JUDGED,
        "failure_kind": text("kind of failure", among=FailureKind, null=True),
        "failure_text": text("what went wrong", null=True),
        "http_status": count("HTTP status of a failed call", null=True),
        "num_gpu": count("layers asked for; null is the server's default", least=-1, null=True),
        "num_ctx": count("context asked for, tokens; null is the server's default", null=True),
        "temperature": number("temperature asked for; null is the server's default"),
        "top_p": number("top_p asked for; null is the server's default"),
        "top_k": count("top_k asked for; null is the server's default", null=True),
        "repeat_penalty": number("penalty asked for; null is the server's default"),
        "effective_num_gpu": count("layers on the GPU; null where not shown", null=True),
        "effective_num_ctx": count("context in effect, tokens; null where not shown", null=True),
        "num_predict": count("most tokens asked for; null is no limit", null=True),
        "think": flag("told to think before it answers; null is told nothing", null=True),
        "turns_before": count("turns of the conversation before it"),
        "is_live": flag("the conversation goes on from what the model said"),
        "sent_ms": number("request sent, after the trial's first request"),
        "end_ms": number("final record, after the trial's first request; null unless ok"),
        "ttft_ms": number("request to the first record with text"),
        "ttfo_ms": number("request to the first answer text (thinking left out)"),
        "total_ms": number("request to the final record, at the client; null unless ok"),
        "server_total_ms": number("the server's total_duration"),
        "load_ms": number("the server's load_duration"),
        "prompt_eval_ms": number("the server's prompt_eval_duration"),
        "eval_ms": number("the server's eval_duration"),
        "queue_ms": number("server total - load - prompt - eval", least=None),
        "n_prompt_tokens": count("the server's prompt_eval_count", null=True),
        "n_cached_prompt_tokens": count("of these from the cache, if the server says", null=True),
        "n_tokens": count("the server's eval_count", null=True),
        "done_reason": text("why generation ended", null=True),
        "decode_tok_per_s": number("eval_count / eval_duration; null below 32 tokens"),
        "tpot_ms": number("(total - TTFT) / (tokens - 1); null below 32 tokens"),
        "n_chunks": count("records with text; not tokens"),
        "gap_p50_ms": number("median time between records with text"),
        "gap_p99_ms": number("99th percentile of the same"),
        "gap_max_ms": number("longest of the same"),
        "max_lines_per_read": count("records that shared one read, at most", null=True),
        "stamps_in_order": flag("every instant is at or after the one before it"),
        "is_reload": flag("the model was loaded inside this call", null=True),
        "is_clumped": flag("its records came in clumps: TTFT and token times are not known"),
        "n_text_chars": count("characters of the answer"),
        "n_thinking_chars": count("characters of the thinking before it"),
        "n_thinking_tokens": number("of the tokens, those of thinking, by their records"),
        "window_ms": number("pairs: the agent's first request to the first agent's end"),
        "window_tokens": number("of its tokens, those made by then"),
        "window_prompt_share": number("of its prompt, what was read by then, 0 to 1"),
        "overlap_ms": number("pairs: its decoding while all agents decode"),
        "overlap_tokens": number("tokens made meanwhile"),
        "repetition_ratio": number("zlib ratio of its second half; null below 400 characters"),
        "is_degenerate": flag("the answer ends in a loop (ratio above 8)"),
    },
    Relation("ttft_ms <= total_ms", lambda df: ~(df["ttft_ms"] > df["total_ms"])),
    Relation(
        "an ok call has its tokens, its times and no failure",
        lambda df: (
            df["status"].ne("ok")
            | df[["n_tokens", "total_ms"]].notna().all(axis=1)
            # Ollama 0.25 leaves it out for one token, its /v1 and vLLM tell no times at all
            & (df["eval_ms"].notna() | df["n_tokens"].eq(1) | df["server_total_ms"].isna())
            & df["failure_kind"].isna()
        ),
    ),
    Relation(
        "a failed call names its kind",
        lambda df: df["status"].ne("failed") | df["failure_kind"].notna(),
    ),
)

CELL_TABLE = table(
    "cell_table",
    {
        **{name: column for name, column in _WHERE.items() if name not in _OF_A_BLOCK},
        "arm": _TRIAL["arm"],
        "isolation": text("what was done to a model between configurations"),
        "n_planned": count("trials of the plan", least=1),
        "n_ok": count("of these: every call answered"),
        "n_failed": count("of these: ended with a failed call"),
        "n_interrupted": count("of these: we were stopped"),
        "n_skipped": count("of these: never attempted"),
        "server_versions": text("Ollama version of each server", null=True),
        "model_digests": text("digest of the weights on each server", null=True),
        "placements": text("share of the model in GPU memory, and who says so", null=True),
        "contexts": text("context length in effect on each server", null=True),
        "gpu_uuids": text("GPUs of each server's processes", null=True),
        "max_round_trip_ms": number("a request that a server answers at once, worst server"),
        "n_calls": count("calls of all attempts"),
        "n_failed_calls": count("of these: failed"),
        "n_cold_calls": count("of these: loaded the model"),
        "n_early_stops": count("of these: ended by themselves, done_reason stop"),
        "max_loop_lag_p99_ms": number("P99 lateness of the event loop, worst trial"),
        "max_clock_drift_ms": number("wall clock against monotonic clock, worst trial"),
        "drift_share": number("Theil-Sen slope of wall time x span of order / median", least=None),
        "ruler_ttft_error_median_ms": number("error of our own TTFT stamps, median", least=None),
        "ruler_ttft_error_max_ms": number("the same, largest", least=None),
        "ruler_gap_error_p95_ms": number("error of our own gaps, P95"),
        "ruler_rate_error_pct": number("error of our own rates, median"),
        "validity": _JUDGED["validity"],
        "validity_reasons": _JUDGED["validity_reasons"],
    },
    Relation(
        "n_planned = n_ok + n_failed + n_interrupted + n_skipped",
        lambda df: df["n_planned"].eq(
            df[["n_ok", "n_failed", "n_interrupted", "n_skipped"]].sum(axis=1)
        ),
    ),
)

AGENT_TABLE = table(
    "agent_table",
    {
        **_WHERE,
        **_TRIAL,
        "agent": text("agent of the study"),
        "server": text("server that was asked"),
        **_JUDGED,
        "start_ms": number("first request sent, after the trial's first request"),
        "end_ms": number("last final record, after the trial's first request"),
        "duration_s": number("first request to last final record: t_A or t_B"),
        "ingest_s": number("seconds to read the corpus, on the host"),
        "workflow_s": number("ingest + duration"),
        "mean_decode_tok_per_s": number("mean of the calls' decode rates"),
        "sd_decode_tok_per_s": number("standard deviation (ddof 1) of the same"),
        "mean_ttft_ms": number("mean of the calls' TTFT"),
        "sd_ttft_ms": number("standard deviation (ddof 1) of the same"),
        "wall_tok_per_s": number("tokens / duration"),
        "n_tokens": count("tokens of all calls", null=True),
        "load_ms": number("sum of load times"),
        "prompt_eval_ms": number("sum of prompt times"),
        "eval_ms": number("sum of decode times"),
        "queue_ms": number("sum of times that no counter explains", least=None),
        "n_reloads": count("calls that loaded the model", null=True),
        "reload_ms": number("load time of those calls"),
        **_metrics_of("agent_table"),
    },
    Relation(
        "workflow_s = ingest_s + duration_s",
        lambda df: near(df["workflow_s"], df["ingest_s"] + df["duration_s"]),
    ),
)

RUN_TABLE = table(
    "run_table",
    {
        **_WHERE,
        **_TRIAL,
        "trial_order": count("position of the trial in the plan, from 0"),
        **_JUDGED,
        "n_agents": count("agents in this trial", least=1),
        "wall_s": number("first request to last final record"),
        "sequential_s": number("sum of the agents' durations while together"),
        "balance_speedup": number("sequential_s / wall_s; the report's speedup"),
        "balance_efficiency_pct": number("100 x balance_speedup / agents; the report's figure"),
        "tok_per_s_delta": number("mean decode rate, first agent - second; of two", least=None),
        "ttft_delta_ms": number("mean TTFT, first agent - second; of two", least=None),
        "start_skew_ms": number("between the agents' first requests"),
        "window_s": number("pairs: the time in which all agents run"),
        "decode_overlap": number("common part of the decode windows, 0 to 1"),
        "shared_mode": text("queued or batched, from the overlap", null=True),
        "n_tokens": count("tokens of all agents", null=True),
        "queue_ms": number("sum of times that no counter explains", least=None),
        "n_reloads": count("calls that loaded the model", null=True),
        "reload_ms": number("load time of those calls"),
        "ttft_contention": flag("TTFT > solo median + 3000 ms (the report)", null=True),
        "balance_contention": flag("of two agents: balance speedup < 1.5 (its program)", null=True),
        "slowdown_contention": flag("slowdown > 2 x the median", null=True),
    },
    Relation(
        "balance_efficiency_pct = 100 * balance_speedup / n_agents",
        lambda df: near(
            df["balance_efficiency_pct"],
            100 * df["balance_speedup"] / df["n_agents"].astype("float64"),
        ),
    ),
    Relation(
        "balance_speedup * wall_s = sequential_s",
        lambda df: near(df["balance_speedup"] * df["wall_s"], df["sequential_s"]),
    ),
)

BLOCK_TABLE = table(
    "block_table",
    {
        **_WHERE,
        "arm": text("apart or shared", among=TOGETHER),
        **_JUDGED,
        "n_agents": count("agents of the arm", least=1),
        "wall_s": number("wall time of the arm"),
        "in_turn_s": number("solo time of the work that it did: one after the other"),
        **_metrics_of("block_table"),
        "exact_speedup": number("sum of the solo walls / wall time; null where the work differs"),
        "window_share": number("the time in which all agents run / wall time"),
        "prompt_share": number("of the work in the window, the share that was prompts"),
        "n_reloads": count("model loads inside the arm's trial", null=True),
        "counts": flag("the arm and its solo arms are sound"),
        "exclusion_reason": text("why it does not count; empty if it does"),
        "null_reason": text("why a value of what counts is null; empty if none is"),
    },
    Relation(
        "true_speedup = ideal_speedup * parallel_efficiency",
        lambda df: near(df["true_speedup"], df["ideal_speedup"] * df["parallel_efficiency"]),
    ),
    Relation(
        "true_speedup * wall_s = in_turn_s",
        lambda df: near(df["true_speedup"] * df["wall_s"], df["in_turn_s"]),
    ),
)


MEASURED_TABLES = (CALL_TABLE, CELL_TABLE, AGENT_TABLE, RUN_TABLE, BLOCK_TABLE)
