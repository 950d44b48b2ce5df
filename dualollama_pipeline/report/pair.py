"""One representative block, call by call: which, why, and what its journal says.

The tables hold no arrival times; the journal does. Only choosing lives here, drawing is plots/'s.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from dualollama_pipeline.core.records import Origin
from dualollama_pipeline.core.study import APART, SHARED
from dualollama_pipeline.core.units import NS_PER_S
from dualollama_pipeline.report.lanes import Lane, calls_of, lanes_of, trials_of
from dualollama_pipeline.statistics.samples import BLOCK

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dualollama_pipeline.tables.rows import Row
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
class PairBlock:
    """A block in time; `arrivals_s` holds the pair's records with text, by agent."""

    choice: Choice
    batch_id: str
    lanes: tuple[Lane, ...]
    arrivals_s: dict[str, tuple[float, ...]]
    facts: tuple[str, ...] = ()  # models with their quantization, GPUs with memory and driver


def choose_block(blocks: Sequence[Row]) -> Choice | None:
    """Choose the block with the median true speedup among those that count in both arms.

    Blocks in which the one server reloaded its model are passed over: the load would fill the
    picture. Of an even number, the lower of the two in the middle.
    """
    there = [row for row in blocks if row["arm"] == SHARED]
    shared = {tuple(map(row.get, BLOCK)) for row in there if row["counts"] and not row["n_reloads"]}
    counting = [
        row
        for row in blocks
        if row["arm"] == APART
        and row["counts"]
        and row["validity"] != "INVALID"
        # a study may leave the one server out
        and (not there or tuple(map(row.get, BLOCK)) in shared)
    ]
    if not counting:
        return None
    counting.sort(key=lambda row: (row["true_speedup"], row["config_id"], row["block"]))
    middle = counting[(len(counting) - 1) // 2]
    return Choice(
        config_id=middle["config_id"],
        block=int(middle["block"]),
        true_speedup=middle["true_speedup"],
        n=len(counting),
        origin=middle["origin"],
    )


def pair_of(journal: Journal, choice: Choice) -> PairBlock | None:
    """Take the chosen block's course from its journal; None if no trial of it has a pair."""
    trials = trials_of(journal.trials, choice.block)
    apart = trials.get(APART)
    if apart is None:
        return None
    return PairBlock(
        choice=choice,
        batch_id=journal.path.stem,
        lanes=lanes_of(trials),
        arrivals_s={
            agent: tuple(at / NS_PER_S for call in calls for at in call.chunk_ns)
            for agent, calls in calls_of(apart).items()
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
