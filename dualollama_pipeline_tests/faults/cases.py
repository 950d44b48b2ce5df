"""What a server can do, as data: one exchange, its two shapes, its ways of being sent.

A body is written as records; a fault stands in it first, in the middle and last. The cases
themselves are in refusals.py, broken.py and odd.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from dualollama_pipeline.core.records import FailureKind
from dualollama_pipeline.core.specs import Deadlines
from dualollama_pipeline_tests.faults.scripted import (
    HEAD,
    Pause,
    Step,
    chunk,
)

# For what does not wait: nothing here may come near these, the tests allow 2 s.
PATIENT = Deadlines(connect_s=5.0, first_token_s=10.0, idle_s=10.0, total_s=10.0)
# One short deadline each: with two, a busy machine decides which of them a server breaks first.
FIRST = PATIENT.model_copy(update={"first_token_s": 0.4})
IDLE = PATIENT.model_copy(update={"idle_s": 0.4})
TOTAL = PATIENT.model_copy(update={"total_s": 0.5})

WORDS = ("Hello", ", Wörld", " 世界", " 🙂", "\u0085\u2028", " and", " the end")
POSITIONS = {"first": 0, "middle": 3, "last": len(WORDS)}
MS = 1_000_000
S = 1_000 * MS
K = FailureKind


@dataclass(frozen=True)
class Case:
    """One exchange: what the server sends, and what must become of it (`kind` None: ok)."""

    name: str
    api: str
    steps: Sequence[Step]
    kind: FailureKind | None
    text: str | None = ""  # what had arrived; None: nothing can be said
    thinking: str = ""
    status: int | None = 200
    says: str = ""
    body: bool = True  # did the body have any byte?
    phase: str | None = None
    deadlines: Deadlines = PATIENT

    @property
    def waits(self) -> bool:
        """Whether real time passes on purpose."""
        return self.deadlines is not PATIENT or any(
            isinstance(step, Pause) and step.seconds for step in self.steps
        )

    @property
    def limit_s(self) -> float:
        """When it must be over: its one short deadline."""
        limits = self.deadlines
        return min(limits.first_token_s, limits.idle_s, limits.total_s) if self.waits else 0.0

    @property
    def group(self) -> str:
        """The fault without its position and its way of sending."""
        return self.name.split("@")[0]


# -- the two shapes ----------------------------------------------------------------------------
def in_chat(record: bytes) -> bytes:
    """Turn a record of /api/generate into one of /api/chat."""
    content = json.loads(record)
    message = {"role": "assistant", "content": content.pop("response")}
    if "thinking" in content:
        message["thinking"] = content.pop("thinking")
    return json.dumps(content | {"message": message}, ensure_ascii=False).encode() + b"\n"


def in_events(record: bytes) -> bytes:
    """Turn a record of /api/generate into events of /v1/chat/completions, the last one into all."""
    content = json.loads(record)
    delta = {"content": content["response"]}
    if "thinking" in content:
        delta["reasoning_content"] = content["thinking"]
    if not content["done"]:
        return chunk_event(content["model"], delta)
    n, cached = content["eval_count"], content.get("prompt_eval_cached_count") or 0
    usage = {"prompt_tokens": content.get("prompt_eval_count"), "completion_tokens": n}
    timings = {
        "cache_n": cached,
        "prompt_ms": (content.get("prompt_eval_duration") or 0) / MS,
        "predicted_n": n,
        "predicted_ms": (content.get("eval_duration") or 0) / MS,
    }
    return last_events(content["model"], content["done_reason"], delta, usage, timings)


def event(data: object) -> bytes:
    """One event, as llama-server writes it."""
    return b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n"


def chunk_event(model: str | None, delta: object, reason: object = None, **more: Any) -> bytes:
    """One chunk of a chat completion."""
    choice = {"index": 0, "delta": delta, "finish_reason": reason}
    return event({"model": model, "choices": [choice]} | more)


DONE = b"data: [DONE]\n\n"


def last_events(model: str, reason: object, delta: object, usage: object, timings: object) -> bytes:
    """What ends a chat completion of llama-server."""
    counted = {"model": model, "choices": [], "usage": usage, "timings": timings}
    return chunk_event(model, delta, reason) + event(counted) + DONE


Shape = Callable[[bytes], bytes]
SHAPES: dict[str, Shape] = {"generate": lambda record: record, "chat": in_chat}
EVENTS = "completions"
ALL_SHAPES = SHAPES | {EVENTS: in_events}
# what a failure says of a stream of events, where that of records says something else
SAID_OF_EVENTS = {
    "final record": "[DONE]",
    "JSON": "server-sent event",
    "None": "server-sent event",
}


def words_for(api: str, text: str) -> str:
    """Return what a failure must say in this API."""
    return SAID_OF_EVENTS.get(text, text) if api == EVENTS else text


# -- ways of sending ---------------------------------------------------------------------------
def one_chunk_each(records: Sequence[bytes]) -> list[Step]:
    """Send as Ollama does: a flush for each record."""
    return [HEAD, *(chunk(record) for record in records)]


def in_one_write(records: Sequence[bytes]) -> list[Step]:
    """Send what TCP makes of a burst: everything in one read."""
    return [b"".join([HEAD, *(chunk(record) for record in records)])]


def in_shreds(records: Sequence[bytes], size: int = 7) -> list[Step]:
    """Send pieces that end anywhere, also inside a character."""
    whole = b"".join(records)
    return [HEAD + b"".join(chunk(whole[i : i + size]) for i in range(0, len(whole), size))]


WAYS = {"records": one_chunk_each, "burst": in_one_write, "shreds": in_shreds}
