"""Can these servers be measured, and how long does it take? Each finding says what to do."""

from __future__ import annotations

import asyncio
import os
from collections import defaultdict
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from dualollama_pipeline.bench.checkup import Checkup, Diagnosis, State, refused
from dualollama_pipeline.bench.measure import Measurement
from dualollama_pipeline.core.errors import ServerError
from dualollama_pipeline.core.study import study_of
from dualollama_pipeline.core.workload import STANDARD_NUM_PREDICT
from dualollama_pipeline.machine.description import describe_machine
from dualollama_pipeline.machine.gpu import LOOPBACK
from dualollama_pipeline.worker import ruler
from dualollama_pipeline.worker.connections import connect

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dualollama_pipeline.bench.checkup import Speed, Tell
    from dualollama_pipeline.bench.servers import ServerPair
    from dualollama_pipeline.core.plan import Plan, PlannedTrial
    from dualollama_pipeline.core.protocol import Protocol
    from dualollama_pipeline.core.settings import Settings

WARM_S = 0.5  # a load that takes less found the model in place
S_PER_MIN, MIN_PER_H = 60, 60
RULER_REQUESTS = 10  # on each stream, half of what a batch takes: somebody is waiting


async def examine(settings: Settings, pair: ServerPair, tell: Tell) -> None:
    """Ask everything, what needs no load first; the ruler when no model is being loaded any more.

    Raises:
        InputError: the matrix, the corpus or a setting cannot be used.
    """
    tell(examine_warehouse(settings.warehouse))
    plans = plans_of(settings, pair)
    async with connect(plans[0]) as connections:
        checkup = Checkup(connections, plans, tell)
        sound, machine = await asyncio.gather(checkup.introduce(), examine_machine(pair.urls))
        tell(machine)
        speeds = await checkup.try_out(sound) if sound else {}
    for plan in plans:
        if plan.changed and settings.servers == "external":
            tell(_not_started_here(plan))
    tell(await examine_ruler(plans[0].protocol_of(next(iter(pair.urls)))))
    if speeds.keys() == pair.urls.keys():
        tell(night(plans, speeds))


def _not_started_here(plan: Plan) -> Diagnosis:
    found = f"it changes the surroundings of {', '.join(plan.changed)}, which run already"
    way_out = "measure it with DUALOLLAMA_SERVERS=managed, or leave it out"
    return Diagnosis(State.FAIL, f"configuration {plan.config_id}", found, way_out)


def plans_of(settings: Settings, pair: ServerPair) -> list[Plan]:
    """Return the plans of all configurations of the matrix."""
    measurement = Measurement(settings, pair, lambda _: None)
    matrix = study_of(settings)
    return [measurement.plan(each, "doctor") for each in matrix.configurations]


async def examine_machine(urls: dict[str, str]) -> Diagnosis:
    """Say what machine this client is; nothing about it can be wrong here."""
    machine = await describe_machine()
    gpus = "not known (no nvidia-smi)" if machine.gpus is None else f"{len(machine.gpus)}"
    named = "".join(f", {gpu.name} driver {gpu.driver}" for gpu in machine.gpus or ())
    found = f"{machine.os}, {machine.cpu}, {machine.n_cpus} CPUs, {machine.memory_mib} MiB"
    remote = [name for name, url in urls.items() if urlsplit(url).hostname not in LOOPBACK]
    whose = f"; server {' and '.join(remote)} is elsewhere, with its own" if remote else ""
    return Diagnosis(State.OK, "this client", f"{found}, GPUs {gpus}{named}{whose}")


async def examine_ruler(protocol: Protocol) -> Diagnosis:
    """Hold the ruler against a server with a known schedule, in the servers' protocol."""
    try:
        result = await ruler.examine_ruler(protocol=protocol, requests=RULER_REQUESTS)
    except ServerError as error:
        return refused("ruler", error)
    return Diagnosis(
        State.OK if ruler.is_sound(result) else State.FAIL,
        "ruler",
        f"TTFT error {result.ttft_error_median_ms:.2f} ms at the median, "
        f"{result.ttft_error_max_ms:.2f} at most; gap error P95 {result.gap_error_p95_ms:.2f} ms; "
        f"rate error {result.rate_error_pct:.2f} % (n {result.n}, two streams)",
        "stop what else uses this machine's CPU, then try again",
    )


def examine_warehouse(warehouse: Path) -> Diagnosis:
    """Check that results can be written."""
    try:
        warehouse.mkdir(parents=True, exist_ok=True)
        writable = os.access(warehouse, os.W_OK)
    except OSError:
        writable = False
    return Diagnosis(
        State.OK if writable else State.FAIL,
        "warehouse",
        f"{warehouse} is {'writable' if writable else 'not writable'}",
        "set DUALOLLAMA_WAREHOUSE to another",
    )


def refuse_to_disturb(holder: str) -> None:
    """Say no while somebody measures: the doctor loads models.

    Raises:
        ServerError: always; names who holds the servers.
    """
    raise ServerError(f"the servers are in use by {holder}", "ask again when it has ended")


def night(plans: Sequence[Plan], speeds: dict[str, Speed]) -> Diagnosis:
    """Estimate how long all plans take: their trials at these speeds, and the loads between them.

    A plan begins with a load; after `shared` with two option sets of one model its server loads
    again, and once at least in it. Agents at once are taken not to slow each other.
    """
    trials = [trial for plan in plans for trial in plan.trials]
    n_loads = len(plans) + 2 * sum(_changes_options(trial) for trial in trials)
    load_s = max(speed.load_s for speed in speeds.values())
    total_s = sum(_trial_s(trial, speeds) for trial in trials) + n_loads * load_s
    blocks = max(trial.block for trial in trials)
    warm = " (it was loaded already; a real load takes longer)" if load_s < WARM_S else ""
    clock = " of simulated time" if plans[0].clock == "simulated" else ""
    return Diagnosis(
        State.OK,
        "night",
        f"a night of {len(plans)} configurations × {blocks} blocks takes about "
        f"{_duration(total_s)}{clock} (an estimate: {len(trials)} trials at the speeds above, "
        f"{n_loads} loads of {load_s:.1f} s{warm}; agents at once taken "
        "not to slow each other)",
    )


def _changes_options(trial: PlannedTrial) -> bool:
    runners = {(a.model, a.options.num_gpu, a.options.num_ctx) for a in trial.agents}
    return not trial.is_apart and len(runners) > len({model for model, *_ in runners})


def _trial_s(trial: PlannedTrial, speeds: dict[str, Speed]) -> float:
    """Return the time of its busiest server; an answer without a limit counts as a limited one."""
    busy_s: defaultdict[str, float] = defaultdict(float)
    for agent in trial.agents:
        speed = speeds[agent.server]
        tokens = [stage.num_predict or STANDARD_NUM_PREDICT for stage in agent.stages]
        busy_s[agent.server] += len(tokens) * speed.ttft_s + sum(tokens) / speed.tok_per_s
    return max(busy_s.values())


def _duration(seconds: float) -> str:
    hours, minutes = divmod(max(round(seconds / S_PER_MIN), 1), MIN_PER_H)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"
