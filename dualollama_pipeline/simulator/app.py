"""The HTTP face of the simulated pair: one starlette app per server over one conductor.

Here: routes, headers and statuses. No rule about time (`conductor.py`) or bodies (`catalog.py`,
`lines.py`, `asked.py`).
"""

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dualollama_pipeline.simulator.answer import RECEIVED_HEADER, CallAnswer
from dualollama_pipeline.simulator.asked import (
    Asked,
    ProtocolError,
    known_model,
    parse_chat,
    parse_completion,
    parse_generate,
    parse_object,
)
from dualollama_pipeline.simulator.catalog import ps_body, show_body, tags_body
from dualollama_pipeline.simulator.conductor import Caller, Conductor
from dualollama_pipeline.simulator.events import error_body, models_body, props_body
from dualollama_pipeline.simulator.lines import bare_record, said
from dualollama_pipeline.simulator.profile import SIMULATOR_VERSION, Profile
from dualollama_pipeline.simulator.trial import NotJoined

Parse = Callable[[bytes, Profile], Asked]
OLLAMA_VERSION = "0.33.0-simulated"
_CALLER_HEADERS = ("X-Simulator-Trial", "X-Simulator-Agent", "X-Simulator-Stage")


class _Announce:
    """Says on every response that it is simulated."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def announcing(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Simulated"] = f"dualollama/{SIMULATOR_VERSION}"
            await send(message)

        await self._app(scope, receive, announcing)


class _Face:
    """The endpoints of one server."""

    def __init__(self, server: int, conductor: Conductor, profile: Profile) -> None:
        self._server = server
        self._conductor = conductor
        self._profile = profile

    async def alive(self, _request: Request) -> Response:
        return PlainTextResponse("Ollama is running")

    async def version(self, _request: Request) -> Response:
        return JSONResponse({"version": OLLAMA_VERSION})

    async def tags(self, _request: Request) -> Response:
        return JSONResponse(tags_body(self._profile.cards))

    async def show(self, request: Request) -> Response:
        name = known_model(parse_object(await request.body(), "ShowRequest"), self._profile)
        return JSONResponse(show_body(self._profile.card(name) or self._profile.model))

    async def ps(self, _request: Request) -> Response:
        now_ns = self._conductor.sync()
        world = self._conductor.world
        held = ((card, world.resident(self._server, card.name)) for card in self._profile.cards)
        return JSONResponse(ps_body(held, now_ns))

    async def generate(self, request: Request) -> Response:
        return await self._answer(request, parse_generate)

    async def chat(self, request: Request) -> Response:
        return await self._answer(request, parse_chat)

    async def completion(self, request: Request) -> Response:
        return await self._answer(request, parse_completion)

    async def models(self, _request: Request) -> Response:
        return JSONResponse(models_body(self._profile.cards))

    async def props(self, _request: Request) -> Response:
        n_slots = self._conductor.world.n_slots(self._server)
        return JSONResponse(props_body(self._profile.model, OLLAMA_VERSION, n_slots))

    async def _answer(self, request: Request, parse: Parse) -> Response:
        body = await request.body()
        try:
            return self._generate(request, body, parse)
        except (ProtocolError, NotJoined) as error:
            response = _refusal(request, error)
            response.headers[RECEIVED_HEADER] = str(self._conductor.sync())
            return response

    def _generate(self, request: Request, body: bytes, parse: Parse) -> Response:
        caller = _caller(request)
        if caller:
            # Before the body: a stale trial is told so whatever it sends.
            self._conductor.check(caller)
        asked = parse(body, self._profile)
        if asked.is_unload:
            now_ns = self._conductor.unload(self._server, asked.model, caller)
            headers = {RECEIVED_HEADER: str(now_ns)}
            words = said("", is_chat=asked.is_chat)
            return JSONResponse(bare_record(asked.model, now_ns, "unload", words), headers=headers)
        outlet = self._conductor.open(self._server, asked, caller)
        return CallAnswer(outlet, self._conductor)

    async def join(self, request: Request) -> Response:
        fields = parse_object(await request.body(), "JoinRequest")
        trial_id, agents = fields.get("trial_id"), fields.get("agents")
        is_sound = isinstance(agents, list) and all(isinstance(a, str) and a for a in agents)
        if not isinstance(trial_id, str) or not agents or not is_sound:
            raise ProtocolError(400, "join needs trial_id (text) and agents (list of texts)")
        if len(set(agents)) != len(agents):
            raise ProtocolError(400, f"join names an agent twice: {agents}")
        return JSONResponse({"now_ns": self._conductor.join(trial_id, agents)})

    async def leave(self, request: Request) -> Response:
        fields = parse_object(await request.body(), "LeaveRequest")
        self._conductor.leave(str(fields.get("trial_id")), str(fields.get("agent")))
        return JSONResponse({})

    async def profile(self, _request: Request) -> Response:
        profile = self._profile
        return JSONResponse(
            {
                "name": profile.name,
                "fingerprint": profile.fingerprint,
                "version": SIMULATOR_VERSION,
            }
        )


def build_app(server: int, conductor: Conductor, profile: Profile) -> Starlette:
    """The app of server 0 (a) or 1 (b)."""
    face = _Face(server, conductor, profile)
    routes = [
        Route("/", face.alive, methods=["GET"]),
        Route("/api/version", face.version, methods=["GET"]),
        Route("/api/tags", face.tags, methods=["GET"]),
        Route("/api/ps", face.ps, methods=["GET"]),
        Route("/api/show", face.show, methods=["POST"]),
        Route("/api/generate", face.generate, methods=["POST"]),
        Route("/api/chat", face.chat, methods=["POST"]),
        Route("/v1/chat/completions", face.completion, methods=["POST"]),
        Route("/v1/models", face.models, methods=["GET"]),
        Route("/props", face.props, methods=["GET"]),
        Route("/simulator/join", face.join, methods=["POST"]),
        Route("/simulator/leave", face.leave, methods=["POST"]),
        Route("/simulator/profile", face.profile, methods=["GET"]),
    ]
    return Starlette(
        routes=routes,
        middleware=[Middleware(_Announce)],
        exception_handlers={
            404: _not_found,
            405: _not_allowed,
            ProtocolError: _refusal,
            NotJoined: _refusal,
        },
    )


def _caller(request: Request) -> Caller | None:
    values = [request.headers.get(name) for name in _CALLER_HEADERS]
    if not any(values):
        return None
    missing = [name for name, value in zip(_CALLER_HEADERS, values, strict=True) if not value]
    if missing:
        raise ProtocolError(400, f"a joined request also needs the header {', '.join(missing)}")
    return Caller(*[value or "" for value in values])


async def _not_found(_request: Request, _error: Exception) -> Response:
    return PlainTextResponse("404 page not found", status_code=404)


async def _not_allowed(_request: Request, _error: Exception) -> Response:
    return PlainTextResponse("405 method not allowed", status_code=405)


def _refusal(request: Request, error: Exception) -> Response:
    status = error.status if isinstance(error, ProtocolError) else 409
    if request.url.path.startswith("/v1/"):
        return JSONResponse(error_body(status, str(error)), status_code=status)
    return JSONResponse({"error": str(error)}, status_code=status)
