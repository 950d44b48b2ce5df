"""A scripted OpenAI-compatible server: proper control answers and warm-ups; trials as told.

As Ollama's /v1 it tells no times, or as llama-server all of them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from dualollama_pipeline_tests.faults.cases import chunk_event, last_events
from dualollama_pipeline_tests.faults.ollama import WARM_UP_TOKENS
from dualollama_pipeline_tests.faults.scripted import MODEL, Request, Script, Step, answer, stream

USAGE = {"prompt_tokens": 20, "completion_tokens": 40}
GOOD: list[Step] = stream(
    *[chunk_event(MODEL, {"content": f" word{i}"}) for i in range(40)],
    last_events(MODEL, "length", {}, USAGE, None),
)
LOADING = {"error": {"message": "Loading model", "type": "unavailable_error", "code": 503}}


def _json(content: Any, status: str = "200 OK") -> list[Step]:
    return answer(status, json.dumps(content).encode())


def loading() -> list[Step]:
    """What llama-server says on every path while it loads."""
    return _json(LOADING, "503 Service Unavailable")


def openai(
    trial: Callable[[Request], Sequence[Step]] = lambda _: GOOD,
    warm_up: Callable[[Request], Sequence[Step]] = lambda _: GOOD,
    **entry: Any,
) -> Script:
    """Return a script in which `trial` answers the requests of trials, `warm_up` those before."""
    control = {"/v1/models": {"object": "list", "data": [{"id": MODEL, **entry}]}}

    def script(request: Request) -> Sequence[Step]:
        if request.path in control:
            return _json(control[request.path])
        if request.path != "/v1/chat/completions":
            return answer("404 Not Found", b"404 page not found", "text/plain")
        is_warm_up = json.loads(request.body)["max_tokens"] == WARM_UP_TOKENS
        return warm_up(request) if is_warm_up else trial(request)

    return script
