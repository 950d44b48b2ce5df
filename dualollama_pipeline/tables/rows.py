"""Plain rows out of frames, and the judgement of a whole from its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dualollama_pipeline.tables.guards import Finding, findings_of, verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import pandas as pd

Row = dict[str, Any]

NAN = float("nan")
NUMBERS = {"Int64", "float64"}
WHERE = ["origin", "batch_id", "config_id", "scenario", "workload", "effective_class", "block"]
TRIAL = ["trial_id", "arm", "attempt"]


def plain_rows(df: pd.DataFrame) -> list[Row]:
    """Return plain rows: missing numbers as nan, missing texts and flags as None."""
    names = [str(name) for name in df.columns]
    columns = [_plain(values) for _, values in df.items()]
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def _plain(values: pd.Series) -> list[Any]:
    if str(values.dtype) in NUMBERS:
        found: list[Any] = values.to_numpy(dtype="float64", na_value=np.nan).tolist()
        return found
    missing: Any = None  # pandas-stubs know of none
    plain: list[Any] = values.to_numpy(dtype=object, na_value=missing).tolist()
    return plain


def with_numbers(rows: Sequence[Row], numbers: Collection[str]) -> list[Row]:
    """Return rows as `plain_rows` would give them back from their table, without making one."""
    return [
        row | {name: NAN if row[name] is None else float(row[name]) for name in numbers}
        for row in rows
    ]


def pick(row: Row, names: Sequence[str]) -> Row:
    """Return some columns of a row."""
    return {name: row[name] for name in names}


def column(rows: Sequence[Row], name: str) -> list[float]:
    """Return one column of some rows."""
    return [row[name] for row in rows]


def grouped(rows: Sequence[Row], *names: str) -> dict[tuple[Any, ...], list[Row]]:
    """Return rows by the values of some columns, in the order of first appearance."""
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row[name] for name in names), []).append(row)
    return groups


def last_attempts(calls: Sequence[Row]) -> list[Row]:
    """Return the calls of each trial's last attempt: the others are kept, and count nowhere."""
    last = {key: max(column(group, "attempt")) for key, group in grouped(calls, "trial_id").items()}
    return [call for call in calls if call["attempt"] == last[(call["trial_id"],)]]


def judge(rows: Sequence[Row], more: Sequence[Finding] = ()) -> Row:
    """Return status and validity of a whole, from its parts and what only the whole shows."""
    statuses = {row["status"] for row in rows}
    order = ("interrupted", "failed", "skipped", "ok")
    findings = []
    for row in rows:
        findings += findings_of(row["validity"], row["validity_reasons"])
    validity, reasons = verdict([*findings, *more])
    status = next(status for status in order if status in statuses)
    return {"status": status, "validity": validity, "validity_reasons": reasons}
