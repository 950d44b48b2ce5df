"""Which calls and trials may count: the guards of guards.py that one call or one trial shows."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dualollama_pipeline.core.study import SHARED
from dualollama_pipeline.core.units import MS_PER_S
from dualollama_pipeline.tables import guards
from dualollama_pipeline.tables.guards import Finding, Level
from dualollama_pipeline.tables.rows import Row
from dualollama_pipeline.tables.usual import prefill_rate

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from dualollama_pipeline.tables.usual import Usual

Told = tuple[Level, str, str]


def is_usable(rows: pd.DataFrame) -> pd.Series:
    """Return which calls or trials ended well and are not INVALID themselves."""
    return rows["status"].eq("ok") & rows["validity"].ne("INVALID")


def call_findings(call: Row, usual: Usual) -> list[Finding]:
    """Judge one row of the call table; `usual` is what the batch's calls have in common."""
    name = f"{call['agent']} {call['stage']}"
    if call["status"] != "ok":
        kind = f" ({call['failure_kind']})" if call["failure_kind"] else ""
        return [Finding("ERROR", "ended", f"{name} {call['status']}{kind}")]
    return [
        Finding(level, guard, f"{name}: {text}")
        for level, guard, text in (
            *_answer(call), *_context(call), *_cache(call, usual), *_timing(call, usual)
        )
    ]  # fmt: skip


def _answer(call: Row) -> Iterator[Told]:
    if not call["n_text_chars"] and call["n_thinking_chars"]:
        yield "ERROR", "answer", f"all {call['n_tokens']} tokens were thinking, none an answer"
    elif call["is_clumped"]:
        text = "the answer came in clumps: first token and token times are not known"
        yield "WARN", "resolution", text
    elif math.isnan(call["ttft_ms"]):
        yield "WARN", "first_token", "the answer is empty, so there is no first token"
    if call["is_degenerate"]:
        yield "WARN", "loop", f"ends in a loop (shortened {call['repetition_ratio']:.0f} x)"
    if call["is_reload"] and call["arm"] != SHARED:
        load_ms, ttft_ms = call["load_ms"], call["ttft_ms"]
        late = f"looks like a load: the first token came after {ttft_ms:.0f} ms, others far sooner"
        yield "ERROR", "warm", late if math.isnan(load_ms) else f"cold load of {load_ms:.0f} ms"
    if not call["stamps_in_order"]:
        yield "ERROR", "monotonic", "stamps are not in order"


def _context(call: Row) -> Iterator[Told]:
    """Tell an answer cut by the context from one cut by num_predict: both may say `length`."""
    context, asked = call["effective_num_ctx"], call["num_predict"]
    used = (call["n_prompt_tokens"] or 0) + call["n_tokens"]
    is_whole = asked is not None and call["n_tokens"] >= asked
    if context is None or used < context or (used == context and is_whole):
        return
    # what overflows in `parity` was cut by the server, as in the original: a fact of that work
    level: Level = "WARN" if call["workload"] == "parity" else "ERROR"
    yield level, "context", f"{used:.0f} tokens fill the context of {context}, the answer is cut"


def _cache(call: Row, usual: Usual) -> Iterator[Told]:
    """Name what came from the cache, unless every arm has it: the template before the nonce."""
    key, cached = (call["agent"], call["stage"]), call["n_cached_prompt_tokens"]
    if cached is not None:
        common = usual.cached[key] + guards.PROMPT_TOLERANCE_TOKENS
        # what was said before is in the cache as it is in use
        share = math.inf if call["turns_before"] else guards.CACHED_SHARE
        if cached > min(common, share * (call["n_prompt_tokens"] or math.inf)):
            yield "WARN", "cache", f"{cached} prompt tokens came from the cache"
    elif prefill_rate(call) > guards.PREFILL_FACTOR * usual.prefill[key]:
        yield "WARN", "cache", f"the prompt took {call['prompt_eval_ms']:.0f} ms, others far longer"


def _timing(call: Row, usual: Usual) -> Iterator[Told]:
    """Check the server's counters against themselves and against the client's stamps.

    A comparison with nan is false: what is not known is not held against a call. The server's
    times are brought to our clock first, where the two run at different rates.
    """
    ratio = usual.clock_ratio.get(call["server"], 1.0)
    names = ("server_total_ms", "load_ms", "prompt_eval_ms", "eval_ms", "queue_ms")
    server_ms, load_ms, prompt_ms, eval_ms, rest_ms = (call[name] / ratio for name in names)
    if call["total_ms"] < server_ms - max(
        guards.CLOCK_TOLERANCE_MS, guards.CLOCK_SHARE * server_ms
    ):
        yield "ERROR", "timing", "the server claims more time than passed"
    if rest_ms < -guards.CLOCK_TOLERANCE_MS:
        yield "ERROR", "timing", f"the parts exceed the whole by {-rest_ms:.0f} ms"
    share_ms = guards.MAX_UNEXPLAINED_SHARE * server_ms
    if call["arm"] != SHARED and rest_ms > max(guards.MAX_UNEXPLAINED_MS, share_ms):
        text = f"{rest_ms:.0f} ms are in no counter: did somebody else use the server?"
        yield "ERROR", "timing", text
    if call["ttft_ms"] < load_ms + prompt_ms - guards.CLOCK_TOLERANCE_MS:
        yield "ERROR", "timing", "the first token came before the prompt was read"
    window_ms = call["total_ms"] - call["ttft_ms"]
    decoding = window_ms / eval_ms if eval_ms > 0 else math.nan
    if abs(decoding - 1) > guards.RATE_TOLERANCE and call["n_tokens"] >= guards.MIN_TOKENS:
        text = f"decoding took {window_ms:.0f} ms here, {eval_ms:.0f} ms by the server"
        yield "ERROR", "timing", text


def trial_findings(run: Row) -> list[Finding]:
    """Judge what only a whole trial shows: did its agents start together?

    How long they decode together is recorded and no guard: agents of unequal prompts do not
    (METHOD section 2).
    """
    skew_ms = run["start_skew_ms"]
    if run["n_agents"] < 2 or run["status"] != "ok":  # noqa: PLR2004 nobody to start with
        return []
    share_ms = guards.MAX_START_SKEW_SHARE * run["window_s"] * MS_PER_S
    most_ms = min(guards.MAX_START_SKEW_MS, max(guards.LEAST_START_SKEW_MS, share_ms))
    if skew_ms <= most_ms:  # nan does not pass
        return []
    text = f"agents started {skew_ms:.0f} ms apart, at most {most_ms:.0f} count"
    return [Finding("ERROR", "start_skew", text)]
