"""The columns of what the report published, what was imported, and what the audit found.

All of them may be empty but for the figures: without an import there is nothing to lay out.
"""

from __future__ import annotations

from dualollama_pipeline.core.records import FailureKind, Origin, Status
from dualollama_pipeline.core.study import Scenario
from dualollama_pipeline.tables.columns import Relation, count, flag, near, number, table, text

VERDICTS = (
    "reproduced",
    "rounding",
    "contradicted",
    "internally inconsistent",
    "normative",
    "not checkable",
)
BASES = ("internal arithmetic", "imported runs", "other published figure", "none")
BOUNDS = ("", "at_least", "at_most", "above", "below")

_FIGURE = {
    "origin": text("published: printed in the report", among=("published",)),
    "claim_id": text("name of this one printing; no rule reads it"),
    "section": text("section of the report"),
    "line": count("line of the report's text", least=1),
    "subject": text("what the figure is about"),
    "metric": text("which quantity"),
    "statistic": text("which statistic of it"),
    "value": text("the figure as printed: 99.80 has two decimals"),
    "unit": text("unit as printed; empty if there is none"),
    "bound": text("printed as a bound: at_least, at_most, above, below", among=BOUNDS),
    "note": text("what the figure says, in our words"),
}
PUBLISHED_FIGURES = table("published_figures", _FIGURE)

_RUN = {
    "origin": text("always imported", among=(Origin.IMPORTED,)),
    "source": text("name of the imported folder"),
    "config_id": text("configuration, as its folder is called"),
    "scenario": text("scenario, one spelling", among=Scenario),
    "run_number": count("repetition, from 1", least=1),
}
IMPORTED_CALLS = table(
    "imported_calls",
    {
        **_RUN,
        "role": text("collector or insight", among=("collector", "insight")),
        "server": text("server that was asked"),
        "model": text("model that was asked"),
        "stage": text("analysis or report"),
        "status": text("ok or failed", among=Status),
        "failure_kind": text("kind of failure", among=FailureKind, null=True),
        "failure_text": text("what shows it", null=True),
        "num_gpu": count("layers asked for; null is the server's default", least=-1, null=True),
        "num_ctx": count("context asked for, tokens; null is the default", null=True),
        "temperature": number("temperature asked for, float32 noise removed"),
        "top_p": number("top_p asked for"),
        "top_k": count("top_k asked for", null=True),
        "repeat_penalty": number("penalty asked for"),
        "start_s": number("request sent, after the agent's start; from the workflow's seconds"),
        "ttft_ms": number("request to the first record with text"),
        "total_ms": number("request to the final record; null if there was none"),
        "load_ms": number("the server's load_duration"),
        "prompt_eval_ms": number("the server's prompt_eval_duration"),
        "eval_ms": number("the server's eval_duration"),
        "residual_ms": number("total - load - prompt - eval: what no counter holds", least=None),
        "connect_ms": number("TTFT - load - prompt: set-up before the answer", least=None),
        "n_tokens": count("the server's eval_count", null=True),
        "tok_per_s": number("n_tokens / eval time"),
        "reported_tok_per_s": number("the rate as the original stored it"),
        "reported_total_ms": number("the duration as the original stored it"),
        "together_s": number("decoding while the partner decoded"),
        "alone_s": number("decoding while the partner did not"),
        "n_text_chars": count("characters of the answer"),
        "repetition_ratio": number("zlib ratio of its second half; null below 400 characters"),
        "is_degenerate": flag("the answer ends in a loop"),
        "is_reload": flag("the model was loaded inside this call", null=True),
        "has_connection_setup": flag("connection set-up inside the TTFT", null=True),
    },
    Relation(
        "a failed call has no total, tokens or rate",
        lambda df: (
            df["status"].ne("failed") | df[["total_ms", "n_tokens", "tok_per_s"]].isna().all(axis=1)
        ),
    ),
)
IMPORTED_RUNS = table(
    "imported_runs",
    {
        **_RUN,
        "file": text("its file below the imported folder"),
        "sha256": text("hash of that file"),
        "ended_at": text("when the later agent ended, as written"),
        "software": text("what the program said of itself: operating system, toolchain"),
        "status": text("failed if a call of it failed", among=Status),
        "validity_reasons": text("what the original did not see; empty if nothing"),
        "reported_speedup": number("concurrency_speedup, as stored"),
        "reported_efficiency_pct": number("efficiency_percent, as stored"),
        "reported_wall_s": number("concurrent_wall_time_s, as stored"),
        "reported_sequential_s": number("sequential_estimated_s, as stored"),
        "reported_throughput_delta_tok_per_s": number("as stored", least=None),
        "reported_ttft_delta_ms": number("as stored", least=None),
        "reported_collector_tok_per_s": number("as stored, failed calls as 0 tok/s"),
        "reported_insight_tok_per_s": number("as stored, failed calls as 0 tok/s"),
        "reported_collector_ttft_ms": number("as stored"),
        "reported_insight_ttft_ms": number("as stored"),
        "reported_contention": flag("resource_contention_detected, as stored"),
        "collector_s": number("the collector's time while together"),
        "insight_s": number("the insight agent's time while together"),
        "identity_efficiency_pct": number("100 - 50 |t_A - t_B| / max: the balance identity"),
        "wall_s": number("wall time; null if a call failed"),
        "balance_speedup": number("(t_A + t_B) / wall; null if a call failed"),
        "balance_efficiency_pct": number("50 x balance_speedup"),
        "collector_tok_per_s": number("mean rate over ok calls; null if a call failed"),
        "insight_tok_per_s": number("mean rate over ok calls; null if a call failed"),
        "collector_minus_insight_tok_per_s": number("the difference", least=None),
        "ttft_delta_ms": number("mean TTFT, collector - insight", least=None),
        "n_failed_calls": count("calls without a final record"),
        "n_degenerate_calls": count("answers that end in a loop"),
        "n_reloads": count("model loads inside the run"),
        "is_one_sided_reload": flag("only one agent's first call loaded its model"),
        "is_clean": flag("no failed call, no loop, no load: may be compared"),
    },
    Relation(
        "balance_efficiency_pct = 50 * balance_speedup",
        lambda df: near(df["balance_efficiency_pct"], 50 * df["balance_speedup"]),
    ),
)

