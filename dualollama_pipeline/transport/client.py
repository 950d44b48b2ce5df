"""One server as seen by one agent: its connection, its requests, its deadlines.

A generation request returns an Exchange, raw bytes with stamps, whatever happened; parsing waits
until nothing is being timed any more. What a protocol decides is in ollama/ and openai/.
"""

from __future__ import annotations

import asyncio
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import httpx

from dualollama_pipeline.core.credentials import Credentials
from dualollama_pipeline.core.errors import ServerError
from dualollama_pipeline.core.records import FailureKind
from dualollama_pipeline.transport.failures import (
    HTTP_OK,
    TRANSIENT,
    describe,
    error_text,
    kind_of_exception,
    kind_of_status,
    retry_after_s,
    way_out_of,
    way_out_of_failure,
    way_out_of_status,
)
from dualollama_pipeline.transport.stamps import StampingTransport, serialize

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection
    from types import TracebackType

    from dualollama_pipeline.core.plan import Plan, PlannedAgent, Stage
    from dualollama_pipeline.core.records import Failure, ServerIdentity
    from dualollama_pipeline.core.specs import Deadlines
    from dualollama_pipeline.machine.gpu import GpuWatch
    from dualollama_pipeline.transport.exchange import Exchange, Reader
    from dualollama_pipeline.transport.failures import Ways

CONTROL_TIMEOUT_S = 10.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 60.0
MAX_LINE_BYTES = 32 * 1024 * 1024  # Ollama itself caps an event at 8 MB
SIMULATOR_HEADER = "X-Simulated"

Body = Mapping[str, Any]


class Introduction(NamedTuple):
    """What a server says it is, in words, and the names of its models."""

    software: str
    models: list[str]
    is_simulated: bool


class Client(ABC):
    """Speaks to one server; `async with` it. Proxies of the environment are never used.

    What the protocol decides is abstract: the seam between the worker and the servers' protocols.
    """

    kind: ClassVar[str]  # of the servers, for a person
    ways: ClassVar[Ways]
    # whether a model is loaded and unloaded when we say so, with a load time in every answer
    holds_models: ClassVar[bool]

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
                    raise ServerError(
                        f"{self.url}{path}: {said}", way_out_of(error, self.ways)
                    ) from error
            else:
                status = response.status_code
                if status == HTTP_OK:
                    return response
                said = self._credentials.hidden(error_text(response.content))
                if not left or kind_of_status(status, said) not in TRANSIENT:
                    raise ServerError(
                        f"{self.url}{path}: HTTP {status}: {said}",
                        way_out_of_status(status, self.ways),
                    )
                pause_s = retry_after_s(response.headers) or pause_s
            await self._pause(min(pause_s, LONGEST_PAUSE_S))
        raise AssertionError  # the last try returns or raises

    def way_out(self, failure: Failure) -> str:
        """Say what to do about a request to this server that failed."""
        return way_out_of_failure(failure, self.ways)

    async def json(
        self, method: str, path: str, body: object = None, tries: int = 1
    ) -> dict[str, Any]:
        """Send a control request and return its JSON object.

        Raises:
            ServerError: as `request`, or the answer is no JSON object.
        """
        return self.object_of(await self.request(method, path, body, tries), path)

    def object_of(self, response: httpx.Response, path: str) -> dict[str, Any]:
        """Return the JSON object of a response to a request for `path`.

        Raises:
            ServerError: it is none.
        """
        try:
            content = response.json()
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise ServerError(
                f"{self.url}{path}: the answer is no JSON object: {response.text[:80]!r}",
                f"this is not an {self.kind} server; correct its URL",
            )
        return content

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

    async def generate(self, body: Body, headers: Mapping[str, str], exchange: Exchange) -> None:
        """Prepare and perform one generation."""
        await self.perform(self.prepare(body, headers, exchange), exchange)

    async def simulator(self, announced: str | None) -> str | None:
        """Return name and profile of a simulator that announced itself; real servers do not."""
        if announced is None:
            return None
        profile = await self.json("GET", "/simulator/profile")
        return f"{announced} profile {profile.get('name')} {profile.get('fingerprint')}"

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

    # -- what the protocol decides -------------------------------------------------------------
    @abstractmethod
    async def greet(self, tries: int = 1) -> httpx.Response:
        """Ask what costs nothing; also opens the connection, so that no TTFT pays for it.

        Raises:
            ServerError: as `request`, or what answers does not speak this protocol.
        """

    @abstractmethod
    async def introduce(self) -> Introduction:
        """Ask what software this is and which models it has.

        Raises:
            ServerError: as `greet`.
        """

    @abstractmethod
    async def identity(
        self, server: str, model: str, asked: Collection[str], gpus: GpuWatch, tries: int = 1
    ) -> ServerIdentity:
        """Ask who the server `server` is and what it holds of a model; loads nothing.

        `asked` are the names of the options that will be sent to it.

        Raises:
            ServerError: it does not answer, does not have the model, or takes no such option.
        """

    @abstractmethod
    def way_to_have(self, model: str) -> str:
        """Say how a server comes by a model that it does not have."""

    async def trained_context(self, model: str) -> int | None:  # noqa: ARG002 the seam's signature
        """Return the longest context of a model, tokens; None where nobody says."""
        return None

    @abstractmethod
    def body(self, plan: Plan, agent: PlannedAgent, stage: Stage, *, thinks: bool) -> Body:
        """Return the request that asks for a stage; an option that is not set is not sent.

        `thinks`: the model can think before it answers, so it is told whether to.
        """

    @abstractmethod
    def loading(self, body: Body, keep_alive: str | None = None) -> Body | None:
        """Return a request as `body`, but without text; None where nothing can be loaded so.

        It only loads, or moves the expiry of what is loaded.
        """

    @abstractmethod
    async def unload_all(self) -> None:
        """Unload whatever the server holds, where it does so when we say so.

        Raises:
            ServerError: a model is still there after 30 s.
        """

    @abstractmethod
    async def loaded(self) -> list[str] | None:
        """Return the names of the models that the server holds now; None where nobody says.

        Raises:
            ServerError: it does not answer.
        """

    @abstractmethod
    def prepare(self, body: Body, headers: Mapping[str, str], exchange: Exchange) -> httpx.Request:
        """Build a generation request whose answer will lie in `exchange`."""

    def _prepare(
        self, path: str, body: Body, headers: Mapping[str, str], exchange: Exchange, reader: Reader,
        *, is_load: bool = False,
    ) -> httpx.Request:  # fmt: skip
        """Build a generation request; a load has a deadline of its own."""
        limits = self._deadlines
        first_s = limits.load_s if is_load else limits.first_token_s
        exchange.credentials, exchange.reader = self._credentials, reader
        request = self._http.build_request(
            "POST",
            path,
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
