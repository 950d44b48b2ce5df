"""The tables' columns: type, unit, range, meaning, and what must hold between columns.

Strict: an unknown or missing column is refused. A table without rows is legal: nothing was measured
yet, or nothing counts. A float column that may be missing is null there, never zero; the row's
status and reasons say why.
"""

from __future__ import annotations

from functools import cache

import pandas as pd
import pandera.pandas as pa

from dualollama_pipeline.core.errors import TableError
from dualollama_pipeline.core.records import FailureKind, Origin, Status
from dualollama_pipeline.core.study import TOGETHER
from dualollama_pipeline.metrics.catalog import METRICS
from dualollama_pipeline.tables.columns import count as _count
from dualollama_pipeline.tables.columns import flag as _flag
from dualollama_pipeline.tables.columns import holds as _holds
from dualollama_pipeline.tables.columns import near as _near
from dualollama_pipeline.tables.columns import number as _number
from dualollama_pipeline.tables.columns import table as _table
from dualollama_pipeline.tables.columns import text as _text
from dualollama_pipeline.tables.decisions import DECISION_TABLES
from dualollama_pipeline.tables.estimates import ESTIMATE_TABLES
from dualollama_pipeline.tables.published import PUBLISHED_TABLES
from dualollama_pipeline.tables.rows import NUMBERS

VALIDITIES = ("VALID", "WARN", "INVALID")

_WHERE = {
    "origin": _text("simulated, measured or imported", among=Origin),
    "batch_id": _text("campaign that this row belongs to"),
    "config_id": _text("configuration of the matrix, the partition"),
    "scenario": _text("scenario of the report"),
    "workload": _text("standard or parity, and whether its length was held"),
    "effective_class": _text("what the servers really ran; equal texts are equal", null=True),
    "block": _count("repetition of all arms, from 1", least=1),
}
_OF_A_BLOCK = ("effective_class", "block")
_TRIAL = {
    "trial_id": _text("one arm of one block"),
    "arm": _text("solo_<agent>, apart or shared"),
    "attempt": _count("which attempt at the trial, from 1", least=1),
}
_JUDGED = {
    "status": _text("ok, failed, interrupted or skipped", among=Status),
    "validity": _text("VALID, WARN or INVALID (kept, counted, left out)", among=VALIDITIES),
    "validity_reasons": _text("why not VALID; empty if it is"),
}


def _metrics_of(table: str) -> dict[str, pa.Column]:
    """Return the columns of the ratios that the catalog places in a table."""
    return {each.name: _number(each.formula) for each in METRICS if each.table == table}


