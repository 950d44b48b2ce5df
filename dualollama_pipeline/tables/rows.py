"""Plain rows out of frames, and the judgement of a whole from its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dualollama_pipeline.tables.guards import Finding, findings_of, verdict

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

Row = dict[str, Any]

NAN = float("nan")
WHERE = ["origin", "batch_id", "config_id", "scenario", "workload", "effective_class", "block"]
TRIAL = ["trial_id", "arm", "attempt"]


def plain_rows(df: pd.DataFrame) -> list[Row]:
    """Return plain rows: missing numbers as nan, missing texts and flags as None."""
    plain = df.astype(
        {name: "float64" for name, dtype in df.dtypes.items() if str(dtype) == "Int64"}
    )
    others = [name for name in plain.columns if plain[name].dtype != np.float64]
    texts = plain[others].astype(object)
    plain = plain.astype(dict.fromkeys(others, object))
    plain[others] = texts.where(texts.notna(), None)
    return [{str(key): value for key, value in row.items()} for row in plain.to_dict("records")]


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
