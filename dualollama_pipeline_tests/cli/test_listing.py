"""`dualollama list`: what there is to measure.

The trap: another study's night shown as this one's, because a configuration has the same name.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from dualollama_pipeline.cli.listing import listed
from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.core.warehouse import Warehouse


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """A study of two configurations, the first of which was measured at noon."""
    content = {
        "name": "mine",
        "servers": [{"name": "east"}],
        "agents": [{"name": "writer", "server": "east", "prompts": ["Write."], "num_ctx": 4096}],
        "configurations": [
            {"id": "plain"},
            {
                "id": "cold",
                "writer": {"temperature": 0.0, "num_ctx": 512},
                "servers": {"east": {"gpu": "1", "environment": {"OLLAMA_NUM_PARALLEL": 2}}},
            },
        ],
    }
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    journal = Warehouse(tmp_path / "warehouse").journal("plain", "night")
    journal.parent.mkdir(parents=True)
    journal.touch()
    os.utime(journal, (1_795_953_600, 1_795_953_600))
    return Settings(study=tmp_path, warehouse=tmp_path / "warehouse")


def test_each_configuration_says_what_it_asks_and_when_it_was_measured(settings: Settings) -> None:
    """What the agent always has is in it: that is what will be asked."""
    (settings.warehouse / "study").write_text("mine\n")
    first, plain, cold = listed(settings)
    assert first == "mine: writer on east"
    assert plain.split(maxsplit=3)[:2] == ["plain", "2026-11-29"]
    assert plain.endswith("writer: num_ctx 4096")
    assert cold == (
        "cold   not measured      "
        "writer: num_ctx 512, temperature 0.0; east: gpu 1, OLLAMA_NUM_PARALLEL=2"
    )


def test_another_studys_nights_are_not_listed(settings: Settings) -> None:
    """`plain` is a name that many studies have."""
    (settings.warehouse / "study").write_text("other\n")
    with pytest.raises(InputError, match="holds results of the study 'other'"):
        list(listed(settings))
