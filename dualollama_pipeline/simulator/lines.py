"""The records of Ollama's protocol as text: virtual instants in, NDJSON lines out.

Here: formatting, written for speed because a trial may hold ten thousand tokens. When a line is due
is the world's business, and when it is sent `conductor.py`'s.
"""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from dualollama_pipeline.simulator.call import Call

_EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
_NS_PER_S = 1_000_000_000


def rfc3339(now_ns: int) -> str:
    """A virtual instant as RFC 3339 with nine digits; virtual 0 is the start of 2026."""
    seconds, fraction = divmod(now_ns, _NS_PER_S)
    return f"{_whole_second(seconds)}.{fraction:09d}Z"


def _whole_second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")


def said(text: str, *, is_chat: bool) -> dict[str, object]:
    """The field that carries the model's words: /api/chat wraps them in a message."""
    return {"message": {"role": "assistant", "content": text}} if is_chat else {"response": text}


def token_lines(
    model: str, instants_ns: Sequence[int], texts: Sequence[str], *, is_chat: bool
) -> list[str]:
    """One line per token. The texts must need no escaping in JSON."""
    opening, closing = (
        ('"message":{"role":"assistant","content":"', '"}') if is_chat else ('"response":"', '"')
    )
    return dated("", model, instants_ns, texts, (opening, f'{closing},"done":false}}\n'))


def dated(
    prefix: str,
    model: str,
    instants_ns: Sequence[int],
    texts: Sequence[str],
    around: tuple[str, str],
) -> list[str]:
    """One record per token: model, instant, and `around` its text what the protocol has there."""
    opening, closing = around
    lines: list[str] = []
    head, head_second = "", -1
    start = f'{prefix}{{"model":{json.dumps(model)},"created_at":"'
    for instant_ns, text in zip(instants_ns, texts, strict=True):
        second, fraction = divmod(instant_ns, _NS_PER_S)
        if second != head_second:
            head, head_second = f"{start}{_whole_second(second)}.", second
        lines.append(f'{head}{fraction:09d}Z",{opening}{text}{closing}')
    return lines


def final_record(model: str, call: Call, words: dict[str, object]) -> dict[str, object]:
    """The record that ends a complete answer, with the server's counters in nanoseconds."""
    return {
        "model": model,
        "created_at": rfc3339(call.ended_ns or 0),
        **words,
        "done": True,
        "done_reason": call.done_reason,
        "total_duration": call.total_ns,
        "load_duration": call.load_ns,
        "prompt_eval_count": call.n_prompt_tokens,
        "prompt_eval_duration": call.prompt_eval_ns,
        "eval_count": call.n_tokens,
        "eval_duration": call.eval_ns,
    }


def unfinished_record(model: str, call: Call, words: dict[str, object]) -> dict[str, object]:
    """What a non-streaming client gets when the stream stopped without a final record."""
    return {"model": model, "created_at": rfc3339(call.ended_ns or 0), **words, "done": False}


def bare_record(
    model: str, now_ns: int, done_reason: str, words: dict[str, object]
) -> dict[str, object]:
    """The answer to an empty prompt: `load` or `unload`, without counters."""
    return {
        "model": model,
        "created_at": rfc3339(now_ns),
        **words,
        "done": True,
        "done_reason": done_reason,
    }


def as_line(record: dict[str, object]) -> str:
    """A record as one NDJSON line."""
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False) + "\n"
