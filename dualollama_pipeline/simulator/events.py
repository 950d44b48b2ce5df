"""The chunks of OpenAI's protocol as text: virtual instants in, server-sent events out.

As llama-server has them, and beside its fields `created_at`, the virtual instant of a chunk.
"""

import json
from collections.abc import Sequence

from dualollama_pipeline.simulator.call import Call
from dualollama_pipeline.simulator.lines import dated, rfc3339
from dualollama_pipeline.simulator.profile import ModelCard

_AROUND = ('"choices":[{"index":0,"delta":{"content":"', '"},"finish_reason":null}]}\n\n')
_NS_PER_MS = 1_000_000


def token_events(model: str, instants_ns: Sequence[int], texts: Sequence[str]) -> list[str]:
    """One event per token. The texts must need no escaping in JSON."""
    return dated("data: ", model, instants_ns, texts, _AROUND)


def final_events(model: str, call: Call) -> list[str]:
    """What ends a complete answer: its reason, the usage with the server's times, and the mark."""
    start = {"model": model, "created_at": rfc3339(call.ended_ns or 0)}
    end = {"index": 0, "delta": {}, "finish_reason": call.done_reason}
    counted = {
        "usage": {
            "prompt_tokens": call.n_prompt_tokens,
            "completion_tokens": call.n_tokens,
            "total_tokens": call.n_prompt_tokens + call.n_tokens,
            "prompt_tokens_details": {"cached_tokens": 0},
        },
        "timings": {
            "cache_n": 0,
            "prompt_n": call.n_prompt_tokens,
            "prompt_ms": call.prompt_eval_ns / _NS_PER_MS,
            "predicted_n": call.n_tokens,
            "predicted_ms": call.eval_ns / _NS_PER_MS,
        },
    }
    return [
        as_event(json.dumps(start | {"choices": [end]})),
        as_event(json.dumps(start | {"choices": []} | counted)),
        as_event("[DONE]"),
    ]


def as_event(data: str) -> str:
    """One event of one line."""
    return f"data: {data}\n\n"


def error_body(status: int, message: str) -> dict[str, object]:
    """What says that a request went wrong, as an answer or in the stream."""
    return {"error": {"code": status, "message": message, "type": "simulated_error"}}


def models_body(cards: Sequence[ModelCard]) -> dict[str, object]:
    """The body of GET /v1/models."""
    return {"object": "list", "data": [_entry(card) for card in cards]}


def _entry(card: ModelCard) -> dict[str, object]:
    meta = {
        "n_ctx": card.default_num_ctx,
        "n_ctx_train": card.trained_num_ctx,
        "size": card.size_bytes,
        "ftype": "Q4_K_M",
    }
    return {"id": card.name, "object": "model", "owned_by": "llamacpp", "meta": meta}


def props_body(card: ModelCard, build: str, n_slots: int) -> dict[str, object]:
    """The body of GET /props; the digest of the weights is in the file's name."""
    return {
        "build_info": build,
        "model_path": f"/models/{card.digest}.gguf",
        "total_slots": n_slots,
        "default_generation_settings": {"n_ctx": card.default_num_ctx},
    }
