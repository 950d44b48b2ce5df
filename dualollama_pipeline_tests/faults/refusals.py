"""Requests that a server refuses: rows of OLLAMA.md section B with a status and a body."""

from __future__ import annotations

import json
from collections.abc import Iterator

from dualollama_pipeline_tests.faults.cases import (
    ALL_SHAPES,
    EVENTS,
    WORDS,
    Case,
    K,
    words_for,
)
from dualollama_pipeline_tests.faults.scripted import (
    MODEL,
    answer,
    final,
    token,
)

# -- rows of section B: a status and a body ------------------------------------------------------
BAD_REQUEST, NOT_FOUND, SERVER_ERROR = (
    "400 Bad Request",
    "404 Not Found",
    "500 Internal Server Error",
)
CONTEXT_EXCEEDED = "the request exceeds the available context size, try increasing it"
NESTED = (
    '{"error":{"code":400,"message":"' + CONTEXT_EXCEEDED + '","type":'
    '"exceed_context_size_error","n_prompt_tokens":9000,"n_ctx":512}}'
)
RUNNER_STOPPED = (
    "model runner has unexpectedly stopped, this may be due to resource limitations or an internal"
    " error, check ollama server logs for details: exit status 2"
)
# (row, status line, the text of `error`, kind)
REFUSALS = [
    ("1-missing", NOT_FOUND, "model 'gemma3:latest' not found", K.MODEL_MISSING),
    (
        "1-blob-gone",
        NOT_FOUND,
        'model "gemma3:latest" not found, try pulling it first',
        K.MODEL_MISSING,
    ),
    ("2-name-404", NOT_FOUND, "invalid model name", K.MODEL_MISSING),
    ("2-name-400", BAD_REQUEST, "invalid model name", K.HTTP_4XX),
    ("2-no-name", BAD_REQUEST, "model is required", K.HTTP_4XX),
    (
        "3-queue-full",
        "503 Service Unavailable",
        "server busy, please try again.  maximum pending requests exceeded",
        K.BUSY,
    ),
    ("4-no-body", BAD_REQUEST, "missing request body", K.HTTP_4XX),
    (
        "4-bad-json",
        BAD_REQUEST,
        "invalid character 'x' looking for beginning of value",
        K.HTTP_4XX,
    ),
    (
        "4-wrong-type",
        BAD_REQUEST,
        "json: cannot unmarshal number into Go struct field GenerateRequest.prompt of type string",
        K.HTTP_4XX,
    ),
    (
        "5-option-type",
        SERVER_ERROR,
        'option "num_ctx" must be of type integer',
        K.HTTP_5XX,
    ),
    ("6-thinking", BAD_REQUEST, '"gemma3:latest" does not support thinking', K.HTTP_4XX),
    ("6-generate", BAD_REQUEST, '"gemma3:latest" does not support generate', K.HTTP_4XX),
    (
        "7-load-stall",
        SERVER_ERROR,
        "timed out waiting for llama-server to start - progress 0.37 - ",
        K.HTTP_5XX,
    ),
    (
        "7-load-stall-older",
        SERVER_ERROR,
        "timed out waiting for llama runner to start - progress 0.37 - ",
        K.HTTP_5XX,
    ),
    (
        "8-oom",
        SERVER_ERROR,
        "llama-server reported out-of-memory during startup: cudaMalloc failed: out of memory",
        K.OOM,
    ),
    (
        "8-oom-terminated",
        SERVER_ERROR,
        "llama-server process has terminated: exit status 1: cudaMalloc failed: out of memory",
        K.OOM,
    ),
    (
        "8-terminated",
        SERVER_ERROR,
        "llama-server process has terminated: exit status 2: error loading model",
        K.HTTP_5XX,
    ),
    (
        "8-layout",
        SERVER_ERROR,
        "memory layout cannot be allocated with num_gpu = 80",
        K.OOM,
    ),
    (
        "9-incompatible",
        SERVER_ERROR,
        "llama-server process has terminated: failed to load model: this model may be incompatible",
        K.HTTP_5XX,
    ),
    (
        "10-runner-stopped",
        SERVER_ERROR,
        RUNNER_STOPPED,
        K.HTTP_5XX,
    ),
    ("13-context", BAD_REQUEST, NESTED, K.HTTP_4XX),
    ("13-context-0.25", BAD_REQUEST, "the input length exceeds the context length", K.HTTP_4XX),
    ("22-cloud-401", "401 Unauthorized", "unauthorized", K.HTTP_4XX),
    ("22-cloud-403", "403 Forbidden", "this model requires a subscription", K.HTTP_4XX),
    ("22-cloud-429", "429 Too Many Requests", "you have reached your usage limit", K.BUSY),
    ("22-cloud-502", "502 Bad Gateway", "upstream is not reachable", K.HTTP_5XX),
]
HTML = "text/html; charset=utf-8"
PAGE = b"<!DOCTYPE html>\n<html><body><h1>It works!</h1></body></html>\n"
# (row, status line, body, type, kind, what the failure must say)
PAGES = [
    ("17-empty-403", "403 Forbidden", b"", "text/plain", K.HTTP_4XX, "403"),
    ("18-empty-500", SERVER_ERROR, b"", "text/plain", K.HTTP_5XX, "500"),
    ("19-html-200", "200 OK", PAGE, HTML, K.PROTOCOL, "JSON"),
    ("19-text-200", "200 OK", b"Ollama is running", "text/plain", K.PROTOCOL, "JSON"),
    ("19-empty-200", "200 OK", b"", "text/plain", K.TRUNCATED, "final record"),
    ("19-json-200", "200 OK", b'{"status":"ok"}', "application/json", K.PROTOCOL, "None"),
    ("no-text-at-all", "200 OK", final(), "application/json", K.METRICS, "first token"),
    ("19-text-404", NOT_FOUND, b"404 page not found", "text/plain", K.HTTP_4XX, "page not found"),
    ("19-text-405", "405 Method Not Allowed", b"405 method not allowed", HTML, K.HTTP_4XX, "405"),
    ("19-html-502", "502 Bad Gateway", PAGE, HTML, K.HTTP_5XX, "It works!"),
    ("19-latin1-500", SERVER_ERROR, b"Stra\xdfe", "text/plain", K.HTTP_5XX, "Stra"),
    ("19-long-500", SERVER_ERROR, b"x" * 100_000, "text/plain", K.HTTP_5XX, "xxx"),
    ("no-content", "204 No Content", b"", "text/plain", K.PROTOCOL, "204"),
    ("an-answer-under-another-status", "202 Accepted", token("x") + final(), "", K.PROTOCOL, "202"),
    ("error-is-no-text", SERVER_ERROR, b'{"error":{"a":1}}', "", K.HTTP_5XX, "{'a': 1}"),
    ("error-is-empty", SERVER_ERROR, b'{"error":""}', "", K.HTTP_5XX, "500"),
]
REDIRECT = b"HTTP/1.1 %s\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n"


