"""From what went wrong to its kind: the border where httpx's exceptions and HTTP become ours."""

from __future__ import annotations

import json
import re

import httpx

from dualollama_pipeline.core.records import FailureKind

EXCERPT_CHARS = 400

# Most specific first; the first class that matches wins. What happened to a request that was sent
# and never answered is not known: it may have been worked on.
_BEFORE_HEAD: tuple[tuple[type[Exception], FailureKind], ...] = (
    (httpx.ConnectTimeout, FailureKind.CONNECT),
    (httpx.ConnectError, FailureKind.CONNECT),
    (httpx.RemoteProtocolError, FailureKind.UNKNOWN),
    (httpx.NetworkError, FailureKind.UNKNOWN),
    (httpx.TransportError, FailureKind.PROTOCOL),
)
_AFTER_HEAD: tuple[tuple[type[Exception], FailureKind], ...] = (
    (httpx.NetworkError, FailureKind.TRUNCATED),
    (httpx.RemoteProtocolError, FailureKind.TRUNCATED),
    (httpx.TransportError, FailureKind.PROTOCOL),
)

# What Ollama says when it is short of memory, in any status and in mid-stream.
_OUT_OF_MEMORY = re.compile(
    r"out.of.memory|memory layout cannot be allocated|requires more system memory", re.IGNORECASE
)
HTTP_REDIRECT, HTTP_CLIENT_ERROR, HTTP_SERVER_ERROR = 300, 400, 500
HTTP_NOT_FOUND, HTTP_UNAVAILABLE = 404, 503


def kind_of_exception(
    error: httpx.TransportError, *, head_came: bool, body_begun: bool
) -> FailureKind:
    """Translate a transport error by where it struck: before the head, the body, or in it."""
    if isinstance(error, httpx.ReadTimeout):
        return FailureKind.TIMEOUT_IDLE if body_begun else FailureKind.TIMEOUT_FIRST
    for exception, kind in _AFTER_HEAD if head_came else _BEFORE_HEAD:
        if isinstance(error, exception):
            return kind
    return FailureKind.INTERNAL


def describe(error: BaseException) -> str:
    """Class name and text: `str()` of several httpx exceptions is empty."""
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def error_text(body: bytes) -> str:
    """Return the `error` of Ollama's error body, else the body itself, at most 400 characters."""
    text = body.decode("utf-8", errors="replace").strip()
    try:
        content = json.loads(text)
    except (ValueError, RecursionError):
        content = None
    if isinstance(content, dict) and isinstance(content.get("error"), str):
        text = content["error"]
    return printable(text) or "(empty body)"


def printable(said: object) -> str:
    """Return a server's words as at most 400 characters that can be written to a file."""
    text = said if isinstance(said, str) else repr(said)
    return text[:EXCERPT_CHARS].encode("utf-8", errors="replace").decode("utf-8")


def excerpt(body: bytes) -> str | None:
    """Return the end of a body as evidence, at most 400 characters; None for an empty one."""
    return body[-EXCERPT_CHARS:].decode("utf-8", errors="replace") or None


def kind_of_message(text: str) -> FailureKind:
    """Classify an error that the server put into words."""
    return FailureKind.OOM if _OUT_OF_MEMORY.search(text) else FailureKind.SERVER_ERROR


def kind_of_status(status: int, text: str) -> FailureKind:
    """Classify an HTTP status other than 200, with Ollama's words."""
    if kind_of_message(text) is FailureKind.OOM:
        return FailureKind.OOM
    if status == HTTP_NOT_FOUND and "model" in text:
        return FailureKind.MODEL_MISSING
    if status == HTTP_UNAVAILABLE:
        return FailureKind.BUSY
    if status >= HTTP_SERVER_ERROR:
        return FailureKind.HTTP_5XX
    if status >= HTTP_CLIENT_ERROR:
        return FailureKind.HTTP_4XX
    return FailureKind.HTTP_3XX if status >= HTTP_REDIRECT else FailureKind.PROTOCOL


# A second attempt may succeed where the server was busy, away or restarted; it cannot where the
# request itself was refused.
TRANSIENT = frozenset(
    {
        FailureKind.CONNECT,
        FailureKind.TIMEOUT_FIRST,
        FailureKind.TIMEOUT_IDLE,
        FailureKind.TIMEOUT_TOTAL,
        FailureKind.HTTP_5XX,
        FailureKind.BUSY,
        FailureKind.SERVER_ERROR,
        FailureKind.TRUNCATED,
        FailureKind.UNKNOWN,
    }
)
