"""Which metrics have moved: the rows of `trend` whose interval lies outside what is tolerated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dualollama_pipeline.tables.store import TableStore

if TYPE_CHECKING:
    from pathlib import Path


def raised_alarms(tables: Path) -> dict[str, str]:
    """Return the alarms of the latest `trend`: a key (what, since which batch) and a sentence each.

    Raises:
        TableError: there is no trend yet, or it is damaged.
    """
    rows = TableStore(tables).load("trend")
    rows = rows[rows["alarm"].fillna(value=False).astype(bool)]
    alarms = {}
    for row in rows.to_dict("records"):
        unit = "%" if row["unit"] == "x" else row["unit"]
        origin = "" if row["origin"] == "measured" else f" ({row['origin']})"
        alarms[f"{row['config_id']}/{row['metric']}/{row['last_batch']}"] = (
            f"{row['config_id']}: {row['metric']} moved by {row['change']:+.2f} {unit} in batch "
            f"{row['last_batch']}{origin}, {100 * row['level']:.0f} % interval "
            f"{row['change_low']:+.2f} to {row['change_high']:+.2f}, tolerated "
            f"{row['tolerated']:.2f}, {row['n_nights']} nights"
        )
    return alarms
