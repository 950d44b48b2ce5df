"""What the doctor asks the servers: first what costs nothing, then with the model loaded."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, replace
from difflib import get_close_matches
from enum import StrEnum
from itertools import combinations
from typing import TYPE_CHECKING

from dualollama_pipeline.core.design import nonce
from dualollama_pipeline.core.errors import DualOllamaError, ServerError
from dualollama_pipeline.core.model_name import same_model
from dualollama_pipeline.core.records import NOT_TOLD
from dualollama_pipeline.core.units import MS_PER_S, NS_PER_S
from dualollama_pipeline.machine.gpu import GpuWatch
from dualollama_pipeline.metrics.call import decode_tok_per_s
from dualollama_pipeline.ollama.identity import moves_together, same_process
from dualollama_pipeline.transport.exchange import Exchange
from dualollama_pipeline.worker.agents import request_body
from dualollama_pipeline.worker.call import Window, call_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from dualollama_pipeline.core.plan import Plan, PlannedAgent
    from dualollama_pipeline.core.records import CallRecord, ServerIdentity
    from dualollama_pipeline.transport.client import Body, Client
    from dualollama_pipeline.worker.connections import Connections

    Tell = Callable[["Diagnosis"], object]

ON_GPU = 0.99
ROUND_TRIPS = 5
N_TOKENS = 16  # enough to see how pieces arrive, few enough for a CPU
KEEP_ALIVE, TOUCH_KEEP_ALIVE = "5m", "6m"  # Ollama's default; a touch has to move the expiry
CLUMP = 2  # pieces a read, on average; a quick server alone has a few that share one
MOST_NAMES = 20
SECOND_SERVER = "start a second `ollama serve` with another OLLAMA_HOST, and name its URL"
UNBUFFERED = "switch off buffering (nginx: proxy_buffering off) or name the server itself"
PARTLY_ON_CPU = "partly on the CPU, it measures the bus: free GPU memory, or use a smaller one"


class State(StrEnum):
    """What a finding means: FAIL is a reason not to measure, DOING says what takes its time."""

    OK = "ok"
    NOTE = "note"
    FAIL = "FAIL"
    DOING = "..."


@dataclass(frozen=True)
class Diagnosis:
    """One answer; `way_out` says what to do where it is not ok."""

    state: State
    name: str
    found: str
    way_out: str = ""


@dataclass(frozen=True)
class Speed:
    """How fast a server is: its load and its first token in s, its tokens per s."""

    load_s: float
    ttft_s: float
    tok_per_s: float


def refused(name: str, error: DualOllamaError) -> Diagnosis:
    """Return what to tell of a question that ended in an error."""
    return Diagnosis(State.FAIL, name, error.problem, error.way_out)


class Checkup:
    """One examination of the servers that `bench` is open for; `tell` hears each finding at once.

    `plans` are those of all configurations that may be measured on them.
    """

    def __init__(self, connections: Connections, plans: Sequence[Plan], tell: Tell) -> None:
        self._connections = connections
        self._tell = tell
        self._wanted = _largest_contexts(plans)
        self._agents = _agents_to_try(plans)
        self._thinking = {
            (plan.config_id, agent.model)
            for plan in plans
            for trial in plan.trials
            for agent in trial.agents
            if agent.think
        }

    async def introduce(self) -> list[str]:
        """Ask what needs no load; return the servers that have all models."""
        names = list(self._connections.control)
        sound = await asyncio.gather(*map(self._introduce, names))
        return [name for name, is_sound in zip(names, sound, strict=True) if is_sound]

    async def try_out(self, names: Sequence[str]) -> dict[str, Speed]:
        """Load on each of these servers its agent's model, look at them then, and stream from each.

        Returns the speeds of those that answered.
        """
        limit_s = self._connections.plan.deadlines.load_s
        models: dict[str, list[str]] = {}
        for name in names:
            models.setdefault(self._agents[name].model, []).append(name)
        what = ", ".join(f"{model} on {' and '.join(where)}" for model, where in models.items())
        self._tell(Diagnosis(State.DOING, "loading", f"{what} (at most {limit_s:.0f} s)"))
        loads = zip(names, await asyncio.gather(*map(self._load, names)), strict=True)
        load_s = {name: seconds for name, seconds in loads if seconds is not None}
        identities = await self._look(load_s)
        if len(identities) == len(self._connections.control):
            for first, second in combinations(identities, 2):
                self._tell(await self._two_servers(first, second))
                self._tell(_same_software(first, second))
        cannot = {each.model for each in identities if each.thinks is False}
        refused = sorted(each for each in self._thinking if each[1] in cannot)
        for config_id, model in refused:
            found = f"{model} cannot think before it answers"
            way_out = "leave `think` out of the study, or name a model that can"
            self._tell(Diagnosis(State.FAIL, f"configuration {config_id}", found, way_out))
        if refused:
            return {}
        if identities:
            self._tell(Diagnosis(State.DOING, "streaming", f"{N_TOKENS} tokens, one by one"))
        connections = self._connections.knowing(tuple(identities))
        speeds = {each.server: await self._stream(connections, each, load_s) for each in identities}
        return {name: speed for name, speed in speeds.items() if speed is not None}

    # -- without a load ------------------------------------------------------------------------
    async def _introduce(self, name: str) -> bool:
        client = self._connections.control[name]
        try:
            said = await client.introduce()  # opens the connection
            trips = [await _round_trip_ms(client) for _ in range(ROUND_TRIPS)]
        except ServerError as error:
            self._tell(refused(f"server {name}", error))
            return False
        trip = f"round trip {statistics.median(trips):.1f} ms (median of {ROUND_TRIPS})"
        found = f"{client.url}: {said.software}, {trip}"
        self._tell(Diagnosis(State.OK, f"server {name}", found))
        there = said.models
        missing = [m for m in self._wanted[name] if not any(same_model(m, t) for t in there)]
        for model in missing:
            self._tell(_missing(name, client, model, there))
        for model, num_ctx in self._wanted[name].items():
            if model not in missing:
                await self._check_context(name, model, num_ctx)
        return not missing

    async def _check_context(self, name: str, model: str, num_ctx: int) -> None:
        """Compare the largest context that is asked for with what the server says, if it does."""
        trained = await self._connections.control[name].trained_context(model)
        if trained is not None and num_ctx > trained:
            found = f"{model} was trained for {trained} tokens, a configuration asks for {num_ctx}"
            way_out = "Ollama gives no more than that: lower num_ctx in the study"
            self._tell(Diagnosis(State.NOTE, f"context {name}", found, way_out))

    # -- with the model loaded -----------------------------------------------------------------
    def _body(self, connections: Connections, name: str) -> Body:
        """Return a request as trials send it, but short, and with a prompt that is in no cache."""
        fresh, agent = nonce("doctor", time.time_ns()), self._agents[name]
        stage = agent.stages[0].model_copy(update={"nonce": fresh, "num_predict": N_TOKENS})
        attempt = connections.attempt("doctor", 1)
        plan = attempt.plan.model_copy(update={"keep_alive": KEEP_ALIVE})
        return request_body(connections.control[name], agent, stage, replace(attempt, plan=plan))

    def _without_text(self, name: str, keep_alive: str) -> Body | None:
        """Return a request that only loads, or only moves the expiry of what is loaded."""
        client = self._connections.control[name]
        return client.loading(self._body(self._connections, name), keep_alive)

    async def _load(self, name: str) -> float | None:
        """Return how long the load took, s; None if it failed.

        Where a load cannot be asked for, a short answer is, which loads what is not loaded.
        """
        client, model = self._connections.control[name], self._agents[name].model
        exchange = Exchange(url=client.url, model=model)
        started = time.perf_counter()
        body = self._without_text(name, KEEP_ALIVE) or self._body(self._connections, name)
        await client.generate(body, {}, exchange)
        if exchange.failure is None:
            return time.perf_counter() - started
        found = f"{client.url}: {model} cannot be loaded: {exchange.failure.text}"
        way_out = client.way_out(exchange.failure)
        self._tell(Diagnosis(State.FAIL, f"load {name}", found, way_out))
        return None

    async def _look(self, names: Iterable[str]) -> list[ServerIdentity]:
        gpus, found = GpuWatch(), []
        for name in names:
            client = self._connections.control[name]
            try:
                identity = await client.identity(name, self._agents[name].model, (), gpus)
            except ServerError as error:
                self._tell(refused(f"model {name}", error))
                continue
            self._tell(_placement(identity))
            found.append(identity)
        return found

    async def _two_servers(self, first: ServerIdentity, second: ServerIdentity) -> Diagnosis:
        """Say whether two URLs lead to two processes; by a touch where the machine does not."""
        name, urls = "two servers", f"{first.url} and {second.url}"
        if first.simulated_by and second.simulated_by:
            return Diagnosis(State.OK, name, f"{urls} are simulated, on one clock")
        proof: str | None = f"processes {first.pid} and {second.pid}"
        try:
            if first.pid and second.pid:
                same = same_process([first, second]) is not None
            else:
                same, proof = await self._touch(first, second)
        except ServerError as error:
            return refused(name, error)
        if same:
            found = f"{urls} are one and the same server"
            return Diagnosis(State.FAIL, name, found, SECOND_SERVER)
        if proof is None:
            found = f"whether {urls} are two does not show: no expiry that moves"
            return Diagnosis(State.NOTE, name, found, "make sure that they are two processes")
        return Diagnosis(State.OK, name, f"{urls} are distinct: {proof}")

    async def _touch(
        self, first: ServerIdentity, second: ServerIdentity
    ) -> tuple[bool, str | None]:
        """Return whether a request to the first moves the second, and what proves that it does not.

        Raises:
            ServerError: a server does not answer.
        """
        client, other = (self._connections.control[each.server] for each in (first, second))
        touch = self._without_text(first.server, TOUCH_KEEP_ALIVE)
        if touch is None:
            return False, None
        if await moves_together(client, other, first.model, touch):
            return True, None
        touched = await client.identity(first.server, first.model, (), GpuWatch())
        if touched.expires_at in {None, first.expires_at}:
            return False, None
        return False, f"what is asked of {first.server} does not touch {second.server}"

    async def _stream(
        self, connections: Connections, identity: ServerIdentity, load_s: dict[str, float]
    ) -> Speed | None:
        """Stream a few tokens as a trial would; tell how they came."""
        name, client = f"stream {identity.server}", connections.control[identity.server]
        agent = self._agents[identity.server]
        exchange = Exchange(url=client.url, model=agent.model)
        await client.generate(self._body(connections, identity.server), {}, exchange)
        window = Window(connections.clock, 0, interrupted=False)
        call = call_record(agent, agent.stages[0], exchange, window)
        if call.failure is not None:
            found = f"{client.url}: {call.failure.text}"
            self._tell(Diagnosis(State.FAIL, name, found, client.way_out(call.failure)))
            return None
        n = call.counters.eval_count or 0
        if n == 1 or call.sent_ns is None or call.first_token_ns is None:
            found = "the model ended at once, so its speed is not known"
            self._tell(Diagnosis(State.NOTE, name, found, "try again, or name another model"))
            return None
        ttft_s = (call.first_token_ns - call.sent_ns) / NS_PER_S
        speed = Speed(load_s[identity.server], ttft_s, _tok_per_s(call))
        pieces, reads = len(call.chunk_ns), len(set(call.chunk_ns))
        thinks = ", can think and is told not to" if identity.thinks else ""
        thinks = ", thinks before it answers" if call.thinking else thinks
        found = (
            f"TTFT {ttft_s * MS_PER_S:.0f} ms, {speed.tok_per_s:.1f} tokens/s, "
            f"{pieces} pieces in {reads} reads{thinks}"
        )
        verdict = State.OK
        if pieces >= CLUMP * reads and not identity.simulated_by:
            verdict = State.FAIL
            found += ": they come in clumps, TTFT and token times are not the server's"
        self._tell(Diagnosis(verdict, name, found, UNBUFFERED))
        return speed


def _largest_contexts(plans: Sequence[Plan]) -> dict[str, dict[str, int]]:
    """Return by server and model the largest num_ctx that is asked for; 0: none is."""
    found: defaultdict[str, dict[str, int]] = defaultdict(dict)
    for plan in plans:
        for trial in plan.trials:
            for agent in trial.agents:
                models = found[agent.server]
                asked = agent.options.num_ctx or 0
                models[agent.model] = max(models.get(agent.model, 0), asked)
    return found


def _agents_to_try(plans: Sequence[Plan]) -> dict[str, PlannedAgent]:
    """Return for each server an agent that has it to itself, with its most frequent model."""
    at_home: defaultdict[str, list[PlannedAgent]] = defaultdict(list)
    for plan in plans:
        for trial in plan.trials:
            for agent in trial.agents:
                if plan.agents[agent.name] == agent.server:
                    at_home[agent.server].append(agent)
    chosen = {}
    for server, agents in at_home.items():
        ((model, _),) = Counter(agent.model for agent in agents).most_common(1)
        chosen[server] = next(agent for agent in agents if agent.model == model)
    return chosen


def _tok_per_s(call: CallRecord) -> float:
    """Return tokens per second by the server, else as they came; of more than one token."""
    n, eval_ns = call.counters.eval_count or 0, call.counters.eval_duration
    if eval_ns is None:
        return (n - 1) * NS_PER_S / max((call.end_ns or 0) - (call.first_token_ns or 0), 1)
    return decode_tok_per_s(n, eval_ns)


async def _round_trip_ms(client: Client) -> float:
    started = time.perf_counter()
    await client.greet()
    return (time.perf_counter() - started) * MS_PER_S


def _missing(server: str, client: Client, model: str, there: list[str]) -> Diagnosis:
    more = len(there) - MOST_NAMES
    names = ", ".join(there[:MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
    way_out = client.way_to_have(model)
    if near := get_close_matches(model, there):
        way_out += (
            f"; or did you mean {' or '.join(near)}? DUALOLLAMA_MODEL names it, or the study, "
            "where the agent has a model of its own"
        )
    found = f"{client.url}: {model!r} is not there; there are {names or 'no models'}"
    return Diagnosis(State.FAIL, f"model {server}", found, way_out)


def _placement(identity: ServerIdentity) -> Diagnosis:
    name = f"model {identity.server}"
    what = f"{identity.model} {identity.digest[:12]} of {identity.url}"
    if identity.size_vram_share is None:
        found = f"{what}, the server does not tell where it is"
        return Diagnosis(State.NOTE, name, found, "see `ollama ps` or the server's log")
    share = identity.size_vram_share
    where = "".join(f", {uuid}" for uuid in identity.gpu_uuids or ())
    witness = f" ({identity.placement}{where})" if identity.placement else ""
    sound = (share >= ON_GPU or share == 0) and identity.placement != "contradicted"
    found = f"{what}, {100 * share:.0f} % in GPU memory{witness}, context {identity.context_length}"
    return Diagnosis(State.OK if sound else State.FAIL, name, found, PARTLY_ON_CPU)


def _same_software(first: ServerIdentity, second: ServerIdentity) -> Diagnosis:
    name = "same software"
    told = {first.version, first.digest, second.version, second.digest}
    same_weights = first.digest == second.digest or first.model != second.model
    if first.version == second.version and same_weights:
        if NOT_TOLD in told:
            found, way_out = "version or weights are not told", "make sure that they are the same"
            return Diagnosis(State.NOTE, name, found, way_out)
        what = "weights" if first.model == second.model else "other models"
        return Diagnosis(State.OK, name, f"same version and {what}")
    found = " and ".join(f"{each.version} {each.digest[:12]}" for each in (first, second))
    way_out = (
        "run the same Ollama on both, and `ollama pull` the model on both; or the same "
        "llama-server or vLLM, with the same file"
    )
    return Diagnosis(State.FAIL, name, found, way_out)