CALL_TABLE = _table(
    "call_table",
    {
        **_WHERE,
        **_TRIAL,
        "trial_order": _count("position of the trial in the plan, from 0"),
        "submission_order": _count("position of the agent in its trial, from 0"),
        "started_at": _text("host's wall clock at the start of the attempt"),
        "ingest_s": _number("seconds to read the corpus, on the host", null=False),
        "agent": _text("agent of the study"),
        "server": _text("server that was asked"),
        "model": _text("model that was asked"),
        "model_digest": _text("digest of its weights on that server"),
        "server_version": _text("Ollama version of the server"),
        "simulated_by": _text("simulator and profile that announced itself", null=True),
        "stage": _text("analysis or report"),
        **_JUDGED,
        "failure_kind": _text("kind of failure", among=FailureKind, null=True),
        "failure_text": _text("what went wrong", null=True),
        "http_status": _count("HTTP status of a failed call", null=True),
        "num_gpu": _count("layers asked for; null is the server's default", least=-1, null=True),
        "num_ctx": _count("context asked for, tokens; null is the server's default", null=True),
        "temperature": _number("temperature asked for; null is the server's default"),
        "top_p": _number("top_p asked for; null is the server's default"),
        "top_k": _count("top_k asked for; null is the server's default", null=True),
        "repeat_penalty": _number("penalty asked for; null is the server's default"),
        "effective_num_gpu": _count("layers on the GPU; null where not shown", null=True),
        "effective_num_ctx": _count("context in effect, tokens; null where not shown", null=True),
        "num_predict": _count("most tokens asked for; null is no limit", null=True),
        "sent_ms": _number("request sent, after the trial's first request"),
        "end_ms": _number("final record, after the trial's first request; null unless ok"),
        "ttft_ms": _number("request to the first record with text"),
        "ttfo_ms": _number("request to the first answer text (thinking left out)"),
        "total_ms": _number("request to the final record, at the client; null unless ok"),
        "server_total_ms": _number("the server's total_duration"),
        "load_ms": _number("the server's load_duration"),
        "prompt_eval_ms": _number("the server's prompt_eval_duration"),
        "eval_ms": _number("the server's eval_duration"),
        "queue_ms": _number("server total - load - prompt - eval", least=None),
        "n_prompt_tokens": _count("the server's prompt_eval_count", null=True),
        "n_cached_prompt_tokens": _count("of these from the cache, if the server says", null=True),
        "n_tokens": _count("the server's eval_count", null=True),
        "done_reason": _text("why generation ended", null=True),
        "decode_tok_per_s": _number("eval_count / eval_duration; null below 32 tokens"),
        "tpot_ms": _number("(total - TTFT) / (tokens - 1); null below 32 tokens"),
        "n_chunks": _count("records with text; not tokens"),
        "gap_p50_ms": _number("median time between records with text"),
        "gap_p99_ms": _number("99th percentile of the same"),
        "gap_max_ms": _number("longest of the same"),
        "max_lines_per_read": _count("records that shared one read, at most", null=True),
        "stamps_in_order": _flag("every instant is at or after the one before it"),
        "is_reload": _flag("the model was loaded inside this call", null=True),
        "is_clumped": _flag("its records came in clumps: TTFT and token times are not known"),
        "n_text_chars": _count("characters of the answer"),
        "n_thinking_chars": _count("characters of the thinking before it"),
        "window_ms": _number("pairs: the agent's first request to the first agent's end"),
        "window_tokens": _number("of its tokens, those made by then"),
        "window_prompt_share": _number("of its prompt, what was read by then, 0 to 1"),
        "overlap_ms": _number("pairs: its decoding while all agents decode"),
        "overlap_tokens": _number("tokens made meanwhile"),
        "repetition_ratio": _number("zlib ratio of its second half; null below 400 characters"),
        "is_degenerate": _flag("the answer ends in a loop (ratio above 8)"),
    },
    _holds("ttft_ms <= total_ms", lambda df: ~(df["ttft_ms"] > df["total_ms"])),
    _holds(
        "an ok call has its tokens, its times and no failure",
        lambda df: (
            df["status"].ne("ok")
            | df[["n_tokens", "total_ms"]].notna().all(axis=1)
            & (df["eval_ms"].notna() | df["n_tokens"].eq(1))  # Ollama 0.25 leaves it out for one
            & df["failure_kind"].isna()
        ),
    ),
    _holds(
        "a failed call names its kind",
        lambda df: df["status"].ne("failed") | df["failure_kind"].notna(),
    ),
)

CELL_TABLE = _table(
    "cell_table",
    {
        **{name: column for name, column in _WHERE.items() if name not in _OF_A_BLOCK},
        "arm": _TRIAL["arm"],
        "isolation": _text("what was done to a model between configurations"),
        "n_planned": _count("trials of the plan", least=1),
        "n_ok": _count("of these: every call answered"),
        "n_failed": _count("of these: ended with a failed call"),
        "n_interrupted": _count("of these: we were stopped"),
        "n_skipped": _count("of these: never attempted"),
        "server_versions": _text("Ollama version of each server", null=True),
        "model_digests": _text("digest of the weights on each server", null=True),
        "placements": _text("share of the model in GPU memory, and who says so", null=True),
        "contexts": _text("context length in effect on each server", null=True),
        "gpu_uuids": _text("GPUs of each server's processes", null=True),
        "max_round_trip_ms": _number("a request that a server answers at once, worst server"),
        "n_calls": _count("calls of all attempts"),
        "n_failed_calls": _count("of these: failed"),
        "n_cold_calls": _count("of these: loaded the model"),
        "n_early_stops": _count("of these: ended by themselves, done_reason stop"),
        "max_loop_lag_p99_ms": _number("P99 lateness of the event loop, worst trial"),
        "max_clock_drift_ms": _number("wall clock against monotonic clock, worst trial"),
        "drift_share": _number("Theil-Sen slope of wall time x span of order / median", least=None),
        "ruler_ttft_error_median_ms": _number("error of our own TTFT stamps, median", least=None),
        "ruler_ttft_error_max_ms": _number("the same, largest", least=None),
        "ruler_gap_error_p95_ms": _number("error of our own gaps, P95"),
        "ruler_rate_error_pct": _number("error of our own rates, median"),
        "validity": _JUDGED["validity"],
        "validity_reasons": _JUDGED["validity_reasons"],
    },
    _holds(
        "n_planned = n_ok + n_failed + n_interrupted + n_skipped",
        lambda df: df["n_planned"].eq(
            df[["n_ok", "n_failed", "n_interrupted", "n_skipped"]].sum(axis=1)
        ),
    ),
)

