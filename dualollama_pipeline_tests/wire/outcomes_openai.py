"""What the exchanges with OpenAI-compatible servers show, read off their bytes by a script apart.

Not what the code makes of them: requests and names say which must fail, and as what. Times are in
ms after the request; the last three of llama-server are its cache_n, prompt_ms and predicted_ms.
"""

# fmt: off
from __future__ import annotations

from typing import NamedTuple

from dualollama_pipeline.core.records import FailureKind
from dualollama_pipeline_tests.wire.outcomes import Failed, Refused, Told

K = FailureKind


class Said(NamedTuple):
    """An answer: how it ended, its text, when text and `[DONE]` were read, and the counts."""

    done_reason: str
    n_pieces: int  # chunks that carried text
    begins: str
    n_chars: int
    first_ms: float | None
    final_ms: float
    n_prompt: int
    n_tokens: int
    n_cached: int | None = None
    prompt_ms: float | None = None
    predicted_ms: float | None = None


Outcome = Said | Failed | Told | Refused

NO_EVENT = Failed(K.PROTOCOL, 200, "not a server-sent event")
NO_USAGE = Failed(K.TRUNCATED, 200, "without the usage")
CUT = Failed(K.TRUNCATED, 200, "peer closed connection")
NO_PAGE = Refused("HTTP 404: 404 page not found")
NO_FILE = Refused("HTTP 404: File Not Found")
NO_KEY = Refused("HTTP 401: Invalid API Key")
MODELS_OF_LLAMA_SERVER = Told({"data": [{"id": "smollm2", "owned_by": "llamacpp"}]})
MODELS_OF_OLLAMA = Told({"data": [{"id": "smollm2:latest", "owned_by": "library"}]})

LLAMA_SERVER: dict[str, Outcome] = {
    "models": MODELS_OF_LLAMA_SERVER,
    "wrong_key_ignored": MODELS_OF_LLAMA_SERVER,
    "models_one": NO_FILE,
    "not_found": NO_FILE,
    "props": Told({"total_slots": 2, "build_info": "b1-0c1e570"}),
    "slots": Refused("no JSON object: '[{"),
    "metrics": Refused("no JSON object: '# HELP"),
    "health": Told({"status": "ok"}),
    "health_loading": Refused("HTTP 503: Loading model"),
    "chat_loading": Failed(K.BUSY, 503, "Loading model"),
    "models_without_key": NO_KEY,
    "props_without_key": NO_KEY,
    "chat_without_key": Failed(K.HTTP_4XX, 401, "Invalid API Key"),
    "chat_wrong_key": Failed(K.HTTP_4XX, 401, "Invalid API Key"),
    "chat_stream_without_usage": NO_USAGE,
    "chat_not_streamed": NO_EVENT,
    "chat_too_long": Failed(K.HTTP_4XX, 400, "exceeds the available context size (1024 tokens)"),
    "chat_missing_model": Failed(K.PROTOCOL, 200, "asked 'nope', but 'smollm2' answered"),
    "chat_wrong_type": Failed(K.HTTP_4XX, 400, "type must be number, but is string"),
    "chat_bad_json": Failed(K.HTTP_5XX, 500, "parse error at line 1"),
    "chat_no_body": Failed(K.HTTP_5XX, 500, "parse error at line 1"),
    "chat_n_2": Failed(K.PROTOCOL, 200, "more than the one choice"),
    "chat_cancelled": CUT,
}
OLLAMA: dict[str, Outcome] = {
    "models": MODELS_OF_OLLAMA,
    "wrong_key_ignored": MODELS_OF_OLLAMA,
    "models_one": Told({"id": "smollm2:latest"}),
    **dict.fromkeys(("props", "slots", "metrics", "health", "not_found"), NO_PAGE),
    "chat_stream_without_usage": NO_USAGE,
    "completions_no_usage": NO_USAGE,
    "chat_not_streamed": NO_EVENT,
    "chat_tools": Failed(K.HTTP_4XX, 400, "does not support tools"),
    "chat_missing_model": Failed(K.MODEL_MISSING, 404, "model 'nope' not found"),
    "chat_no_model": Failed(K.HTTP_4XX, 400, "model is required"),
    "chat_wrong_type": Failed(K.HTTP_4XX, 400, "cannot unmarshal string"),
    "chat_empty_messages": Failed(K.HTTP_4XX, 400, "[] is too short - 'messages'"),
    "chat_bad_json": Failed(K.HTTP_4XX, 400, "unexpected EOF"),
    "chat_no_body": Failed(K.HTTP_4XX, 400, "EOF"),
    "chat_cancelled": CUT,
}

