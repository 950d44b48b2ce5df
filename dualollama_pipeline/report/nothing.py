"""What the page says where nothing can be compared: what was tried, why not, what to do."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from dualollama_pipeline.report.wording import counted
from dualollama_pipeline.statistics.samples import BLOCK
from dualollama_pipeline.tables.guards import GUARDS
from dualollama_pipeline.tables.store import NOT_MEASURED

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from dualollama_pipeline.report.inputs import ReportInputs

MOST = 5  # reasons: whoever has more starts with these
NOTHING = "Nothing is known yet: no block counts."
ONE_AGENT = "One agent was measured, alone: there is nothing to compare it with."
MORE_AGENTS = "Its delays are below; a second agent in the study makes it a comparison."
NO_SPEEDUP = "No speedup can be told of what was measured."
START = "Measure at least 5 complete blocks of a configuration: `dualollama run`."


class Nothing(NamedTuple):
    """The headline of a page that compares nothing, and why it does not, the commonest first."""

    headline: str
    reasons: tuple[str, ...]


def nothing_compared(inputs: ReportInputs) -> Nothing | None:
    """Return what to say where no block counts, or none has a speedup; None where one has."""
    counting = inputs.blocks[inputs.blocks["counts"]]
    if counting["weighted_speedup"].notna().any():
        return None
    if len(counting):
        ((reason, n),) = Counter(counting["null_reason"]).most_common(1)
        told = f"In {n} comparisons: {reason}. Delays are below; slowdown by phase stands in "
        return Nothing(NO_SPEEDUP, (f"{told}the table `agent_table`.",))
    if inputs.blocks.empty and inputs.runs["status"].eq("ok").any():
        return Nothing(ONE_AGENT, (MORE_AGENTS,))
    found = (*_tried(inputs), *_reasons(inputs.calls, inputs.runs), *_not_measured(inputs))
    return Nothing(NOTHING, (*found, START))


def _tried(inputs: ReportInputs) -> Iterator[str]:
    n = len(inputs.blocks[BLOCK].drop_duplicates())
    if n:
        trials, calls = inputs.runs, inputs.calls
        yield (
            f"Tried: {counted(n, 'block')} of "
            f"{counted(inputs.blocks['config_id'].nunique(), 'configuration')}. None counts: of "
            f"{len(trials)} trials {int(trials['status'].ne('ok').sum())} did not end well and "
            f"{int(trials['validity'].eq('INVALID').sum())} are INVALID; "
            f"{int(calls['status'].eq('failed').sum())} of {len(calls)} calls failed."
        )


def _reasons(calls: pd.DataFrame, runs: pd.DataFrame) -> Iterator[str]:
    failed = calls[calls["status"].eq("failed")]
    for (kind, text), n in Counter(
        zip(failed["failure_kind"], failed["failure_text"], strict=True)
    ).most_common(MOST):
        yield f"{counted(n, 'call')} failed ({kind}): {text}"
    found = Counter(
        reason
        for reasons in runs["validity_reasons"]
        for reason in str(reasons).split("; ")
        if reason and not reason.startswith(("ended:", "failures:"))
    )
    guards = set()
    for reason, n in found.most_common(MOST):
        guard = reason.split(": ", 1)[0]
        advice = "" if guard in guards else f" What to do: {GUARDS[guard].advice}."
        guards.add(guard)
        yield f"{counted(n, 'trial')}: {reason}.{advice}"


def _not_measured(inputs: ReportInputs) -> Iterator[str]:
    """Say what was to be measured and was not; that nothing was asked for needs no list."""
    known = Counter(why for why in inputs.missing.values() if why != NOT_MEASURED)
    for why, n in known.most_common(MOST):
        names = [name for name, its in inputs.missing.items() if its == why]
        yield f"{', '.join(names[:MOST])}{' and others' if n > MOST else ''}: {why}"
    if not known and inputs.blocks.empty:
        yield "Nothing has been measured yet."