AGENT_TABLE = _table(
    "agent_table",
    {
        **_WHERE,
        **_TRIAL,
        "agent": _text("agent of the study"),
        "server": _text("server that was asked"),
        **_JUDGED,
        "start_ms": _number("first request sent, after the trial's first request"),
        "end_ms": _number("last final record, after the trial's first request"),
        "duration_s": _number("first request to last final record: t_A or t_B"),
        "ingest_s": _number("seconds to read the corpus, on the host"),
        "workflow_s": _number("ingest + duration"),
        "mean_decode_tok_per_s": _number("mean of the calls' decode rates"),
        "sd_decode_tok_per_s": _number("standard deviation (ddof 1) of the same"),
        "mean_ttft_ms": _number("mean of the calls' TTFT"),
        "sd_ttft_ms": _number("standard deviation (ddof 1) of the same"),
        "wall_tok_per_s": _number("tokens / duration"),
        "n_tokens": _count("tokens of all calls", null=True),
        "load_ms": _number("sum of load times"),
        "prompt_eval_ms": _number("sum of prompt times"),
        "eval_ms": _number("sum of decode times"),
        "queue_ms": _number("sum of times that no counter explains", least=None),
        "n_reloads": _count("calls that loaded the model", null=True),
        "reload_ms": _number("load time of those calls"),
        **_metrics_of("agent_table"),
    },
    _holds(
        "workflow_s = ingest_s + duration_s",
        lambda df: _near(df["workflow_s"], df["ingest_s"] + df["duration_s"]),
    ),
)

RUN_TABLE = _table(
    "run_table",
    {
        **_WHERE,
        **_TRIAL,
        "trial_order": _count("position of the trial in the plan, from 0"),
        **_JUDGED,
        "n_agents": _count("agents in this trial", least=1),
        "wall_s": _number("first request to last final record"),
        "sequential_s": _number("sum of the agents' durations while together"),
        "balance_speedup": _number("sequential_s / wall_s; the report's speedup"),
        "balance_efficiency_pct": _number("100 x balance_speedup / agents; the report's figure"),
        "tok_per_s_delta": _number("mean decode rate, first agent - second; of two", least=None),
        "ttft_delta_ms": _number("mean TTFT, first agent - second; of two", least=None),
        "start_skew_ms": _number("between the agents' first requests"),
        "window_s": _number("pairs: the time in which all agents run"),
        "decode_overlap": _number("common part of the decode windows, 0 to 1"),
        "shared_mode": _text("queued or batched, from the overlap", null=True),
        "n_tokens": _count("tokens of all agents", null=True),
        "queue_ms": _number("sum of times that no counter explains", least=None),
        "n_reloads": _count("calls that loaded the model", null=True),
        "reload_ms": _number("load time of those calls"),
        "ttft_contention": _flag("TTFT > solo median + 3000 ms (the report)", null=True),
        "balance_contention": _flag("balance speedup < 1.5 (its program)", null=True),
        "slowdown_contention": _flag("slowdown > 2 x the median", null=True),
    },
    _holds(
        "balance_efficiency_pct = 100 * balance_speedup / n_agents",
        lambda df: _near(
            df["balance_efficiency_pct"],
            100 * df["balance_speedup"] / df["n_agents"].astype("float64"),
        ),
    ),
    _holds(
        "balance_speedup * wall_s = sequential_s",
        lambda df: _near(df["balance_speedup"] * df["wall_s"], df["sequential_s"]),
    ),
)

