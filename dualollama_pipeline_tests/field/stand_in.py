"""A stand-in for Ollama servers as people have them: slow, busy, proxied, odd. Real sockets.

`python -m dualollama_pipeline_tests.field.stand_in '{"gap_ms": 2}'` prints the URLs of two servers
as JSON and serves until its standard input closes. What a server does is a `Behaviour`; a key with
_a or _b behind it is of that server alone.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any

LAYERS = 35
NS = 1_000_000_000


@dataclass
class Behaviour:
    """What one server does; the defaults are a healthy one."""

    models: list[dict[str, Any]] = field(default_factory=lambda: [{"name": "gemma3:latest"}])
    version: str = "0.33.0"
    gap_ms: float = 1.0
    prefill_ms: float = 15.0
    load_s: float = 0.05
    warm_load_ms: float = 2.0
    num_parallel: int = 1
    contention: float = 1.0  # each of two active streams is slower by this
    one_process: bool = False  # both ports reach one server
    vram_share: float = 1.0
    expiry: str = "moving"  # or "zero" (an emulator's), "fixed"
    total_scale: float = 1.0  # the server's clock against the client's
    template_tokens: int = 6
    cached: int | None = None  # prompt_eval_cached_count; None: a server that has no such field
    buffer_bytes: int = 0  # a proxy that holds an answer back until it has so many
    prefix: str = ""
    token: str = ""
    stop_share: float = 0.0  # of the calls, these stop early
    end_at_once: bool = False  # one token, no text
    thinks: bool = False  # all of the budget, if it is not told not to
    forgets_after: int = 0  # unloads its model after so many calls; 0: never
    context_floor: int = 0
    hangs_from: int = 0  # no generation is answered from this one on; 0: never
    hangs_when_shared: bool = False  # a generation that meets another on its server
    busy: tuple[int, int] = (0, 0)  # after so many generations, so many are refused with 503
    # path: (how often it answers first, how often it fails then)
    control_failures: dict[str, tuple[int, int]] = field(default_factory=dict)
    load_error: str = ""
    load_errors: int = 1_000  # so many loads fail
    dies_after: int = 0  # connections are cut after so many generations; 0: never
    retry_after: str = "0"
    generate_status: int = 200


def behaviours(given: dict[str, Any]) -> dict[str, Behaviour]:
    """Return the behaviour of server a and of server b."""
    made = {}
    for name in "ab":
        own = {
            key.removesuffix(f"_{name}"): value
            for key, value in given.items()
            if key.endswith(f"_{name}")
        }
        common = {key: value for key, value in given.items() if not key.endswith(("_a", "_b"))}
        known = {each.name for each in fields(Behaviour)}
        made[name] = Behaviour(**{k: v for k, v in (common | own).items() if k in known})
    return made


class Gpu:
    """How many streams are being worked on, over all servers."""

    active = 0


class Server:
    """One Ollama process."""

    def __init__(self, behaviour: Behaviour, gpu: Gpu, seed: int) -> None:
        self.behaviour = behaviour
        self._gpu = gpu
        self._slots = asyncio.Semaphore(behaviour.num_parallel)
        self._loaded: dict[str, tuple[tuple[Any, ...], int]] = {}  # model: (options, context)
        self._expires: dict[str, str] = {}
        self._chance = random.Random(seed)
        self._count: Counter[str] = Counter()
        self.is_dead = False
        self.n_open = 0

    # -- control ---------------------------------------------------------------------------------
    def control(self, path: str) -> tuple[int, Any]:
        b = self.behaviour
        self._count[path] += 1
        first, failures = b.control_failures.get(path, (0, 0))
        if first < self._count[path] <= first + failures:
            return 500, {"error": "not now"}
        if path == "/api/version":
            return 200, {"version": b.version}
        if path == "/api/tags":
            return 200, {"models": [self._entry(model["name"]) for model in b.models]}
        if path == "/api/show":
            capabilities = ["completion"] + (["thinking"] if b.thinks else [])
            info = {"general.architecture": "g", "g.block_count": LAYERS - 1}
            return 200, {"model_info": info, "capabilities": capabilities}
        if path == "/api/ps":
            return 200, {"models": [self._held(name) for name in self._loaded]}
        return 404, None

    def _entry(self, name: str) -> dict[str, Any]:
        return {
            "name": name,
            "model": name,
            "size": 1000,
            "digest": f"{name:x<64}"[:64],
            "details": {"quantization_level": "Q4_K_M"},
        }

    def _held(self, name: str) -> dict[str, Any]:
        _, context = self._loaded[name]
        return self._entry(name) | {
            "size_vram": round(1000 * self.behaviour.vram_share),
            "context_length": context,
            "expires_at": self._expires[name],
        }

    def _touch(self, name: str) -> None:
        kinds = {"zero": "0001-01-01T00:00:00Z", "fixed": "2030-01-01T00:00:00Z"}
        moving = (datetime.now(UTC) + timedelta(minutes=30)).isoformat()
        self._expires[name] = kinds.get(self.behaviour.expiry, moving)

    # -- generating ------------------------------------------------------------------------------
    def refusal(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]] | None:
        """Return status and body of a generation that is refused."""
        b, name = self.behaviour, body.get("model", "")
        if self._known(name) is None:
            return 404, {"error": f"model '{name}' not found"}
        if not _prompt(body):
            self._count["load"] += bool(body.get("keep_alive"))
            failing = b.load_error and 0 < self._count["load"] <= b.load_errors
            return (500, {"error": b.load_error}) if failing else None
        if b.generate_status != 200:
            return b.generate_status, {"error": "no"}
        self._count["busy"] += 1
        if b.busy[0] < self._count["busy"] <= sum(b.busy):
            return 503, {"error": "server busy, please try again"}
        return None

    def _known(self, name: str) -> str | None:
        full = name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"
        names = [model["name"] for model in self.behaviour.models]
        return next((each for each in names if each.casefold() == full.casefold()), None)

    async def answers(self, body: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        """Yield the records of one generation."""
        b, loop = self.behaviour, asyncio.get_running_loop()
        name = self._known(body["model"]) or ""
        if not _prompt(body):
            if body.get("keep_alive") == 0:
                self._loaded.pop(name, None)
                yield self._record(body, "", done=True, done_reason="unload")
                return
            await self._load(name, body)
            yield self._record(body, "", done=True, done_reason="load")
            return
        self._count["generate"] += 1
        if b.dies_after and self._count["generate"] > b.dies_after:
            self.is_dead = True
            raise ConnectionResetError
        shared = b.hangs_when_shared and self.n_open > 1
        if shared or (b.hangs_from and self._count["generate"] >= b.hangs_from):
            await asyncio.Event().wait()
        received = loop.time()
        async with self._slots:
            granted = loop.time()
            await self._load(name, body)
            loaded = loop.time()
            n_prompt = len(_prompt(body)) // 5 + b.template_tokens
            thinks = b.thinks and body.get("think") is not False
            self._gpu.active += 1
            try:
                await self._work(b.prefill_ms)
                began = loop.time()
                n, reason = self._length(body)
                due = loop.time()
                for i in range(0 if b.end_at_once else n):
                    yield self._record(
                        body,
                        "" if thinks else f" w{i}",
                        **({"thinking": f" t{i}"} if thinks else {}),
                    )
                    due += b.gap_ms / 1000 * (b.contention if self._gpu.active > 1 else 1.0)
                    await asyncio.sleep(max(due - loop.time(), 0))
            finally:
                self._gpu.active -= 1
            ended = loop.time()
        self._touch(name)
        if b.forgets_after and self._count["generate"] % b.forgets_after == 0:
            self._loaded.pop(name, None)
        scale = NS * b.total_scale
        load_s = loaded - granted + b.warm_load_ms / 1000
        yield self._record(
            body, "", done=True, done_reason=reason,
            total_duration=round((ended - received) * scale),
            load_duration=round(min(load_s, began - received) * scale),
            prompt_eval_count=n_prompt,
            **({} if b.cached is None else {"prompt_eval_cached_count": b.cached}),
            prompt_eval_duration=round(max(began - loaded - b.warm_load_ms / 1000, 0.001) * scale),
            eval_count=n,
            **({"eval_duration": round(max(ended - began, 1e-6) * scale)} if n > 1 else {}),
        )  # fmt: skip

    def _length(self, body: dict[str, Any]) -> tuple[int, str]:
        limit = body.get("options", {}).get("num_predict") or 300
        if self.behaviour.end_at_once:
            return 1, "stop"
        if self._chance.random() < self.behaviour.stop_share and limit > 64:
            return self._chance.randint(limit // 4, limit - 1), "stop"
        return limit, "length"

    async def _load(self, name: str, body: dict[str, Any]) -> None:
        options = body.get("options", {})
        held = self._loaded.get(name)
        wanted = tuple(
            options.get(key, held[0][i] if held else None)
            for i, key in enumerate(("num_gpu", "num_ctx"))
        )
        if held is None or held[0] != wanted:
            await asyncio.sleep(self.behaviour.load_s)
            context = max(wanted[1] or 4096, self.behaviour.context_floor)
            self._loaded[name] = wanted, context
        self._touch(name)

    async def _work(self, ms: float) -> None:
        await asyncio.sleep(ms / 1000 * (self.behaviour.contention if self._gpu.active > 1 else 1))

    def _record(self, body: dict[str, Any], text: str, **more: Any) -> dict[str, Any]:
        said: dict[str, Any] = {"response": text}
        if "messages" in body:
            said = {"message": {"role": "assistant", "content": text}}
        stamp = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        return {"model": body["model"], "created_at": stamp, **said, "done": False, **more}


def _prompt(body: dict[str, Any]) -> str:
    return str(body.get("prompt") or "".join(m["content"] for m in body.get("messages", ())))


class Face:
    """A port of a server, or of the proxy in front of it."""

    def __init__(self, server: Server, behaviour: Behaviour) -> None:
        self._server = server
        self._proxy = behaviour

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                lines = [line.partition(":") for line in head.split("\r\n")[1:] if line]
                headers = {name.lower(): value.strip() for name, _, value in lines}
                raw = await reader.readexactly(int(headers.get("content-length", 0)))
                path, body = head.split(" ")[1], json.loads(raw or b"{}")
                answer = asyncio.ensure_future(self._answer(path, headers, body, writer))
                while not answer.done():  # a client that leaves frees the slot
                    await asyncio.wait({answer}, timeout=0.05)
                    if reader.at_eof() or reader.exception():
                        answer.cancel()
                answer.result()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the client left, or the servers stop
        finally:
            writer.close()

    async def _answer(
        self, path: str, headers: dict[str, str], body: Any, writer: asyncio.StreamWriter
    ) -> None:
        if self._server.is_dead:
            raise ConnectionResetError
        if self._proxy.token and headers.get("authorization") != f"Bearer {self._proxy.token}":
            said = headers.get("authorization", "no key")
            return _whole(writer, 401, {"error": f"wrong credentials: {said}"})
        if not path.startswith(self._proxy.prefix):
            return _whole(writer, 404, None)
        path = path.removeprefix(self._proxy.prefix)
        if path not in {"/api/generate", "/api/chat"}:
            return _whole(writer, *self._server.control(path))
        refused = self._server.refusal(body)
        if refused is not None:
            later = self._proxy.retry_after if refused[0] == 503 else None
            return _whole(writer, *refused, retry_after=later)
        self._server.n_open += 1
        try:
            await self._stream(body, writer)
        finally:
            self._server.n_open -= 1
        return None

    async def _stream(self, body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        head = "HTTP/1.1 200 OK\r\nContent-Type: application/x-ndjson\r\n"
        begun = held = b""
        async for record in self._server.answers(body):
            held += json.dumps(record).encode() + b"\n"
            if len(held) < self._proxy.buffer_bytes:
                continue
            if not begun:
                begun = f"{head}Transfer-Encoding: chunked\r\n\r\n".encode()
                writer.write(begun)
            writer.write(b"%x\r\n%s\r\n" % (len(held), held))
            held = b""
            await writer.drain()
        if not begun:
            writer.write(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode())
        if held:
            writer.write(b"%x\r\n%s\r\n" % (len(held), held))
        writer.write(b"0\r\n\r\n")
        await writer.drain()


def _whole(
    writer: asyncio.StreamWriter, status: int, content: Any, retry_after: str | None = None
) -> None:
    body = b"404 page not found" if content is None else json.dumps(content).encode()
    extra = "" if retry_after is None else f"Retry-After: {retry_after}\r\n"
    writer.write(f"HTTP/1.1 {status} X\r\n{extra}Content-Length: {len(body)}\r\n\r\n".encode())
    writer.write(body)


@asynccontextmanager
async def stand_ins(**given: Any) -> AsyncIterator[dict[str, str]]:
    """Serve two servers on free ports; yields their URLs, with the proxy's path."""
    made, gpu = behaviours(given), Gpu()
    servers = {name: Server(made[name], gpu, ord(name)) for name in "ab"}
    if made["a"].one_process:
        servers["b"] = servers["a"]
    faces = {name: Face(servers[name], made[name]) for name in "ab"}
    listening = {
        name: await asyncio.start_server(face.serve, "127.0.0.1", 0) for name, face in faces.items()
    }
    try:
        yield {
            name: f"http://127.0.0.1:{each.sockets[0].getsockname()[1]}{made[name].prefix}"
            for name, each in listening.items()
        }
    finally:
        for each in listening.values():
            each.close()


async def _main(given: dict[str, Any]) -> None:
    async with stand_ins(**given) as urls:
        sys.stdout.write(json.dumps(urls) + "\n")
        sys.stdout.flush()
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main(json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}))
