"""The validity guards, all in one table: limit, why it is there, and what a user does about it.

The limits are judgement (OLLAMA.md section F); the code that applies them is in validity.py (calls,
trials) and cells.py. A guard never removes a row: ERROR makes it INVALID, which is kept, counted,
shown and left out of statistics; WARN is a footnote.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MIN_TOKENS = 32
MIN_POOLED_TOKENS = 64
WARM_LOAD_MS = 500.0
WARM_LOAD_FACTOR = 5.0
COLD_SHARE = 0.5
LATE_TTFT_FACTOR = 5.0
LATE_TTFT_MS = 500.0
MAX_START_SKEW_MS = 50.0
LEAST_START_SKEW_MS = 5.0  # what an event loop can do
MAX_START_SKEW_SHARE = 0.01
TOKEN_TOLERANCE = 0.10
CLOCK_TOLERANCE_MS = 20.0
CLOCK_SHARE = 0.005
CLOCK_SPREAD = 0.01
MAX_CLOCK_RATIO = 1.10
MIN_CALLS_FOR_CLOCK = 3
LONG_CALL_MS = 1000.0
MAX_UNEXPLAINED_MS = 250.0
MAX_UNEXPLAINED_SHARE = 0.10
RATE_TOLERANCE = 0.10
ON_GPU_SHARE = 0.99
SAME_PLACEMENT = 0.02
PROMPT_TOLERANCE_TOKENS = 4
CACHED_SHARE = 0.5
PREFILL_FACTOR = 3.0
MAX_COLD_SHARE = 0.05
MAX_FAILED_SHARE = 0.05
LOST_SHARE = 0.50
MAX_DRIFT = 0.05
MAX_LOOP_LAG_MS = 10.0
LAG_PER_TTFT = 10.0
MAX_LINES_PER_READ = 8
MAX_CLOCK_DRIFT_MS = 100.0
MAX_LOAD_PER_CPU = 1.0
MAX_SWAPPED_MIB = 16.0


Level = Literal["ERROR", "WARN"]


@dataclass(frozen=True)
class Guard:
    """One guard: why it stands, and the way out in plain words."""

    why: str
    advice: str


GUARDS = {
    "ended": Guard(
        "a call without a valid answer has no times",
        "read failure_kind and failure_text in call_table; run the configuration again",
    ),
    "answer": Guard(
        "a call that gave no answer did not do the work",
        "raise num_predict, or switch thinking off (think: false)",
    ),
    "first_token": Guard(
        "without a first token there is no TTFT", "look at the answer in the journal"
    ),
    "loop": Guard(
        "an answer in a loop is no typical work; its times are true all the same",
        "raise repeat_penalty or temperature, or use another model",
    ),
    "warm": Guard(
        "a load inside a measured call is no property of running together",
        "raise keep_alive, free GPU memory, and keep others off the servers",
    ),
    "timing": Guard(
        "what server and client say of one call must fit",
        "the server's counters cannot be trusted: update Ollama, stop proxies in between",
    ),
    "clocks": Guard(
        "two clocks of different rate: walls of one clock are compared, and count",
        "nothing to do; on WSL2, `wsl --shutdown` may set its clock right",
    ),
    "monotonic": Guard(
        "an instant before the one that caused it was not measured",
        "report this with the journal: it is a fault of the ruler",
    ),
    "start_skew": Guard("a head start is a solo run", "stop what else uses this machine's CPU"),
    "cache": Guard(
        "a prompt read from the cache makes prefill look fast",
        "prefill figures of this call do not count; TTFT is short by as much",
    ),
    "bookkeeping": Guard(
        "a trial that is counted twice or not at all falsifies every mean",
        "report this with the journal",
    ),
    "complete": Guard(
        "what was not measured cannot count", "materialize again: it goes on where it stopped"
    ),
    "baseline_alone": Guard(
        "a baseline that overlaps another trial is no baseline",
        "do not set the clock while measuring; measure again",
    ),
    "distinct_servers": Guard(
        "two names of one server make `apart` a `shared`",
        "start a second `ollama serve` with another OLLAMA_HOST; on this machine the doctor can "
        "tell them apart by their processes",
    ),
    "same_software": Guard(
        "arms are compared; they must run the same version and weights",
        "update both servers alike, `ollama pull` the model on both, and measure again",
    ),
    "placement": Guard(
        "arms are compared; the model must lie in the same place in all of them",
        "free GPU memory, lower num_ctx, or use a smaller model or quantisation; where it is the "
        "same everywhere it is a condition of your study",
    ),
    "context": Guard(
        "what does not fit the context is cut in silence",
        "if the server has more than was asked for, the model has a floor: ask for that; else "
        "raise num_ctx, lower num_predict, or shorten the prompt",
    ),
    "prompt_size": Guard(
        "repeats of one prompt have one size", "was the model's template changed meanwhile?"
    ),
    "failures": Guard(
        "trials that survive frequent failures are a selection",
        "find the cause in call_table (failure_kind) and measure again",
    ),
    "drift": Guard(
        "a trend over the trials adds to every difference between them",
        "let the GPU warm up or cool down; look at throttling",
    ),
    "resolution": Guard(
        "a busy event loop stamps late; answers in clumps hide first tokens and gaps",
        "stop what else uses this machine's CPU; in front of the server, switch buffering off "
        "(nginx: proxy_buffering off) or name the server itself; run the doctor",
    ),
    "machine": Guard(
        "what else the machine does is in the times too",
        "plug it in, stop other GPU users, cool it, give it memory",
    ),
}


@dataclass(frozen=True)
class Finding:
    """One guard that spoke: ERROR makes the row INVALID, WARN is a footnote."""

    level: Level
    guard: str
    text: str

    def __str__(self) -> str:
        return f"{self.guard}: {self.text}"


def verdict(findings: list[Finding]) -> tuple[str, str]:
    """Return (validity, reasons separated by '; '), each reason with its guard's name before it."""
    levels = {finding.level for finding in findings}
    validity = "INVALID" if "ERROR" in levels else "WARN" if levels else "VALID"
    return validity, "; ".join(dict.fromkeys(map(str, findings)))


def findings_of(validity: str, reasons: str) -> list[Finding]:
    """Return a verdict's findings again; each has the level of the whole."""
    if validity == "VALID":
        return []
    level: Level = "ERROR" if validity == "INVALID" else "WARN"
    return [Finding(level, *reason.split(": ", 1)) for reason in reasons.split("; ")]


def advice(reasons: str) -> str:
    """Return what to do about a row's reasons, each advice once."""
    guards = [reason.split(": ", 1)[0] for reason in reasons.split("; ") if reason]
    return "; ".join(dict.fromkeys(GUARDS[guard].advice for guard in guards))
