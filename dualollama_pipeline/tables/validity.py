"""Which rows may count: guards of OLLAMA.md section F, each with its limit and its reason.

A guard never removes a row. ERROR makes it INVALID: kept, shown, left out of statistics.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

# Start values are judgement; OLLAMA.md section F gives them with their reasons.
MIN_TOKENS = 32
WARM_LOAD_MS = 500.0
WARM_LOAD_FACTOR = 5.0
MIN_OVERLAP = 0.80
MAX_START_SKEW_MS = 50.0
TOKEN_TOLERANCE = 0.10
CLOCK_TOLERANCE_MS = 20.0


@dataclass(frozen=True)
class Finding:
    """One guard that spoke: ERROR makes the row INVALID, WARN is a footnote."""

    level: Literal["ERROR", "WARN"]
    text: str


def verdict(findings: list[Finding]) -> tuple[str, str]:
    """Return (validity, reasons separated by '; ')."""
    levels = {finding.level for finding in findings}
    validity = "INVALID" if "ERROR" in levels else "WARN" if levels else "VALID"
    return validity, "; ".join(dict.fromkeys(finding.text for finding in findings))


def warm_limit_ms(median_load_ms: float) -> float:
    """Return the load time above which a call has loaded the model.

    Formula: max(0.5 s, 5 x the median of the solo and dual calls).
    """
    limit = WARM_LOAD_FACTOR * median_load_ms
    return max(WARM_LOAD_MS, limit)  # a nan median leaves 0.5 s


def call_findings(call: dict[str, object]) -> list[Finding]:
    """Judge one row of the call table."""
    if call["status"] != "ok":
        kind = f" ({call['failure_kind']})" if call["failure_kind"] else ""
        return [Finding("ERROR", f"{call['role']} {call['stage']} {call['status']}{kind}")]
    findings = []
    name = f"{call['role']} {call['stage']}"
    if call["n_tokens"] < MIN_TOKENS:  # type: ignore[operator]
        findings.append(Finding("ERROR", f"{name}: {call['n_tokens']} tokens, below {MIN_TOKENS}"))
    if math.isnan(call["ttft_ms"]):  # type: ignore[arg-type]
        findings.append(Finding("ERROR", f"{name}: no record carried text, so no first token"))
    if call["is_degenerate"]:
        findings.append(
            Finding("WARN", f"{name}: ends in a loop (shortened {call['repetition_ratio']:.0f} x)")
        )
    if call["is_reload"] and call["arm"] != "single":
        findings.append(Finding("WARN", f"{name}: cold load of {call['load_ms']:.0f} ms"))
    if call["total_ms"] < call["server_total_ms"] - CLOCK_TOLERANCE_MS:  # type: ignore[operator]
        findings.append(Finding("ERROR", f"{name}: the server claims more time than passed"))
    return findings


def trial_findings(run: dict[str, object]) -> list[Finding]:
    """Judge what only a whole trial shows: did the agents of `dual` run side by side?"""
    if run["arm"] != "dual" or run["status"] != "ok":
        return []
    findings = []
    overlap, skew_ms = run["decode_overlap"], run["start_skew_ms"]
    if not overlap >= MIN_OVERLAP:  # type: ignore[operator]  # nan does not pass
        findings.append(Finding("ERROR", f"decode windows overlap {overlap:.2f} < {MIN_OVERLAP}"))
    if not skew_ms <= MAX_START_SKEW_MS:  # type: ignore[operator]
        findings.append(Finding("ERROR", f"agents started {skew_ms:.0f} ms apart"))
    return findings
