"""How long a pair of agents takes, from whatever is at hand: what the derived costs rest on."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dualollama_pipeline.core.study import APART, TOGETHER
from dualollama_pipeline.statistics.estimate import codes, origin_of
from dualollama_pipeline.statistics.intervals import interval_of
from dualollama_pipeline.statistics.means import NAN, mean_of, sample
from dualollama_pipeline.statistics.samples import BLOCK
from dualollama_pipeline.statistics.verdicts import evidence_of
from dualollama_pipeline.tables.validity import is_usable

if TYPE_CHECKING:
    import pandas as pd

    from dualollama_pipeline.tr114.costs.cost_inputs import CostInputs


class Demand(NamedTuple):
    """Wall time of a pair with its interval, seconds; `sequential_s` is one agent after the other.

    What is not known is nan.
    """

    origin: str
    evidence: str
    wall_s: float
    low_s: float
    high_s: float
    n: int
    sequential_s: float
    source: str


def assumed_demand(inputs: CostInputs) -> Demand:
    """Return the wall time that data/cost.yaml assumes."""
    wall_s = inputs.workload.pair_wall_s
    return Demand("published", "assumed", wall_s, NAN, NAN, 0, NAN, "workload.pair_wall_s")


def measured_demand(runs: pd.DataFrame, blocks: pd.DataFrame) -> Demand | None:
    """Return the mean wall time of `apart` trials of `run_table`; None if none counts.

    `sequential_s` is the mean of the sums of the solo walls over the blocks that count.
    """
    sound = runs[runs["arm"].eq(APART) & is_usable(runs)]
    sound = sound[sound["wall_s"].notna()]
    if sound.empty:
        return None
    counting = blocks.loc[blocks["arm"].eq(APART) & blocks["counts"], BLOCK]
    solo = runs[~runs["arm"].isin(TOGETHER)].merge(counting, on=BLOCK)
    sequential = solo.groupby(BLOCK, sort=False)["wall_s"].sum()
    origin = origin_of(sound)
    return _demand(
        sound,
        origin,
        evidence_of(origin),
        float(sequential.mean()) if len(sequential) else NAN,
        "trials of two servers in run_table",
    )


def imported_demand(imported_runs: pd.DataFrame) -> Demand | None:
    """Return the mean wall time of imported runs without a failed call; None if there is none."""
    sound = imported_runs[imported_runs["wall_s"].notna()]
    if sound.empty:
        return None
    return _demand(sound, "imported", "imported", NAN, "runs of imported_runs without a failure")


def _demand(
    rows: pd.DataFrame, origin: str, evidence: str, sequential_s: float, source: str
) -> Demand:
    nights = codes(rows["batch_id"]) if "batch_id" in rows else ()
    found = interval_of(
        mean_of(sample(rows["wall_s"].to_numpy("float64"), codes(rows["config_id"]), nights))
    )
    return Demand(
        origin, evidence, found.value, found.low, found.high, len(rows), sequential_s, source
    )


def demands(runs: pd.DataFrame, blocks: pd.DataFrame, imported_runs: pd.DataFrame) -> list[Demand]:
    """Return the wall times at hand: of this machine, then of imported runs."""
    found = [measured_demand(runs, blocks), imported_demand(imported_runs)]
    return [demand for demand in found if demand is not None]