CLAIM_AUDIT = table(
    "claim_audit",
    {
        **_FIGURE,
        "recomputed": number("the figure recomputed; null with a reason", least=None),
        "recomputed_high": number("upper end, where a range is printed", least=None),
        "recomputed_text": text("the same for reading, with decimals; empty if there is none"),
        "basis": text("what the recomputation rests on", among=BASES),
        "convention": text("level, ddof, quantile method, sign that was used; may be empty"),
        "verdict": text("what came out", among=VERDICTS),
        "explanation": text("one line, from the numbers"),
    },
    Relation(
        "not checkable means no basis",
        lambda df: df["verdict"].ne("not checkable") | df["basis"].eq("none"),
    ),
)
RUNTIME_COMPARISON = table(
    "runtime_comparison",
    {
        "origin": text("published, imported, measured or simulated"),
        "topic": text("which table of the report, or which question"),
        "metric": text("which quantity"),
        "unit": text("unit of the values"),
        "level": text("what the values are taken over"),
        "left": text("what stands on the left"),
        "left_value": number("its value", least=None),
        "right": text("what stands on the right; empty if there is one value only"),
        "right_value": number("its value", least=None),
        "difference": number("right - left, or the change in percent", least=None),
        "ci_low": number(
            "lower end of the 95 % interval: of the difference, else of the left value", least=None
        ),
        "ci_high": number("upper end", least=None),
        "difference_unit": text("unit of the difference; empty if there is none"),
        "winner": text("left, right, or empty: not justified"),
        "reason": text("why there is a winner, or why there is none"),
    },
)
METHOD_CRITIQUE = table(
    "method_critique",
    {
        "origin": text("always imported", among=(Origin.IMPORTED,)),
        "finding": text("which question"),
        "item": text("which run, call or quantity"),
        "value": number("the number", least=None),
        "ci_low": number("lower end of the 95 % interval", least=None),
        "ci_high": number("upper end", least=None),
        "unit": text("unit of the value"),
        "n": count("runs or calls it rests on"),
        "statement": text("what the numbers say"),
    },
)
