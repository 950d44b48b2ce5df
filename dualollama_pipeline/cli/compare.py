"""`dualollama compare`: is B worse than A? Two batches of a warehouse, or two warehouses."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.core.study import unknown
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.metrics.catalog import (
    APART_SECONDS,
    APART_SPEEDUP,
    BY_NAME,
    SHARED_SECONDS,
    SHARED_SPEEDUP,
)
from dualollama_pipeline.report.wording import Words, counted
from dualollama_pipeline.statistics.nights import Change, compare
from dualollama_pipeline.statistics.samples import collect_samples, of_key
from dualollama_pipeline.tables.conform import conform, empty
from dualollama_pipeline.tables.history import batch_times
from dualollama_pipeline.tables.parquet import read_file
from dualollama_pipeline.tables.rebuild import build_lacking
from dualollama_pipeline.tables.store import REBUILD, TableStore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pandas as pd

    from dualollama_pipeline.core.settings import Settings
    from dualollama_pipeline.metrics.catalog import Key

EXIT_WORSE, EXIT_UNDETERMINED = 10, 11
EXITS = {"worse": EXIT_WORSE, "undetermined": EXIT_UNDETERMINED}
KEYS = {f"{key.metric}_{key.arm}": key for key in
        (APART_SPEEDUP, SHARED_SPEEDUP, APART_SECONDS, SHARED_SECONDS)}  # fmt: skip
NAMES = {**KEYS, **{key.metric: key for key in (APART_SECONDS, APART_SPEEDUP)}}
RULE = re.compile(r"(?P<name>\w+) worse by (?P<percent>\d+(\.\d+)?) ?%")
LAST = {"last": -1, "previous": -2}


class Rule(NamedTuple):
    """What decides the exit code, and the ratio that is no loss yet."""

    key: Key = APART_SPEEDUP
    margin: float = 1 / 0.98  # 2 %


def read_rule(text: str | None) -> Rule:
    """Read `weighted_speedup worse by 3 %`.

    Raises:
        InputError: it is not of this form, or names another figure.
    """
    if text is None:
        return Rule()
    found = RULE.fullmatch(text.strip())
    if found is None or not 0 < float(found["percent"]) < 100:  # noqa: PLR2004 percent
        raise InputError(
            f"--fail-if {text!r} cannot be read", 'write "weighted_speedup worse by 3 %"'
        )
    if found["name"] not in NAMES:
        raise InputError(unknown("--fail-if", found["name"], list(NAMES)), "name one of these")
    return Rule(NAMES[found["name"]], 1 / (1 - float(found["percent"]) / 100))


@dataclass(frozen=True)
class Comparison:
    """What was compared: the changes by estimate, and the rule that decides."""

    origin: str
    n_agents: int
    changes: dict[Key, Change]
    rule: Rule

    @property
    def verdict(self) -> str:
        """The word on the rule's estimate."""
        return self.changes[self.rule.key].verdict(self.rule.margin)

    @property
    def exit_code(self) -> int:
        """0 no worse, 10 worse, 11 undetermined."""
        return EXITS.get(self.verdict, 0)

    def lines(self) -> Iterator[str]:
        """Say each change, then the verdict."""
        if self.origin == "simulated":
            yield "SIMULATED: the numbers come from a simulator, not from servers"
        words = Words(self.n_agents)
        for key, change in self.changes.items():
            n = change.n_configurations
            yield f"{words.label(key)}: {_percents(change)}, {counted(n, 'configuration')}"
        change, margin = self.changes[self.rule.key], 100 * (1 - 1 / self.rule.margin)
        found = ""
        if not math.isnan(change.detectable):
            found = f"; a change of {100 * (change.detectable - 1):.1f} % is found in 4 of 5 cases"
        name = words.label(self.rule.key)
        yield f"{name}: {self.verdict} (a loss of up to {margin:.3g} % is tolerated{found})"

    def as_json(self) -> str:
        """Return the same for a script."""
        told = {
            f"{key.metric}_{key.arm}": {
                **change.ratio._asdict(),
                "n_configurations": change.n_configurations,
                "detectable": change.detectable,
                "verdict": change.verdict(self.rule.margin),
            }
            for key, change in self.changes.items()
        }
        whole = {"origin": self.origin, "verdict": self.verdict, "margin": self.rule.margin}
        found = json.loads(json.dumps(whole | {"changes": told}), parse_constant=lambda _: None)
        return json.dumps(found, indent=2)


