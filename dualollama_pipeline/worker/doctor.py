"""Can this pair be measured? Every question is asked; each finding says what to do about it."""

from __future__ import annotations

import asyncio
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dualollama_pipeline.core.design import SERVER_A, SERVER_B
from dualollama_pipeline.core.errors import DualOllamaError, ServerError
from dualollama_pipeline.core.plan import Deadlines
from dualollama_pipeline.ollama.client import Exchange, OllamaClient
from dualollama_pipeline.ollama.identity import same_process, snapshot
from dualollama_pipeline.worker import calibration
from dualollama_pipeline.worker.machine import describe_machine

if TYPE_CHECKING:
    from pathlib import Path

    from dualollama_pipeline.core.records import ServerIdentity
    from dualollama_pipeline.core.settings import Settings
    from dualollama_pipeline.ollama.servers import ServerPair

# A model load may take minutes; whether a server is there shows at once.
PATIENCE = Deadlines(connect_s=3.0, first_token_s=300.0, idle_s=60.0, total_s=300.0)
ON_GPU = 0.99


@dataclass(frozen=True)
class Finding:
    """One answer: `ok` False is a reason not to measure; `way_out` says what to do then."""

    name: str
    ok: bool
    found: str
    way_out: str = ""


async def examine_servers(pair: ServerPair, model: str) -> list[Finding]:
    """Ask both servers who they are, load the model on both, and look again."""
    results = await asyncio.gather(*(_ready(url, name, model) for name, url in pair.urls.items()))
    findings = [finding for finding, _ in results]
    identities = [identity for _, identity in results if identity is not None]
    if len(identities) < len(pair.urls):
        return findings
    return findings + _compared(identities)


async def _ready(url: str, name: str, model: str) -> tuple[Finding, ServerIdentity | None]:
    """Check one server: it answers, has the model, and can load it."""
    title = f"server {name}"
    async with OllamaClient(url, PATIENCE) as client:
        try:
            before = await snapshot(client, name, model)
            if not before.loaded:
                await _load(client, model)
            identity = await snapshot(client, name, model)
        except DualOllamaError as error:
            return Finding(title, False, error.problem, error.way_out), None
    kind = f"simulated ({identity.simulated_by})" if identity.simulated_by else "Ollama"
    found = f"{url}: {kind} {identity.version}, {model} {identity.digest[:12]}"
    return Finding(title, True, found), identity


async def _load(client: OllamaClient, model: str) -> None:
    exchange = Exchange(url=client.url, model=model)
    body = {"model": model, "prompt": "", "stream": False, "keep_alive": 60}
    await client.generate(body, {}, exchange)
    if exchange.failure is not None:
        raise DualOllamaError(
            f"{client.url}: {model} cannot be loaded: {exchange.failure.text}",
            "free memory (ollama ps, ollama stop), name a smaller model, or read the server's log",
        )


def _compared(identities: list[ServerIdentity]) -> list[Finding]:
    first, second = identities[0], identities[1]
    same = same_process(identities)
    proof = "distinct as far as it shows"
    if first.pid and second.pid:
        proof = f"distinct: processes {first.pid} and {second.pid}"
    equal = (first.version, first.digest) == (second.version, second.digest)
    findings = [
        Finding(
            "two servers",
            same is None,
            f"{first.url} and {second.url} are " + ("one and the same server" if same else proof),
            "start a second `ollama serve` with another OLLAMA_HOST, and name its URL",
        ),
        Finding(
            "same software",
            equal,
            "same version and weights"
            if equal
            else f"{first.version} {first.digest[:12]} and {second.version} {second.digest[:12]}",
            "run the same Ollama on both, and `ollama pull` the model on both",
        ),
    ]
    return findings + [_placement(identity) for identity in identities]


def _placement(identity: ServerIdentity) -> Finding:
    share = identity.size_vram_share
    found = "not known" if share is None else f"{100 * share:.0f} % in GPU memory"
    where = "".join(f", {uuid}" for uuid in identity.gpu_uuids or ())
    witness = f" ({identity.placement}{where})" if identity.placement else ""
    return Finding(
        f"placement {identity.server}",
        share is not None
        and (share >= ON_GPU or share == 0)
        and identity.placement != "contradicted",
        f"{found}{witness}, context {identity.context_length}",
        "a model that is partly on the CPU measures the bus: free GPU memory, or use a smaller one",
    )


async def examine_machine() -> Finding:
    """Say what machine this is; nothing about it can be wrong here."""
    machine = await describe_machine()
    gpus = "not known (no nvidia-smi)" if machine.gpus is None else f"{len(machine.gpus)}"
    named = "".join(f", {gpu.name} driver {gpu.driver}" for gpu in machine.gpus or ())
    found = f"{machine.os}, {machine.cpu}, {machine.n_cpus} CPUs, {machine.memory_mib} MiB"
    return Finding("machine", True, f"{found}, GPUs {gpus}{named}")


async def examine_ruler() -> Finding:
    """Hold the ruler against a server with a known schedule."""
    result = await calibration.examine_ruler()
    return Finding(
        "ruler",
        calibration.is_sound(result),
        f"TTFT error {result.ttft_error_median_ms:.2f} ms at the median, "
        f"{result.ttft_error_max_ms:.2f} at most; gap error P95 {result.gap_error_p95_ms:.2f} ms; "
        f"rate error {result.rate_error_pct:.2f} % (n {result.n}, two streams)",
        "stop what else uses this machine's CPU, then try again",
    )


def examine_warehouse(warehouse: Path) -> Finding:
    """Check that results can be written."""
    try:
        warehouse.mkdir(parents=True, exist_ok=True)
        writable = os.access(warehouse, os.W_OK)
    except OSError:
        writable = False
    state = "writable" if writable else "not writable"
    return Finding(
        "warehouse", writable, f"{warehouse} is {state}", "set DUALOLLAMA_WAREHOUSE to another"
    )


def refuse_to_disturb(holder: str) -> None:
    """Say no while somebody measures: the doctor loads models.

    Raises:
        ServerError: always; names who holds the servers.
    """
    raise ServerError(f"the servers are in use by {holder}", "ask again when it has ended")


async def examine(settings: Settings, pair: ServerPair) -> list[Finding]:
    """Ask everything; the ruler last, when no model is being loaded any more."""
    if set(pair.urls) != {SERVER_A, SERVER_B}:
        return [Finding("servers", False, f"there are {sorted(pair.urls)}", "two are needed")]
    findings = await examine_servers(pair, settings.model)
    findings += [await examine_machine(), examine_warehouse(settings.warehouse)]
    return [*findings, await examine_ruler()]
