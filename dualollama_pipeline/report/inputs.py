"""What the report is made from: the tables as they were loaded, and what the study says of them.

Only the bundle lives here. How it is read from disk is gather.py's business, what is made of it
is summary.py's.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from dualollama_pipeline.report.evidence import Recorded
    from dualollama_pipeline.report.pair import PairBlock
    from dualollama_pipeline.statistics.nights import Change


@dataclass(frozen=True)
class TablesByName:
    """All tables by name; one may be absent, or have no rows."""

    more: Mapping[str, pd.DataFrame]

    def table(self, name: str) -> pd.DataFrame | None:
        """Return a table; None if it is absent, or if it has no rows."""
        found = self.more.get(name)
        return None if found is None or found.empty else found


@dataclass(frozen=True)
class ReportInputs(TablesByName):
    """Tables in their schemas' types; `missing` says why a config_id is not in them.

    `pair` is the block whose course is drawn, `recorded` what the journals of the configurations
    hold (not those that are gone or damaged), `toml` what the agents of each ask for, as TOML,
    `since` is the day of the night before the last with what has changed, `nights` the population's
    estimates night by night (columns of population_statistics and batch_id), `nights_left_out`
    {file of the history: why it is in no course}, `ui_url` where Dagster shows its runs, `bench`
    what `make bench` found out about the ruler (docs/benchmarks.json).
    """

    more: Mapping[str, pd.DataFrame] = field(default_factory=dict, kw_only=True)
    config_statistics: pd.DataFrame
    scenario_statistics: pd.DataFrame
    population_statistics: pd.DataFrame
    blocks: pd.DataFrame
    runs: pd.DataFrame
    calls: pd.DataFrame
    missing: dict[str, str]
    equal_groups: tuple[tuple[str, ...], ...]
    pair: PairBlock | None = None
    recorded: Mapping[str, Recorded] = field(default_factory=dict)
    toml: Mapping[str, str] = field(default_factory=dict)
    nights: pd.DataFrame | None = None
    since: tuple[str, Change] | None = None
    nights_left_out: Mapping[str, str] = field(default_factory=dict)
    ui_url: str = ""
    bench: Mapping[str, Any] | None = None
