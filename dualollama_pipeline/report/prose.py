"""What is said about configurations, blocks and provenance, and the page's fixed paragraphs.

Page and Markdown take their sentences from here, so that they cannot say different things. How an
estimate is written is wording.py's, the answer itself headline.py's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.report.wording import Words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dualollama_pipeline.report.model import (
        AgentDescription,
        BlockNote,
        ConfigurationSummary,
        StatusCounts,
        Summary,
        ValidityCounts,
    )

HOW_TO_READ = (
    "Each cell: value, its 95 % interval, and n, how many count. Weighted speedup: {n} is as if "
    "each agent had the machine for itself, 1 like taking turns, below 1 a loss."
)
WHY_BALANCE_IS_NO_SPEEDUP = (
    "The published report divides the two agents' durations while they ran together by the time "
    "of the longer one. Both durations stretch alike when the servers get in each other's way, so "
    "the quotient, as a share of two agents, lies between 50 % and 100 % whatever the servers do: "
    "it says how equally long the agents took. Here it is called balance efficiency and stands "
    "beside the weighted speedup, which compares with the same agents run alone, in the same "
    "block, while both of them run."
)
SCENARIOS = {
    "baseline_vs_chimera": "collector with the server's defaults, insight agent with options",
    "chimera_hetero": "{both} agents with options, different ones",
    "chimera_homo": "{both} agents with the same options",
}


def scenario_name(scenario: str) -> str:
    """Write a scenario's identifier as words."""
    return scenario.replace("_", " ")


def agents_in_words(agents: tuple[AgentDescription, ...]) -> tuple[str, ...]:
    """Describe the agents of a configuration: one line if they ask for the same, else one each."""
    if not agents:
        return ("not in the call table",)
    models = {agent.model for agent in agents}
    asked = {agent.agent: _asked(agent, len(models) > 1) for agent in agents}
    if len(asked) > 1 and len(set(asked.values())) == 1:
        return (f"{Words(len(asked)).both}: {next(iter(asked.values()))}",)
    return tuple(f"{agent.agent}: {_asked(agent, len(models) > 1)}" for agent in agents)


def notes_in_words(notes: Sequence[BlockNote], words: Words) -> tuple[str, ...]:
    """Describe the blocks that need a word: those with the same to say share a line."""
    alike: dict[tuple[str, tuple[str, ...], str], list[int]] = {}
    for note in notes:
        reason = "; ".join(sorted(note.reason.split("; ")))  # the order is that of the trials
        alike.setdefault((note.validity, note.left_out_of, reason), []).append(note.block)
    return tuple(
        _blocks_in_words(blocks, validity, " and ".join(map(words.arm, left_out_of)), reason)
        for (validity, left_out_of, reason), blocks in alike.items()
    )


def _blocks_in_words(blocks: list[int], validity: str, left_out: str, reason: str) -> str:
    one = len(blocks) == 1
    consequence = f", left out ({left_out})" if left_out else (", counts" if one else ", count")
    which = f"block{'' if one else 's'} {', '.join(map(str, blocks))}"
    return f"{which} {validity}{consequence}: {reason}"


def is_flagged(configuration: ConfigurationSummary) -> bool:
    """Say whether a configuration has blocks that do not count."""
    counts = configuration.validity
    return bool(counts.n_invalid or any(counts.n_left_out.values()))


def remarks(configuration: ConfigurationSummary, words: Words) -> tuple[str, ...]:
    """Say all that a reader must know beside a configuration's numbers."""
    lines = []
    if configuration.equal_to:
        lines.append(f"asks for the same as {', '.join(configuration.equal_to)}")
    if configuration.n_reloads:
        lines.append(
            f"model loads inside the one-server trials: {configuration.n_reloads}; part of "
            "that condition, such blocks are not pooled with others"
        )
    return (*lines, *notes_in_words(configuration.notes, words))


def blocks_in_words(counts: ValidityCounts, words: Words) -> str:
    """Say how many blocks there are and how many count."""
    left_out = ", ".join(f"{n} for {words.arm(arm)}" for arm, n in counts.n_left_out.items())
    return (
        f"{counts.n_blocks} blocks: {counts.n_valid} valid, {counts.n_warn} with a warning, "
        f"{counts.n_invalid} invalid. Left out: {left_out}. Each is named below with its reason."
    )


def equal_in_words(equal_groups: tuple[tuple[str, ...], ...]) -> str:
    """Name the configurations that ask for the same."""
    groups = "; ".join(" = ".join(group) for group in equal_groups)
    return f"Asking for the same under different names: {groups}. Each is counted on its own."


def missing_in_words(missing: dict[str, str]) -> str:
    """Name the configurations of the matrix that are not in the report, by the reason."""
    reasons = dict.fromkeys(missing.values())
    parts = [
        f"{', '.join(name for name, why in missing.items() if why == reason)} ({reason})"
        for reason in reasons
    ]
    return f"Not in this report, {len(missing)} of the matrix: {'; '.join(parts)}."


def provenance_in_words(summary: Summary) -> dict[str, str]:
    """Say where the numbers come from: what is told, and the telling."""
    source = summary.provenance
    return {
        "Origin": ", ".join(summary.origins),
        "Batches": ", ".join(source.batches),
        "Workload": ", ".join(source.workloads),
        "Trials": _statuses(source.trials),
        "Calls, every attempt counted": _statuses(source.calls),
        "First and last trial started": ", ".join(
            filter(None, (source.first_started_at, source.last_started_at))
        )
        or "none yet",
    }


def _statuses(counts: StatusCounts) -> str:
    return (
        f"{counts.n} ({counts.ok} ok, {counts.failed} failed, {counts.interrupted} interrupted, "
        f"{counts.skipped} skipped)"
    )


def _asked(agent: AgentDescription, name_model: bool) -> str:
    return f"{agent.model}, {agent.options}" if name_model else agent.options
