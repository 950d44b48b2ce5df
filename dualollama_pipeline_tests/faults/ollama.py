"""A scripted Ollama: proper control answers, loads and warm-ups; trials are what a test says."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from typing import Any

from dualollama_pipeline_tests.faults.scripted import (
    MODEL,
    Request,
    Script,
    Step,
    answer,
    final,
    stream,
    token,
)

WARM_UP_TOKENS = 32
GOOD: list[Step] = stream(*[token(f" word{i}") for i in range(40)], final())
ENTRY = {"name": MODEL, "model": MODEL, "size": 100, "digest": "d" * 64, "details": {}}


def _json(content: Any) -> list[Step]:
    return answer("200 OK", json.dumps(content).encode())


def said_to(request: Request) -> str:
    """Return the prompt of a generation, in whichever shape it came."""
    body = json.loads(request.body)
    prompt = body.get("prompt", "")
    return prompt + "".join(message["content"] for message in body.get("messages", ()))


def ollama(trial: Callable[[Request], Sequence[Step]] = lambda _: GOOD) -> Script:
    """Return a script in which `trial` answers the generation requests of trials."""
    expiry: list[str] = [""]  # of the loaded model; two servers never share one
    control: dict[str, Callable[[], Any]] = {
        "/api/version": lambda: {"version": "0.33.0"},
        "/api/tags": lambda: {"models": [ENTRY]},
        "/api/show": lambda: {"model_info": {"general.architecture": "g", "g.block_count": 34}},
        "/api/ps": lambda: {
            "models": [
                ENTRY | {"size_vram": 100, "context_length": 2048, "expires_at": text}
                for text in expiry
                if text
            ]
        },
    }

    def script(request: Request) -> Sequence[Step]:
        if request.path in control:
            return _json(control[request.path]())
        body = json.loads(request.body)
        if said_to(request) == "":
            expiry[0] = str(time.perf_counter_ns()) if body.get("keep_alive") != 0 else ""
            reason = "load" if expiry[0] else "unload"
            return _json({"model": MODEL, "response": "", "done": True, "done_reason": reason})
        if body["options"].get("num_predict") == WARM_UP_TOKENS:
            return GOOD
        return trial(request)

    return script
