"""Where the numbers come from: servers, batches, and how calls and trials ended.

Everything is read off the call and run tables. Text of servers and models passes here as data:
cut to one line, never interpreted; escaping is page.py's business.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from dualollama_pipeline.core.records import Status
from dualollama_pipeline.core.specs import AgentOptions
from dualollama_pipeline.report.model import (
    AgentDescription,
    FailureCount,
    Provenance,
    ServerIdentity,
    StatusCounts,
)
from dualollama_pipeline.report.wording import one_line, shorten
from dualollama_pipeline.tables.rows import Row, grouped, pick, plain_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

IDENTITY = ("server", "server_version", "model", "model_digest", "simulated_by")


def describe_provenance(calls: pd.DataFrame, runs: pd.DataFrame) -> Provenance:
    """Describe servers, batches, statuses and failures."""
    rows = plain_rows(calls)
    started = sorted(one_line(row["started_at"]) for row in rows)
    return Provenance(
        servers=_servers(rows),
        batches=tuple(sorted({one_line(row["batch_id"]) for row in rows})),
        workloads=tuple(sorted({one_line(row["workload"]) for row in rows})),
        first_started_at=started[0] if started else None,
        last_started_at=started[-1] if started else None,
        calls=count_statuses([row["status"] for row in rows]),
        trials=count_statuses(runs["status"].tolist()),
        failures=_failures(rows),
    )


def count_statuses(statuses: Sequence[str]) -> StatusCounts:
    """Count how calls or trials ended."""
    found = Counter(statuses)
    return StatusCounts(n=len(statuses), **{status.value: found[status.value] for status in Status})


def _servers(rows: Sequence[Row]) -> tuple[ServerIdentity, ...]:
    distinct = {tuple(row[name] or "" for name in IDENTITY) for row in rows}
    return tuple(
        ServerIdentity(
            server=one_line(server),
            version=one_line(version),
            model=one_line(model),
            model_digest=one_line(digest),
            simulated_by=one_line(simulated_by) or None,
        )
        for server, version, model, digest, simulated_by in sorted(distinct)
    )


def _failures(rows: Sequence[Row]) -> tuple[FailureCount, ...]:
    """Name each kind with its first text; interrupted calls may carry one too."""
    kinds = grouped([row for row in rows if row["failure_kind"]], "failure_kind")
    return tuple(
        FailureCount(kind=kind, n=len(group), example=shorten(group[0]["failure_text"] or ""))
        for (kind,), group in sorted(kinds.items())
    )


def describe_agents(calls: Sequence[Row]) -> tuple[AgentDescription, ...]:
    """Describe the agents of one configuration, in the order they are submitted in."""
    agents = {
        (agent, one_line(row["model"]), _options_in_words(row))
        for (agent,), group in grouped(calls, "agent").items()
        for row in group
    }
    return tuple(
        AgentDescription(agent=agent, model=model, options=options)
        for agent, model, options in sorted(agents)
    )


def _options_in_words(call: Row) -> str:
    given = pick(call, tuple(AgentOptions.model_fields))
    layers = "layers fitted" if given["num_gpu"] < 0 else f"{given['num_gpu']:.0f} layers"
    words = {
        "num_gpu": layers,
        "num_ctx": f"context {given['num_ctx']:.0f}",
    }
    # nan (not asked for) is the one value that differs from itself
    parts = [
        words.get(name, f"{name} {value:g}")
        for name, value in given.items()
        if value == value  # noqa: PLR0124
    ]
    return ", ".join(parts) or "server defaults"
