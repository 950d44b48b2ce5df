"""One representative block, call by call: which, why, and what its journal says.

The tables hold no arrival times; the journal does. Only choosing and reading live here, drawing is
plots/course.py's.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from dualollama_pipeline.core.records import Origin, Status
from dualollama_pipeline.core.study import APART, SHARED, TOGETHER
from dualollama_pipeline.core.units import NS_PER_S
from dualollama_pipeline.report.wording import ARM_WORDS
from dualollama_pipeline.statistics.samples import BLOCK
from dualollama_pipeline.tables.latest import journal_of

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from dualollama_pipeline.core.records import CallRecord, TrialRecord
    from dualollama_pipeline.worker.journal import Journal

MIB_PER_GIB = 1024


class Choice(NamedTuple):
    """The block whose true speedup is the median one; `n` are those it was chosen among."""

    config_id: str
    block: int
    true_speedup: float
    n: int
    origin: str


@dataclass(frozen=True)
class CallSpan:
    """One call in seconds after its lane began."""

    agent: str
    stage: str
    sent_s: float
    first_s: float
    end_s: float
    n_tokens: int | None


@dataclass(frozen=True)
class Lane:
    """One agent in one arm."""

    label: str
    calls: tuple[CallSpan, ...]


@dataclass(frozen=True)
class PairBlock:
    """A block in time; `arrivals_s` holds the pair's records with text, by agent."""

    config_id: str
    block: int
    batch_id: str
    true_speedup: float
    n_candidates: int
    origin: str
    lanes: tuple[Lane, ...]
    arrivals_s: dict[str, tuple[float, ...]]
    facts: tuple[str, ...] = ()  # models with their quantization, GPUs with memory and driver

    @property
    def agents(self) -> tuple[str, ...]:
        """The agents, by name."""
        return tuple(self.arrivals_s)


def choose_block(blocks: pd.DataFrame) -> Choice | None:
    """Choose the block with the median true speedup among those that count in both arms.

    Blocks in which the one server reloaded its model are passed over: the load would fill the
    picture. Of an even number, the lower of the two in the middle.
    """
    apart, shared = (blocks[blocks["arm"].eq(arm)] for arm in (APART, SHARED))
    loads_none = shared[shared["counts"] & shared["n_reloads"].eq(0).fillna(value=False)]
    sound = apart[apart["counts"] & apart["validity"].ne("INVALID")]
    # a study may leave the one server out
    counting = sound.merge(loads_none[BLOCK], on=BLOCK) if len(shared) else sound
    if counting.empty:
        return None
    ordered = counting.sort_values(["true_speedup", "config_id", "block"])
    middle = ordered.iloc[(len(ordered) - 1) // 2]
    return Choice(
        config_id=str(middle["config_id"]),
        block=int(middle["block"]),
        true_speedup=float(middle["true_speedup"]),
        n=len(counting),
        origin=str(middle["origin"]),
    )


def load_pair(warehouse: Path, blocks: pd.DataFrame, calls: pd.DataFrame) -> PairBlock | None:
    """Choose a block and read its course; None if no block counts.

    Raises:
        JournalError: the journal that the tables were made from is gone or damaged.
    """
    choice = choose_block(blocks)
    if choice is None:
        return None
    mine = calls[calls["config_id"].eq(choice.config_id)]
    journal = journal_of(warehouse, choice.config_id, mine)
    last = {
        trial.arm: trial
        for trial in journal.trials
        if trial.block == choice.block and trial.status is Status.OK
    }
    apart = last.get(APART)
    if apart is None:
        return None
    return PairBlock(
        config_id=choice.config_id,
        block=choice.block,
        batch_id=str(mine["batch_id"].iloc[0]),
        true_speedup=choice.true_speedup,
        n_candidates=choice.n,
        origin=choice.origin,
        lanes=(*_one_after_the_other(last), *_together(last)),
        arrivals_s={
            agent: tuple(at / NS_PER_S for call in _of(apart, agent) for at in call.chunk_ns)
            for agent in _agents(apart)
        },
        facts=(*_models(journal), *_gpus(journal)),
    )


def _models(journal: Journal) -> list[str]:
    """Name each model with its quantization, as the servers told them."""
    servers = journal.identities[0].servers if journal.identities else ()
    return list(
        dict.fromkeys(" ".join(filter(None, (each.model, each.quantization))) for each in servers)
    )


def _gpus(journal: Journal) -> list[str]:
    """Name each GPU that the servers use with its memory and driver; of servers elsewhere none."""
    if journal.origin == Origin.SIMULATED:
        return ["simulated GPU"]
    servers = journal.identities[0].servers if journal.identities else ()
    used = {uuid for server in servers for uuid in server.gpu_uuids or ()}
    gpus = (journal.machines[-1].gpus if journal.machines else None) or ()
    named = (
        f"{gpu.name}, {gpu.memory_mib / MIB_PER_GIB:.0f} GiB, driver {gpu.driver}"
        for gpu in gpus
        if gpu.uuid in used
    )
    return [f"{n} x {gpu}" if n > 1 else gpu for gpu, n in Counter(named).items()]


def _one_after_the_other(trials: dict[str, TrialRecord]) -> list[Lane]:
    """Put the solo trials in sequence: what the pair is compared with."""
    lanes: list[Lane] = []
    for trial in _alone(trials):
        after_s = lanes[-1].calls[-1].end_s if lanes and lanes[-1].calls else 0.0
        agents = ", ".join(_agents(trial))
        lanes.append(Lane(f"one after the other: {agents}", tuple(_spans(trial.calls, after_s))))
    return lanes


def _alone(trials: dict[str, TrialRecord]) -> list[TrialRecord]:
    """Return the solo trials in the order of their servers, in which all lanes stand."""
    alone = [trial for arm, trial in trials.items() if arm not in TOGETHER]
    return sorted(alone, key=lambda trial: trial.calls[0].server)


def _agents(trial: TrialRecord) -> list[str]:
    """Return the agents by name, whoever was submitted first: colours stay theirs."""
    return sorted({call.agent for call in trial.calls})


def _together(trials: dict[str, TrialRecord]) -> list[Lane]:
    order = [agent for trial in _alone(trials) for agent in _agents(trial)]
    return [
        Lane(f"{ARM_WORDS[arm]}: {agent}", tuple(_spans(_of(trials[arm], agent), 0.0)))
        for arm in TOGETHER
        if arm in trials
        for agent in sorted(_agents(trials[arm]), key=lambda agent: [*order, agent].index(agent))
    ]


def _of(trial: TrialRecord, agent: str) -> list[CallRecord]:
    return [call for call in trial.calls if call.agent == agent]


def _spans(calls: Sequence[CallRecord], after_s: float) -> list[CallSpan]:
    return [
        CallSpan(
            agent=call.agent,
            stage=call.stage,
            sent_s=after_s + call.sent_ns / NS_PER_S,
            first_s=after_s + call.first_token_ns / NS_PER_S,
            end_s=after_s + call.end_ns / NS_PER_S,
            n_tokens=call.counters.eval_count,
        )
        for call in calls
        if call.sent_ns is not None and call.first_token_ns is not None and call.end_ns is not None
    ]