def refusals(api: str) -> Iterator[Case]:
    for row, status, said, kind in REFUSALS:
        body = json.dumps({"error": said}, separators=(",", ":")).encode()
        code = int(status[:3])
        # Ollama hands llama-server's JSON on as text: its sentence is what a person needs
        sentence = CONTEXT_EXCEEDED if said == NESTED else said
        yield Case(row, api, answer(status, body), kind, status=code, says=sentence[:400])
    for row, status, body, mime, kind, says in PAGES:
        code = int(status[:3])
        if api == EVENTS and kind is K.METRICS:
            continue  # a record of the other protocol
        yield Case(
            row,
            api,
            answer(status, body, mime),
            kind,
            None,
            status=code,
            says=words_for(api, says),
            body=bool(body),
        )
    for status, place in (
        (b"302 Found", b"http://127.0.0.1:1/"),
        (b"301 Moved Permanently", b"/login"),
        (b"307 Temporary Redirect", b"/api/generate/"),
        (
            b"308 Permanent Redirect",
            b"http://h:x/",
        ),
    ):
        code = int(status[:3])
        steps = [REDIRECT % (status, place)]
        name = f"redirect-{code}"
        yield Case(name, api, steps, K.HTTP_3XX, status=code, says=str(code), body=False)
    for name, body in (
        ("nested-500", b'{"error":' + b"[" * 100_000 + b"]" * 100_000 + b"}"),
        ("surrogate-500", b'{"error":"\\ud800"}'),
    ):
        yield Case(name, api, answer(SERVER_ERROR, body), K.HTTP_5XX, None, status=500)
    whole = json.dumps({"model": MODEL, "response": "".join(WORDS), "done": False}).encode()
    steps = answer("200 OK", ALL_SHAPES[api](whole))
    yield Case("12-silent-stop-not-streamed", api, steps, K.TRUNCATED, "".join(WORDS))
