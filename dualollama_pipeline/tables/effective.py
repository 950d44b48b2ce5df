"""What an option really was: asked for, clamped by the server, or kept from the call before.

Ollama puts all layers on the GPU for any num_gpu above their number, raises num_ctx to a model's
floor, and reads an absent option as "keep what is loaded" (OLLAMA.md section 0, facts 8 and 9).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.core.model_name import tagged
from dualollama_pipeline.core.study import SHARED
from dualollama_pipeline.tables.guards import ON_GPU_SHARE
from dualollama_pipeline.tables.rows import Row

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dualollama_pipeline.core.records import ServerIdentity
    from dualollama_pipeline.core.specs import Surroundings
    from dualollama_pipeline.worker.journal import Journal

AUTO = -1
SAMPLING = ("temperature", "top_p", "top_k", "repeat_penalty")


def mark_effective(rows: Sequence[Row], journal: Journal) -> None:
    """Add effective_num_gpu, effective_num_ctx and effective_class to the rows of the call table.

    On its own server an agent has what the server showed as loaded. In `shared` the calls of both
    agents pass through one server in the order of their first tokens, and an absent option keeps
    what the call before had. None where the server has not shown it.
    """
    loaded = {
        (server.server, server.model): server
        for record in journal.identities
        if record.arm != SHARED  # in which a server may hold the other agent's options
        for server in record.servers
        if server.loaded
    }
    own = {
        row["agent"]: _on_own_server(row, loaded.get((row["server"], row["model"])))
        for row in rows
        if row["arm"] != SHARED
    }
    for row in rows:
        row["effective_num_gpu"], row["effective_num_ctx"] = own.get(row["agent"], (None, None))
    owner = {row["server"]: row["agent"] for row in rows if row["arm"] != SHARED}
    for calls in _by_trial([row for row in rows if row["arm"] == SHARED]):
        _follow(calls, own, owner.get(calls[0]["server"]))
    changed = journal.batch.plan.changed if journal.batch is not None else {}
    named = effective_class(rows, _surroundings(changed))
    for row in rows:
        row["effective_class"] = named


def _on_own_server(row: Row, server: ServerIdentity | None) -> tuple[int | None, int | None]:
    if server is None:
        return None, None
    asked, layers, share = row["num_gpu"], server.layers, server.size_vram_share
    num_gpu: int | None
    if share == 0:
        num_gpu = 0  # whatever was asked for
    elif asked is None or asked == AUTO:
        num_gpu = layers if share is not None and share >= ON_GPU_SHARE else None
    else:
        num_gpu = asked if layers is None else min(asked, layers)
    return num_gpu, server.context_length


def _by_trial(rows: Sequence[Row]) -> list[list[Row]]:
    trials: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        trials.setdefault((row["trial_id"], row["attempt"]), []).append(row)
    return list(trials.values())


def _follow(
    calls: list[Row], own: dict[str, tuple[int | None, int | None]], owner: str | None
) -> None:
    """Go through a `shared` trial's calls as the server did, from its own agent's model on."""
    answered = [call for call in calls if call["ttft_ms"] == call["ttft_ms"]]
    answered.sort(key=lambda call: float(call["sent_ms"] + call["ttft_ms"]))
    num_gpu, num_ctx = own.get(owner or "", (None, None))
    for call in answered:
        wanted_gpu, wanted_ctx = own.get(call["agent"], (None, None))
        num_gpu = num_gpu if call["num_gpu"] is None else wanted_gpu
        num_ctx = num_ctx if call["num_ctx"] is None else wanted_ctx
        call["effective_num_gpu"], call["effective_num_ctx"] = num_gpu, num_ctx


def _surroundings(changed: Mapping[str, Surroundings]) -> list[str]:
    """Name what a configuration changes of its servers' surroundings, a text for each server."""
    made = []
    for name, each in sorted(changed.items()):
        gpu = [] if each.gpu is None else [f"gpu {each.gpu}"]
        told = [*gpu, *(f"{key}={value}" for key, value in sorted(each.environment.items()))]
        made += [f"server {name}: {', '.join(told)}"] if told else []
    return made


def effective_class(rows: Sequence[Row], surroundings: Sequence[str] = ()) -> str | None:
    """Name what a configuration really is; configurations with one name are equal.

    A text for each agent: model, layers, context, sampling options that were given; then the
    surroundings. None where the servers have not shown what they loaded.
    """
    parts = {}
    for row in rows:
        if row["arm"] == SHARED or row["agent"] in parts:
            continue
        if row["effective_num_gpu"] is None or row["effective_num_ctx"] is None:
            return None
        given = [f"{name} {row[name]:g}" for name in SAMPLING if row[name] is not None]
        given += ["thinking"] if row["think"] else []
        sampling = ", ".join(text for text in given if not text.endswith("nan")) or "defaults"
        parts[row["agent"]] = (
            f"{tagged(row['model'])}, {row['effective_num_gpu']} layers, "
            f"context {row['effective_num_ctx']}, {sampling}"
        )
    told = [f"{agent}: {text}" for agent, text in sorted(parts.items())]
    return " | ".join([*told, *surroundings]) if told else None