def _percents(change: Change) -> str:
    value, low, high = (100 * (each - 1) for each in change.ratio[:3])
    if math.isnan(value):
        return f"not known, {change.ratio.reason}"
    if change.ratio.reason:
        return f"{value:+.1f} %, no interval: {change.ratio.reason}"
    return f"{value:+.1f} % (95 %: {low:+.1f} to {high:+.1f})"


def compare_sides(settings: Settings, before: str, after: str, rule: Rule) -> Comparison:
    """Compare two batches (ids, `previous`, `last`) of the warehouse, or two other warehouses.

    Raises:
        InputError: there is no such batch, or one is simulated and the other measured, or there is
            nothing that both have.
        TableError: a table is damaged.
    """
    blocks = [_blocks(settings, name) for name in (before, after)]
    kinds = [" and ".join(sorted((each["origin"] + ", " + each["workload"]).unique()))
             for each in blocks]  # fmt: skip
    if kinds[0] != kinds[1]:
        raise InputError(
            f"{before} is {kinds[0]}; {after} is {kinds[1]}: that is no comparison",
            "name two of one kind",
        )
    metrics = list(dict.fromkeys(BY_NAME[key.metric] for key in KEYS.values()))
    nothing = empty("run_table"), empty("agent_table")
    sides = [collect_samples(*nothing, each, metrics=metrics) for each in blocks]
    there = [key for key in KEYS.values() if all(len(of_key(side, key)) for side in sides)]
    if rule.key not in there:
        raise InputError(
            f"{before} and {after} have no {rule.key.metric} ({rule.key.arm}) in common",
            "compare batches in which agents ran together",
        )
    origin = "simulated" if blocks[0]["origin"].eq("simulated").any() else "measured"
    changes = {key: compare(sides[0], sides[1], key) for key in there}
    return Comparison(origin, int(blocks[0]["n_agents"].max()), changes, rule)


def _blocks(settings: Settings, name: str) -> pd.DataFrame:
    """Return the blocks of a batch of the history, or the latest ones of another warehouse."""
    if (Path(name) / "journals").is_dir():
        settings = settings.told({"warehouse": Path(name)})
        build_lacking(settings)
        store = TableStore.of(settings)
        return store.load_all("block_table", store.partitions("block_table"))[0]
    build_lacking(settings)
    store = TableStore.of(settings)
    measured = Warehouse(settings.warehouse).measured
    batches = list(map(str, batch_times(store, measured)[0].index))
    batch = _named(name, batches)
    paths = [store.history_path("block_table", config_id, batch) for config_id in measured]
    parts = [read_file(path, REBUILD).to_pandas() for path in paths if path.exists()]
    return conform("block_table", _joined(parts))


def _joined(parts: Sequence[pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415 for this alone

    return pd.concat(parts, ignore_index=True) if parts else empty("block_table")


def _named(name: str, batches: Sequence[str]) -> str:
    if name in batches:
        return name
    if name in LAST:
        if len(batches) >= -LAST[name]:
            return batches[LAST[name]]
        n = "no batch" if not batches else "one batch only"
        raise InputError(f"{name}: there is {n} here", "measure (once more): dualollama run")
    raise InputError(
        unknown("batch", name, [*LAST, *batches[-20:]]),
        "name a batch (`dualollama list` says which there are), previous, last, or the folder of "
        "a warehouse",
    )