BLOCK_TABLE = _table(
    "block_table",
    {
        **_WHERE,
        "arm": _text("apart or shared", among=TOGETHER),
        **_JUDGED,
        "wall_s": _number("wall time of the arm"),
        "in_turn_s": _number("solo time of the work that it did: one after the other"),
        **_metrics_of("block_table"),
        "exact_speedup": _number("sum of the solo walls / wall time; null where the work differs"),
        "window_share": _number("the time in which all agents run / wall time"),
        "prompt_share": _number("of the work in the window, the share that was prompts"),
        "n_reloads": _count("model loads inside the arm's trial", null=True),
        "counts": _flag("the arm and its solo arms are sound"),
        "exclusion_reason": _text("why it does not count; empty if it does"),
        "null_reason": _text("why a value of what counts is null; empty if none is"),
    },
    _holds(
        "true_speedup = ideal_speedup * parallel_efficiency",
        lambda df: _near(df["true_speedup"], df["ideal_speedup"] * df["parallel_efficiency"]),
    ),
    _holds(
        "true_speedup * wall_s = in_turn_s",
        lambda df: _near(df["true_speedup"] * df["wall_s"], df["in_turn_s"]),
    ),
)


MEASURED_TABLES = (CALL_TABLE, CELL_TABLE, AGENT_TABLE, RUN_TABLE, BLOCK_TABLE)
SCHEMAS: dict[str, pa.DataFrameSchema] = {
    schema.name: schema
    for schema in (
        *MEASURED_TABLES,
        *ESTIMATE_TABLES,
        *PUBLISHED_TABLES,
        *DECISION_TABLES,
    )
}


def check_columns(table: str, df: pd.DataFrame, source: str) -> None:
    """Refuse missing and unknown columns; `source` says whose rows these are.

    Raises:
        TableError: names the columns.
    """
    wanted, found = set(SCHEMAS[table].columns), set(df.columns)
    if found != wanted:
        raise TableError(
            f"{source}: missing columns {sorted(wanted - found)}, "
            f"unknown columns {sorted(found - wanted)}",
            "it was written by another version; dualollama report --from-journals rebuilds it",
        )


def numbers(table: str) -> list[str]:
    """Return the names of the columns that hold numbers."""
    columns = SCHEMAS[table].columns
    return [name for name, column in columns.items() if str(column.dtype) in NUMBERS]


def empty(table: str) -> pd.DataFrame:
    """Return the table without rows, its columns in their types."""
    types = {name: str(column.dtype) for name, column in SCHEMAS[table].columns.items()}
    return pd.DataFrame(columns=list(types)).astype(types)


@cache
def _untyped(table: str) -> pa.DataFrameSchema:
    """Return a schema for a frame that was just cast: looking at types again doubles the time."""
    schema = SCHEMAS[table]
    return schema.update_columns({name: {"dtype": None} for name in schema.columns})


def conform(table: str, df: pd.DataFrame, source: str | None = None) -> pd.DataFrame:
    """Return `df` with the columns of `table` in their order and types, checked.

    A frame without rows and columns, what is made of no row, is the table without rows.

    Raises:
        TableError: a column is missing or too many, or a check fails; names `source` (else the
            table), column and rows.
    """
    source = source or table
    schema = SCHEMAS[table]
    if df.empty and not len(df.columns):
        return empty(table)
    check_columns(table, df, source)
    types = {name: str(column.dtype) for name, column in schema.columns.items()}
    try:
        return _untyped(table).validate(df[list(types)].astype(types), lazy=True)
    except (pa.errors.SchemaErrors, TypeError, ValueError) as error:
        cases = getattr(error, "failure_cases", None)
        if cases is None:
            found = str(error)
        else:
            # a check between columns fails once for each column; one line of each is enough
            found = cases.groupby("check", sort=False).head(3).head(15).to_string(index=False)
        raise TableError(
            f"{source}: the rows break the table's schema:\n{found}",
            "nothing was published; the journal is untouched, correct the cause and rebuild",
        ) from error
