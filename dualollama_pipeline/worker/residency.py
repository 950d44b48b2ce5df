"""Which model and options each server holds, and making them so off the clock.

In all four arms both servers hold their agent's model, warmed (METHOD section 2). What `single`
or a failure leaves behind is undone before the next trial.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from dualollama_pipeline.core.design import nonce
from dualollama_pipeline.core.errors import ServerError
from dualollama_pipeline.core.plan import Arm
from dualollama_pipeline.core.records import PreparationRecord, Status, TrialRecord
from dualollama_pipeline.ollama.client import Exchange, OllamaClient
from dualollama_pipeline.worker.agents import Attempt, asking, request_body
from dualollama_pipeline.worker.call import Window, call_record

if TYPE_CHECKING:
    from dualollama_pipeline.core.plan import Plan, PlannedAgent, PlannedTrial
    from dualollama_pipeline.worker.clock import Clock

WARM_UP_TOKENS = 32
UNLOAD_DEADLINE_S = 30.0
POLL_S = 0.1


def _runner_options(agent: PlannedAgent) -> tuple[str, int | None, int | None]:
    """Return what makes Ollama load a model anew when it changes."""
    return agent.model, agent.options.num_gpu, agent.options.num_ctx


class Residency:
    """Keeps each server loaded with what its own agent asks for."""

    def __init__(self, plan: Plan, clients: dict[str, OllamaClient], clock: Clock) -> None:
        dual = next(trial for trial in plan.trials if trial.arm is Arm.DUAL)
        self._wanted = {agent.server: agent for agent in dual.agents}
        self._clients = clients
        self._clock = clock
        self._plan = plan
        self._ready: set[str] = set()

    async def ensure(self, trial: PlannedTrial) -> list[PreparationRecord]:
        """Make every server ready that is not; all of them at the same time."""
        missing = [agent for name, agent in self._wanted.items() if name not in self._ready]
        if not missing:
            return []
        if self._plan.workload != "parity":  # which leaves it to the server, as the original did
            for agent in missing:
                await self._unload_all(self._clients[agent.server])
        trial_id = f"{trial.trial_id}.preparation"
        attempt = Attempt(trial_id, 1, self._plan, self._clock)
        await self._clock.begin(trial_id, [agent.role for agent in missing])
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._prepare(agent, trial, attempt)) for agent in missing]
        records = [task.result() for task in tasks]
        self._ready |= {record.server for record in records if record.status is Status.OK}
        return records

    def disturbed_by(self, trial: PlannedTrial, record: TrialRecord) -> None:
        """Note what a trial left behind: other options on a server, or a failure."""
        for agent in trial.agents:
            other = _runner_options(agent) != _runner_options(self._wanted[agent.server])
            if other or record.status is not Status.OK:
                self._ready.discard(agent.server)

    async def _unload_all(self, client: OllamaClient) -> None:
        """Unload whatever is there and wait until it is gone: num_gpu and num_ctx are sticky.

        Raises:
            ServerError: a model is still there after 30 s.
        """
        try:
            async with asyncio.timeout(UNLOAD_DEADLINE_S):
                while loaded := (await client.json("GET", "/api/ps")).get("models"):
                    for entry in loaded:
                        body = {"model": entry["name"], "prompt": "", "keep_alive": 0}
                        await client.json("POST", "/api/generate", {**body, "stream": False})
                    await asyncio.sleep(POLL_S if await self._holds(client) else 0)
        except TimeoutError as error:
            raise ServerError(
                f"{client.url}: a model is still loaded {UNLOAD_DEADLINE_S:.0f} s after unloading",
                "is somebody else using this server? stop them, or restart the server",
            ) from error

    async def _holds(self, client: OllamaClient) -> bool:
        return bool((await client.json("GET", "/api/ps")).get("models"))

    async def _prepare(
        self, agent: PlannedAgent, trial: PlannedTrial, attempt: Attempt
    ) -> PreparationRecord:
        """Load the model, then one discarded warm-up."""
        client = self._clients[agent.server]
        stage = agent.stages[0].model_copy(
            update={"nonce": nonce(attempt.trial_id), "num_predict": WARM_UP_TOKENS}
        )
        warm_up = request_body(agent, stage, attempt)
        warm_up["options"]["num_predict"] = WARM_UP_TOKENS  # of any workload; it is discarded
        loading = {**warm_up, **asking(self._plan, ""), "stream": False}
        exchange = Exchange(url=client.url, model=agent.model)
        headers = self._clock.headers(attempt.trial_id, agent.role, "load")
        await client.generate(loading, headers, exchange)
        if exchange.failure is None:
            exchange = Exchange(url=client.url, model=agent.model)
            headers = self._clock.headers(attempt.trial_id, agent.role, "warm_up")
            await client.generate(warm_up, headers, exchange)
        await self._clock.leave(attempt.trial_id, agent.role)
        call = call_record(agent, stage, exchange, Window(self._clock, 0, interrupted=False))
        return PreparationRecord(
            before_trial=trial.trial_id,
            server=agent.server,
            role=agent.role,
            status=call.status,
            failure=call.failure,
        )
