"""From what went wrong to its kind: the border where httpx's exceptions and HTTP become ours."""

from __future__ import annotations

import json
import math
import re
import ssl
from collections.abc import Mapping
from typing import TYPE_CHECKING

import httpx

from dualollama_pipeline.core.records import Failure, FailureKind

if TYPE_CHECKING:
    from collections.abc import Sequence

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

# What a server says when it is short of memory, in any status and in mid-stream.
_OUT_OF_MEMORY = re.compile(
    r"out.of.memory|memory layout cannot be allocated|requires more system memory", re.IGNORECASE
)
HTTP_OK = 200
HTTP_REDIRECT, HTTP_CLIENT_ERROR, HTTP_SERVER_ERROR = 300, 400, 500
HTTP_NOT_FOUND, HTTP_TOO_MANY, HTTP_UNAVAILABLE = 404, 429, 503


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
    """Return the sentence inside an error body, else the body itself, at most 400 characters."""
    text = body.decode("utf-8", errors="replace").strip()
    return printable(innermost(text) or text) or "(empty body)"


def innermost(said: object) -> object:
    """Return what an error says inside its wrappings.

    Ollama passes llama-server's JSON on as the text of its own `error`; OpenAI-like servers have an
    object there.
    """
    content = _parsed(said) if isinstance(said, str) else said
    if isinstance(content, dict):
        for name in ("error", "message"):
            if name in content:
                return innermost(content[name])
    return said


def _parsed(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def printable(said: object) -> str:
    """Return a server's words as at most 400 characters that can be written to a file."""
    text = said if isinstance(said, str) else repr(said)
    return text[:EXCERPT_CHARS].encode("utf-8", errors="replace").decode("utf-8")


def excerpt(body: bytes) -> str | None:
    """Return the end of a body as evidence, at most 400 characters; None for an empty one."""
    return body[-EXCERPT_CHARS:].decode("utf-8", errors="replace") or None


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return how long the server asks to wait, s; None where it names no number of seconds."""
    try:
        asked = float(headers.get("Retry-After", ""))
    except ValueError:  # a date: servers and proxies in front of models send seconds
        return None
    return asked if 0 <= asked < math.inf else None


def kind_of_message(text: str) -> FailureKind:
    """Classify an error that the server put into words."""
    return FailureKind.OOM if _OUT_OF_MEMORY.search(text) else FailureKind.SERVER_ERROR


def kind_of_status(status: int, text: str) -> FailureKind:
    """Classify an HTTP status other than 200, with the server's words."""
    if kind_of_message(text) is FailureKind.OOM:
        return FailureKind.OOM
    if status == HTTP_NOT_FOUND and "model" in text:
        return FailureKind.MODEL_MISSING
    if status in {HTTP_TOO_MANY, HTTP_UNAVAILABLE}:
        return FailureKind.BUSY
    if status >= HTTP_SERVER_ERROR:
        return FailureKind.HTTP_5XX
    if status >= HTTP_CLIENT_ERROR:
        return FailureKind.HTTP_4XX
    return FailureKind.HTTP_3XX if status >= HTTP_REDIRECT else FailureKind.PROTOCOL


# What to do about a status or a kind of failure; the words of the servers of one protocol.
Ways = Mapping[int | FailureKind, str]
UNTRUSTED = (
    "this machine does not trust the server's certificate: put its authority into a file and name "
    "that in SSL_CERT_FILE, or use http"
)
NO_TLS = "is the server behind http, not https? correct its URL"
SLOW = "the server takes connections but does not answer: does it load, or hang? see its log"
ANY_SERVER: Ways = {
    401: "the server wants credentials: set DUALOLLAMA_TOKEN, or DUALOLLAMA_BASIC=USER:PASSWORD "
    "(_A or _B behind it for one server alone)",
    429: "the server or its proxy limits requests: wait, or raise the limit",
    503: "the server is starting, loading a model, or busy: wait until it answers, then try again",
    FailureKind.CONFIG: "name a model that runs on this machine",
    FailureKind.TIMEOUT_FIRST: SLOW,
    FailureKind.TIMEOUT_TOTAL: f"{SLOW}; DUALOLLAMA_LOAD_S and _TOTAL_S set the deadlines",
}


def way_out_of_status(status: int, ways: Ways) -> str:
    """Say what to do about an HTTP status other than 200."""
    return ways.get(status) or ways.get(status // 100 * 100) or ways[FailureKind.PROTOCOL]


def way_out_of_failure(failure: Failure, ways: Ways) -> str:
    """Say what to do about a request that failed."""
    status = failure.http_status
    # a stream that went wrong under 200 is explained by the server's log, as a 500 is
    at_last = way_out_of_status(500 if status in {None, HTTP_OK} else status or 500, ways)
    return at_last if failure.kind is FailureKind.PROTOCOL else ways.get(failure.kind) or at_last


def way_out_of(error: httpx.HTTPError, ways: Ways) -> str:
    """Say what to do about an exchange that failed before any status."""
    cause = error.__cause__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return UNTRUSTED
    if isinstance(cause, ssl.SSLError):
        return NO_TLS
    return SLOW if isinstance(error, httpx.ReadTimeout) else ways[FailureKind.CONNECT]


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


def may_pass(failures: Sequence[Failure]) -> bool:
    """Say whether each of these is of a kind that another attempt may not meet."""
    return bool(failures) and all(failure.kind in TRANSIENT for failure in failures)
