"""Which calls and trials may count: the guards of guards.py that one call or one trial shows."""

from __future__ import annotations

import math
from typing import Any

from dualollama_pipeline.tables import guards
from dualollama_pipeline.tables.guards import Finding

Row = dict[str, Any]


def warm_limit_ms(median_load_ms: float) -> float:
    """Return the load time above which a call has loaded the model.

    Formula: max(0.5 s, 5 x the median of the solo and dual calls).
    """
    limit = guards.WARM_LOAD_FACTOR * median_load_ms
    return max(guards.WARM_LOAD_MS, limit)  # a nan median leaves 0.5 s


def call_findings(call: Row) -> list[Finding]:
    """Judge one row of the call table."""
    name = f"{call['role']} {call['stage']}"
    if call["status"] != "ok":
        kind = f" ({call['failure_kind']})" if call["failure_kind"] else ""
        return [Finding("ERROR", "ended", f"{name} {call['status']}{kind}")]
    findings = []
    if call["n_tokens"] < guards.MIN_TOKENS:
        text = f"{name}: {call['n_tokens']} tokens, below {guards.MIN_TOKENS}"
        findings.append(Finding("ERROR", "min_tokens", text))
    if math.isnan(call["ttft_ms"]):
        text = f"{name}: no record carried text, so no first token"
        findings.append(Finding("ERROR", "first_token", text))
    if call["is_degenerate"]:
        text = f"{name}: ends in a loop (shortened {call['repetition_ratio']:.0f} x)"
        findings.append(Finding("WARN", "loop", text))
    if call["is_reload"] and call["arm"] != "single":
        findings.append(Finding("WARN", "warm", f"{name}: cold load of {call['load_ms']:.0f} ms"))
    if not call["stamps_in_order"]:
        findings.append(Finding("ERROR", "monotonic", f"{name}: stamps are not in order"))
    if (call["n_cached_prompt_tokens"] or 0) > 0:
        text = f"{name}: {call['n_cached_prompt_tokens']} prompt tokens came from the cache"
        findings.append(Finding("WARN", "cache", text))
    return findings + _timing_findings(call, name)


def _timing_findings(call: Row, name: str) -> list[Finding]:
    """Check the server's counters against themselves and against the client's stamps.

    A comparison with nan is false: what is not known is not held against a call.
    """
    findings = []

    def error(text: str) -> None:
        findings.append(Finding("ERROR", "timing", f"{name}: {text}"))

    if call["total_ms"] < call["server_total_ms"] - guards.CLOCK_TOLERANCE_MS:
        error("the server claims more time than passed")
    rest_ms = call["queue_ms"]
    if rest_ms < -guards.CLOCK_TOLERANCE_MS:
        error(f"the parts exceed the whole by {-rest_ms:.0f} ms")
    share_ms = guards.MAX_UNEXPLAINED_SHARE * call["server_total_ms"]
    if call["arm"] != "single" and rest_ms > max(guards.MAX_UNEXPLAINED_MS, share_ms):
        error(f"{rest_ms:.0f} ms are in no counter: did somebody else use the server?")
    before_ms = call["load_ms"] + call["prompt_eval_ms"]
    if call["ttft_ms"] < before_ms - guards.CLOCK_TOLERANCE_MS:
        error("the first token came before the prompt was read")
    window_ms = call["total_ms"] - call["ttft_ms"]
    ratio = window_ms / call["eval_ms"] if call["eval_ms"] > 0 else math.nan
    if abs(ratio - 1) > guards.RATE_TOLERANCE and call["n_tokens"] >= guards.MIN_TOKENS:
        error(f"decoding took {window_ms:.0f} ms here, {call['eval_ms']:.0f} ms by the server")
    return findings


def trial_findings(run: Row) -> list[Finding]:
    """Judge what only a whole trial shows: did the agents of `dual` run side by side?"""
    if run["arm"] != "dual" or run["status"] != "ok":
        return []
    findings = []
    overlap, skew_ms = run["decode_overlap"], run["start_skew_ms"]
    if not overlap >= guards.MIN_OVERLAP:  # nan does not pass
        text = f"decode windows overlap {overlap:.2f} < {guards.MIN_OVERLAP}"
        findings.append(Finding("ERROR", "overlap", text))
    if not skew_ms <= guards.MAX_START_SKEW_MS:
        findings.append(Finding("ERROR", "start_skew", f"agents started {skew_ms:.0f} ms apart"))
    return findings
