"""Which batch a campaign over several configurations is: a new one, or the one that was cut off.

The file `campaigns/<batch_id>.json` says what a campaign was to measure, and whether it got there.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dualollama_pipeline.core.atomic import write_atomically
from dualollama_pipeline.core.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class CampaignRecord(BaseModel):
    """What a campaign measures: a plan hash for each configuration, in the order of measuring.

    `servers` is the kind it asked (settings' word); `failures` says by configuration what was not
    measured to its end, and why.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch_id: str
    plan_hashes: dict[str, str]
    finished: bool = False
    servers: str = "simulated"
    failures: dict[str, str] = Field(default_factory=dict)


def last_campaign(folder: Path) -> CampaignRecord | None:
    """Return what was to be measured last; None if nothing was, or its record is damaged."""
    last = max(folder.glob("*.json"), default=None)
    return None if last is None else _read(last)


def open_campaign(
    folder: Path, plan_hashes: Mapping[str, str], servers: str = "simulated"
) -> CampaignRecord:
    """Return the last campaign if it is unfinished and measures exactly this, else a new one.

    Raises:
        JournalError: the folder cannot be written.
    """
    last, asked = last_campaign(folder), dict(plan_hashes)
    same = last is not None and (last.plan_hashes, last.servers) == (asked, servers)
    if last is not None and same and not last.finished:
        return last
    record = CampaignRecord(
        batch_id=f"run-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}", plan_hashes=asked, servers=servers
    )
    _write(folder, record)
    return record


def close_campaign(folder: Path, record: CampaignRecord, failures: Mapping[str, str]) -> None:
    """Note what was not measured to its end; without a failure the campaign is finished."""
    update = {"finished": not failures, "failures": dict(failures)}
    _write(folder, record.model_copy(update=update))


def _read(path: Path) -> CampaignRecord | None:
    """Read a record; a damaged one decides nothing, the journals are the evidence."""
    try:
        return CampaignRecord.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def _write(folder: Path, record: CampaignRecord) -> None:
    path = folder / f"{record.batch_id}.json"
    try:
        write_atomically(path, record.model_dump_json().encode())
    except OSError as error:
        raise JournalError(
            f"{path}: cannot be written ({error})", "make room, or set DUALOLLAMA_WAREHOUSE"
        ) from error
