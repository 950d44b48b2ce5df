"""What the report is made from: the tables as they were loaded, and what the matrix says of them.

Only the bundle lives here. How it is read from disk is the caller's business, what is made of it
is summary.py's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ReportInputs:
    """Tables in their schemas' types; `missing` says why a config_id is not in them."""

    config_statistics: pd.DataFrame
    scenario_statistics: pd.DataFrame
    population_statistics: pd.DataFrame
    blocks: pd.DataFrame
    runs: pd.DataFrame
    calls: pd.DataFrame
    missing: dict[str, str]
    equal_groups: tuple[tuple[str, ...], ...]