OUTCOMES: dict[str, dict[str, Outcome]] = {
    "llama-server-0.5.0-dev": LLAMA_SERVER | {
        "chat_stream_usage": Said("length", 24, "I'm in the d", 86, 221.42, 479.46, 66,
            24, 24, 213.698, 261.208),
        "chat_again_same_prompt": Said("length", 24, "I'm in the d", 86, 14.01, 267.02, 66,
            24, 65, 11.053, 252.773),
        "chat_early_stop": Said("stop", 2, "Yes.", 4, 83.61, 103.77, 36, 3, 24, 76.675, 22.143),
        "chat_stop_word": Said("stop", 4, "I'm in ", 7, 179.31, 207.71, 66, 4, 24, 171.194, 33.272),
        "chat_max_tokens_1": Said("length", 1, "I", 1, 13.91, 14.24, 66, 1, 65, 11.124, 0.001),
        "chat_max_completion_tokens": Said("length", 5, "I'm in the d", 15, 15.3, 60.33, 66,
            5, 65, 10.689, 44.594),
        "chat_multibyte": Said("length", 40, "I'm sorry fo", 134, 102.38, 537.69, 47,
            40, 24, 99.326, 435.362),
        "chat_logprobs": Said("length", 3, "I'm in", 6, 16.77, 39.73, 66, 3, 65, 11.018, 23.227),
        "chat_timings_per_token": Said("length", 4, "I'm in the", 10, 13.74, 51.59, 66,
            4, 65, 10.755, 37.444),
        "chat_return_progress": Said("length", 4, "I'm all ears", 12, 192.16, 226.27, 68,
            4, 24, 188.44, 33.991),
        "chat_json_schema": Said("length", 21, "[\n\t\"1.4.8.3.", 22, 83.48, 364.65, 66,
            24, 65, 30.219, 328.608),
        "chat_ignore_eos": Said("length", 40, "Yes. I'm rea", 148, 81.83, 524.16, 36,
            40, 24, 76.793, 441.947),
        "chat_no_prompt_cache": Said("length", 24, "I'm in the d", 76, 243.69, 507.44, 66,
            24, 0, 238.379, 264.61),
        "chat_tools": Said("length", 8, "I'm in the b", 38, 14.28, 91.97, 66, 8, 65, 11.43, 77.343),
        "chat_no_model": Said("length", 24, "I'm in the b", 112, 22.95, 284.94, 66,
            24, 65, 19.949, 261.909),
        "chat_unknown_field": Said("length", 3, "I'm in", 6, 23.44, 44.61, 66,
            3, 65, 19.478, 22.001),
        "chat_empty_messages": Said("length", 24, "The best thi", 124, 21.23, 273.82, 4,
            24, 1, 18.59, 252.217),
        "completions_stream": Said("stop", 0, "", 0, None, 158.26, 36, 1, 0, 146.333, 0.001),
        "completions_no_usage": Said("stop", 0, "", 0, None, 11.76, 36, 1, 35, 10.612, 0.001),
        "two_at_once_1": Said("length", 20, "I'm in the b", 90, 203.56, 544.26, 66,
            20, 65, 198.184, 342.345),
        "two_at_once_2": Said("length", 20, "I'm more tha", 80, 203.41, 544.46, 68,
            20, 25, 197.997, 342.307),
        "chat_right_key": Said("length", 4, "I'm in the", 10, 882.57, 930.63, 66,
            4, 0, 877.581, 43.764),
        "one_slot_two_at_once_1": Said("length", 60, "I'm in the b", 196, 14.87, 1189.44, 66,
            60, 65, 11.639, 1174.292),
        "one_slot_two_at_once_2": Said("length", 60, "I'm more tha", 192, 1500.42, 2584.09, 68,
            60, 24, 306.576, 1081.484),
    },
    "ollama-0.25.0-dev": OLLAMA | {
        "chat_stream_usage": Said("length", 24, "The dataset ", 110, 1530.57, 1949.71, 45, 24),
        "chat_again_same_prompt": Said("length", 24, "The dataset ", 110, 65.01, 466.91, 45, 24),
        "chat_early_stop": Said("stop", 7, "Yes, I can d", 17, 128.07, 236.62, 15, 8),
        "chat_stop_word": Said("stop", 3, "The dataset ", 23, 225.28, 268.19, 45, 4),
        "chat_max_tokens_1": Said("length", 1, "The", 3, 66.18, 66.18, 45, 1),
        "chat_max_completion_tokens": Said("stop", 219, "The dataset ", 1009, 76.37, 5274.9,
            45, 220),
        "chat_multibyte": Said("length", 40, "1. Repeat th", 174, 155.68, 2768.39, 26, 40),
        "chat_logprobs": Said("length", 3, "The dataset ", 22, 582.62, 743.07, 45, 3),
        "chat_timings_per_token": Said("length", 4, "The dataset ", 26, 86.58, 144.69, 45, 4),
        "chat_return_progress": Said("length", 4, "A new owner ", 15, 443.92, 492.95, 47, 4),
        "chat_json_schema": Said("length", 24, "[\n  \"The fir", 58, 331.42, 1183.43, 45, 24),
        "chat_ignore_eos": Said("stop", 7, "Yes, I can d", 17, 128.3, 263.59, 15, 8),
        "chat_no_prompt_cache": Said("length", 24, "The dataset ", 110, 268.91, 667.53, 45, 24),
        "chat_too_long": Said("length", 24, "Rachelnice,\n", 78, 53307.3, 54323.52, 4096, 24),
        "chat_unknown_field": Said("length", 3, "The dataset ", 22, 246.35, 295.7, 45, 3),
        "chat_n_2": Said("length", 4, "The dataset ", 26, 65.3, 124.3, 45, 4),
        "completions_stream": Said("length", 24, "The dataset ", 110, 114.83, 508.63, 45, 24),
        "two_at_once_1": Said("length", 20, "The dataset ", 90, 839.12, 1132.88, 45, 20),
        "two_at_once_2": Said("length", 20, "A data enthu", 90, 275.95, 608.62, 47, 20),
    },
    "ollama-0.33.0-rc2": OLLAMA | {
        "chat_stream_usage": Said("length", 24, "The data fro", 56, 822.95, 1132.1, 45, 24),
        "chat_again_same_prompt": Said("length", 24, "The data fro", 56, 18.93, 330.54, 45, 24),
        "chat_early_stop": Said("stop", 2, "Yes.", 4, 67.9, 91.73, 15, 3),
        "chat_stop_word": Said("stop", 4, "The data fro", 14, 16.18, 53.83, 45, 4),
        "chat_max_tokens_1": Said("length", 1, "The", 3, 15.28, 16.34, 45, 1),
        "chat_max_completion_tokens": Said("stop", 61, "The data fro", 117, 16.94, 849.11, 45, 62),
        "chat_multibyte": Said("stop", 11, "Repeat exact", 25, 153.42, 350.89, 26, 18),
        "chat_logprobs": Said("length", 3, "The data fro", 13, 20.03, 49.97, 45, 3),
        "chat_timings_per_token": Said("length", 4, "The data fro", 17, 21.39, 53.43, 45, 4),
        "chat_return_progress": Said("length", 4, "A data colle", 18, 183.09, 215.14, 47, 4),
        "chat_json_schema": Said("length", 24, "[\n\n\"The data", 61, 30.82, 444.36, 45, 24),
        "chat_ignore_eos": Said("stop", 2, "Yes.", 4, 17.0, 41.95, 15, 3),
        "chat_no_prompt_cache": Said("length", 24, "The data fro", 56, 15.83, 280.61, 45, 24),
        "chat_too_long": Said("length", 24, "Runs recorde", 52, 11752.94, 13285.99, 2050, 24),
        "chat_unknown_field": Said("length", 3, "The data fro", 13, 263.15, 304.1, 45, 3),
        "chat_n_2": Said("length", 4, "The data fro", 17, 17.08, 71.23, 45, 4),
        "completions_stream": Said("length", 24, "The data fro", 56, 51.69, 431.47, 45, 24),
        "two_at_once_1": Said("length", 20, "The data fro", 52, 15.74, 317.08, 45, 20),
        "two_at_once_2": Said("length", 20, "A data colle", 85, 543.51, 870.05, 47, 20),
    },
}
