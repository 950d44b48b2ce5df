"""One server as seen by one agent: its connection, its requests, its deadlines.

A generation request returns an Exchange, raw bytes with stamps, whatever happened; parsing waits
until nothing is being timed any more (stream.py).
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Self

import httpx

from dualollama_pipeline.core.credentials import Credentials
from dualollama_pipeline.core.errors import ServerError
from dualollama_pipeline.core.records import Failure, FailureKind
from dualollama_pipeline.ollama.failures import (
    HTTP_OK,
    TRANSIENT,
    describe,
    error_text,
    excerpt,
    kind_of_exception,
    kind_of_status,
    retry_after_s,
    way_out_of,
    way_out_of_status,
)
from dualollama_pipeline.transport.stamps import StampingTransport, Stamps, serialize

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping
    from types import TracebackType

    from dualollama_pipeline.core.plan import Deadlines

CONTROL_TIMEOUT_S = 10.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 60.0
MAX_LINE_BYTES = 32 * 1024 * 1024  # Ollama itself caps an event at 8 MB


@dataclass
class Exchange:
    """One generation request and the raw answer.

    `ended_ns` is on the clock of `stamps`. `failure` is set
    when the exchange itself went wrong; an answer can still turn out bad when it is parsed.
    """

    url: str
    model: str
    phase: Literal["connect", "waiting", "streaming", "final"] = "connect"
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    stamps: Stamps = field(default_factory=Stamps)
    ended_ns: int | None = None
    failure: Failure | None = None
    credentials: Credentials = field(default_factory=Credentials)

    @property
    def pieces(self) -> list[bytes]:
        """The body as it arrived, a piece for each read."""
        return self.stamps.pieces

    def fail(self, kind: FailureKind, text: str, body_excerpt: str | None = None) -> None:
        """Record what went wrong, once: the first finding is the cause.

        Without an excerpt of its own it keeps the end of what had arrived.
        """
        if self.failure is None:
            said = body_excerpt or excerpt(b"".join(self.pieces))
            self.failure = Failure(
                kind=kind,
                text=self.credentials.hidden(text),
                url=self.url,
                model=self.model,
                phase=self.phase,
                http_status=self.status,
                body_excerpt=None if said is None else self.credentials.hidden(said),
                retry_after_s=retry_after_s(self.headers),
            )


class OllamaClient:
    """Speaks to one server; `async with` it. Proxies of the environment are never used."""

    def __init__(
        self,
        url: str,
        deadlines: Deadlines,
        credentials: Credentials | None = None,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.url = url
        self._deadlines = deadlines
        self._credentials = credentials or Credentials()
        self._pause = pause
        self._transport = StampingTransport(MAX_LINE_BYTES)
        secret = self._credentials.header
        self._http = httpx.AsyncClient(
            base_url=url,
            transport=self._transport,
            trust_env=False,
            follow_redirects=False,
            headers={
                "Accept-Encoding": "identity",
                **({} if secret is None else {"Authorization": secret}),
            },
            timeout=httpx.Timeout(CONTROL_TIMEOUT_S, connect=deadlines.connect_s),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._http.aclose()

    async def request(
        self, method: str, path: str, body: object = None, tries: int = 1
    ) -> httpx.Response:
        """Send a control request (version, tags, show, ps, join...) and return its response.

        What may pass is tried again, `tries` times in all: the pause doubles, or is what the server
        asks for.

        Raises:
            ServerError: no answer, or a status other than 200; names the URL and what was said.
        """
        for left in reversed(range(tries)):
            pause_s = FIRST_PAUSE_S * 2 ** (tries - left - 1)
            try:
                response = await self._http.request(method, path, json=body)
            except httpx.HTTPError as error:
                said = describe(error)
                if not left:
                    raise ServerError(f"{self.url}{path}: {said}", way_out_of(error)) from error
            else:
                status = response.status_code
                if status == HTTP_OK:
                    return response
                said = self._credentials.hidden(error_text(response.content))
                if not left or kind_of_status(status, said) not in TRANSIENT:
                    raise ServerError(
                        f"{self.url}{path}: HTTP {status}: {said}", way_out_of_status(status)
                    )
                pause_s = retry_after_s(response.headers) or pause_s
            await self._pause(min(pause_s, LONGEST_PAUSE_S))
        raise AssertionError  # the last try returns or raises

    async def json(
        self, method: str, path: str, body: object = None, tries: int = 1
    ) -> dict[str, Any]:
        """Send a control request and return its JSON object.

        Raises:
            ServerError: as `request`, or the answer is no JSON object.
        """
        return _object(await self.request(method, path, body, tries), f"{self.url}{path}")

    async def version(self, tries: int = 1) -> httpx.Response:
        """Ask for the version; also opens the connection, so that no TTFT pays for it.

        Raises:
            ServerError: as `request`, or what answers is no Ollama.
        """
        response = await self.request("GET", "/api/version", tries=tries)
        _object(response, f"{self.url}/api/version")
        return response

    def prepare(
        self, body: Mapping[str, Any], headers: Mapping[str, str], exchange: Exchange
    ) -> httpx.Request:
        """Build a generation request whose answer will lie in `exchange`.

        A body with `messages` goes to /api/chat, one with `prompt` to /api/generate; one without
        any text only loads the model, which has a deadline of its own.
        """
        limits = self._deadlines
        is_load = not (body.get("prompt") or body.get("messages"))
        first_s = limits.load_s if is_load else limits.first_token_s
        exchange.credentials = self._credentials
        request = self._http.build_request(
            "POST",
            "/api/chat" if "messages" in body else "/api/generate",
            content=json.dumps(body).encode(),
            headers={"Content-Type": "application/json", **headers},
            timeout=httpx.Timeout(limits.idle_s, connect=limits.connect_s),
            extensions={
                "stamps": exchange.stamps,
                "first_s": first_s,
                "total_s": limits.load_s if is_load else limits.total_s,
            },
        )
        request.extensions["message"] = serialize(request)  # not while the other agent sends
        return request

    async def perform(self, request: httpx.Request, exchange: Exchange) -> None:
        """Send a prepared request and collect the raw answer; never raises for failures.

        Deadlines: first byte, idle between reads, total (wall seconds). Cancelling closes the
        connection, so the server stops generating; `exchange` keeps what had arrived.
        """
        total_s = request.extensions["total_s"]
        try:
            async with asyncio.timeout(total_s):
                await self._exchange(request, exchange)
        except TimeoutError:
            exchange.fail(FailureKind.TIMEOUT_TOTAL, f"not finished within {total_s} s")
        except httpx.TransportError as error:
            kind = kind_of_exception(
                error,
                head_came=exchange.status is not None,
                body_begun=bool(exchange.pieces),
            )
            exchange.fail(kind, describe(error))
        finally:
            exchange.ended_ns = time.perf_counter_ns()

    async def generate(
        self, body: Mapping[str, Any], headers: Mapping[str, str], exchange: Exchange
    ) -> None:
        """Prepare and perform one generation."""
        await self.perform(self.prepare(body, headers, exchange), exchange)

    async def _exchange(self, request: httpx.Request, exchange: Exchange) -> None:
        try:
            # not through AsyncClient.send: it follows a redirect in thought, and fails on a bad one
            await self._transport.handle_async_request(request)
        finally:
            stamps = exchange.stamps
            exchange.status, exchange.headers = stamps.status, httpx.Headers(stamps.headers)
            if stamps.sent_ns is not None:
                exchange.phase = "streaming" if stamps.pieces else "waiting"
        if exchange.status != HTTP_OK:
            said = error_text(b"".join(exchange.pieces))
            kind = kind_of_status(exchange.status or 0, said)
            exchange.fail(kind, f"HTTP {exchange.status}: {said}", said)
        exchange.phase = "final"


def _object(response: httpx.Response, url: str) -> dict[str, Any]:
    """Return the JSON object of a response; raise ServerError if it is none."""
    try:
        content = response.json()
    except ValueError:
        content = None
    if not isinstance(content, dict):
        raise ServerError(
            f"{url}: the answer is no JSON object: {response.text[:80]!r}",
            "this is not an Ollama server; correct its URL",
        )
    return content
