"""Which batch a campaign over several configurations is: a new one, or the one that was cut off.

The file `campaigns/<batch_id>.json` says what a campaign was to measure, and whether it got there.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from dualollama_pipeline.core.atomic import write_atomically
from dualollama_pipeline.core.errors import JournalError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


class CampaignRecord(BaseModel):
    """What a campaign measures: a plan hash for each configuration, in the order of measuring."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    batch_id: str
    plan_hashes: dict[str, str]
    finished: bool = False


def open_campaign(folder: Path, plan_hashes: Mapping[str, str]) -> CampaignRecord:
    """Return the last campaign if it is unfinished and measures exactly this, else a new one.

    Raises:
        JournalError: the folder cannot be written.
    """
    last = max(folder.glob("*.json"), default=None)
    if last is not None:
        record = _read(last)
        if record is not None and not record.finished and record.plan_hashes == dict(plan_hashes):
            return record
    record = CampaignRecord(
        batch_id=f"run-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}", plan_hashes=dict(plan_hashes)
    )
    _write(folder, record)
    return record


def finish_campaign(folder: Path, record: CampaignRecord) -> None:
    """Note that every configuration of a campaign has been measured."""
    _write(folder, record.model_copy(update={"finished": True}))


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
