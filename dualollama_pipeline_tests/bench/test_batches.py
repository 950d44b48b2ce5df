"""Campaigns: the one that was cut off goes on, and nothing else is mistaken for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dualollama_pipeline.bench.batches import close_campaign, last_campaign, open_campaign
from dualollama_pipeline.core.errors import JournalError

PLANS = {"test001": "hash1", "test002": "hash2"}


def test_an_unfinished_campaign_goes_on(tmp_path: Path) -> None:
    """After a kill the finished configurations must not be measured again."""
    assert open_campaign(tmp_path, PLANS) == open_campaign(tmp_path, PLANS)


def test_a_finished_campaign_is_not_taken_up(tmp_path: Path) -> None:
    """A second night is a second batch."""
    first = open_campaign(tmp_path, PLANS)
    close_campaign(tmp_path, first, {})
    assert open_campaign(tmp_path, PLANS).batch_id > first.batch_id


def test_what_failed_is_kept_with_its_reason(tmp_path: Path) -> None:
    """The page of a night that brought nothing has to say why; and it is not finished."""
    first = open_campaign(tmp_path, PLANS, "external")
    close_campaign(tmp_path, first, {"test002": "cannot connect"})
    found = last_campaign(tmp_path)
    assert found is not None
    assert (found.servers, found.failures) == ("external", {"test002": "cannot connect"})
    assert open_campaign(tmp_path, PLANS, "external").batch_id == first.batch_id
    assert open_campaign(tmp_path, PLANS, "managed").batch_id > first.batch_id


@pytest.mark.parametrize(
    "other",
    [{"test001": "hash1"}, {**PLANS, "test003": "hash3"}, {**PLANS, "test002": "changed"}],
)
def test_another_campaign_is_another_batch(tmp_path: Path, other: dict[str, str]) -> None:
    """Stopping the simulated demo and measuring one's own servers must not be one campaign."""
    first = open_campaign(tmp_path, PLANS)
    second = open_campaign(tmp_path, other)
    assert second.batch_id > first.batch_id
    assert second.plan_hashes == other


def test_a_damaged_record_opens_a_new_campaign(tmp_path: Path) -> None:
    """The journals are the evidence; this file only saves time."""
    first = open_campaign(tmp_path, PLANS)
    (tmp_path / f"{first.batch_id}.json").write_text("{")
    assert open_campaign(tmp_path, PLANS).batch_id > first.batch_id


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Before anything is measured."""
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match="campaigns"):
        open_campaign(tmp_path / "file" / "campaigns", PLANS)
