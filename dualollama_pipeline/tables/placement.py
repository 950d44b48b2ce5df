"""Where the models lay: the same place in all arms is a condition, another is a fault.

Comparisons need one placement, not a whole one: experts kept on the CPU on purpose, or a small
GPU, are the user's study (METHOD section 2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.core.study import SHARED
from dualollama_pipeline.tables import guards
from dualollama_pipeline.tables.guards import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from dualollama_pipeline.core.plan import PlannedAgent
    from dualollama_pipeline.core.records import ServerIdentity
    from dualollama_pipeline.worker.journal import Journal


def placement_findings(journal: Journal) -> list[Finding]:
    """Judge the placements of a whole batch: each speaks about every arm."""
    if journal.batch is None:
        return []
    agents = {
        agent.server: agent
        for trial in journal.batch.plan.trials
        if trial.is_apart
        for agent in trial.agents
    }
    seen = [
        server
        for record in journal.identities
        if record.arm != SHARED  # in which a server may hold the other agent's options
        for server in record.servers
        if server.server in agents and server.loaded
    ]
    findings = [*_differing(seen, agents)]
    for name, agent in sorted(agents.items()):
        mine = [server for server in seen if server.server == name]
        if mine:
            findings += _of_one_server(mine[-1], agent)
    if any(server.placement == "contradicted" for server in seen):
        text = "a server claims GPU memory that no GPU holds"
        findings.append(Finding("ERROR", "placement", text))
    return findings


def _differing(seen: list[ServerIdentity], agents: dict[str, PlannedAgent]) -> Iterator[Finding]:
    """Compare each server with itself over the batch, and servers that were asked for the same."""
    groups: dict[object, dict[str, list[float]]] = {}
    for server in seen:
        if server.size_vram_share is not None:
            agent = agents[server.server]
            asked = (agent.model, agent.options.num_gpu, agent.options.num_ctx)
            shares = groups.setdefault(asked, {}).setdefault(server.server, [])
            shares.append(server.size_vram_share)
    for shares_of in groups.values():
        every = [share for shares in shares_of.values() for share in shares]
        if max(every) - min(every) > guards.SAME_PLACEMENT:
            told = ", ".join(
                f"{name} {_range(shares)} %" for name, shares in sorted(shares_of.items())
            )
            yield Finding("ERROR", "placement", f"differs in GPU memory: {told}")


def _range(shares: list[float]) -> str:
    return " to ".join(dict.fromkeys(f"{100 * share:.0f}" for share in (min(shares), max(shares))))


def _of_one_server(server: ServerIdentity, agent: PlannedAgent) -> Iterator[Finding]:
    share, name, asked = server.size_vram_share, f"server {server.server}", agent.options.num_gpu
    if share is None:
        yield Finding("WARN", "placement", f"{name} does not show where its model is")
    elif share == 0 and asked != 0:
        wanted = "layers were asked for" if asked and asked > 0 else "nothing said so"
        level: guards.Level = "ERROR" if asked and asked > 0 else "WARN"
        yield Finding(level, "placement", f"{name}: 0 % in GPU memory, {wanted}")
    elif 0 < share < guards.ON_GPU_SHARE:
        text = f"{name}: {100 * share:.0f} % in GPU memory, in all arms: a condition"
        yield Finding("WARN", "placement", text)
    elif share > 0 and server.placement == "claimed":
        yield Finding("WARN", "placement", f"{name}: GPU memory is its own claim, no witness")
