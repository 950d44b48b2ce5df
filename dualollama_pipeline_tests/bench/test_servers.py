"""What a study asks of its servers' surroundings, by who starts them.

The trap: slots or a GPU that are told to nobody, and a night of numbers that bear their name.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from dualollama_pipeline.bench.servers import Servers, open_pair
from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.core.specs import Surroundings
from dualollama_pipeline.core.study import study_of

URLS = {"DUALOLLAMA_URL_A": "http://127.0.0.1:9", "DUALOLLAMA_URL_B": "http://127.0.0.1:10"}


def settings_of(folder: Path, servers: str, of_a: dict[str, Any]) -> Settings:
    """Settings with a study whose first server has something of its own."""
    content = {
        "name": "mine",
        "servers": [{"name": "a"} | of_a, {"name": "b"}],
        "agents": [
            {"name": name, "server": server, "prompts": ["Tell me a story."]}
            for name, server in (("one", "a"), ("two", "b"))
        ],
        "configurations": [{"id": "plain"}],
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    environment = URLS if servers == "external" else {}
    return Settings.from_environment(environment, servers=servers, study=folder)


@pytest.mark.parametrize("of_a", [{"gpu": "1"}, {"environment": {"OLLAMA_NUM_PARALLEL": 2}}])
def test_external_servers_are_given_nothing(tmp_path: Path, of_a: dict[str, Any]) -> None:
    """They run already, on the GPU and with the slots that they were started with."""
    settings = settings_of(tmp_path, "external", of_a)
    with pytest.raises(InputError, match="gpu or environment of a is set"), open_pair(settings):
        pass


def test_the_simulator_knows_slots_and_nothing_else(tmp_path: Path) -> None:
    """A simulated flash attention would be no change at all, named as one."""
    settings = settings_of(tmp_path, "simulated", {})
    changed = {"a": Surroundings(environment={"OLLAMA_FLASH_ATTENTION": "1"})}
    with pytest.raises(InputError, match="not OLLAMA_FLASH_ATTENTION"):
        Servers(settings).planned(changed)
    no_number = {"a": Surroundings(environment={"OLLAMA_NUM_PARALLEL": "many"})}
    with pytest.raises(InputError, match="OLLAMA_NUM_PARALLEL = 'many': no whole number from 1"):
        Servers(settings).planned(no_number)


def test_simulated_slots_are_in_the_plan(tmp_path: Path) -> None:
    """With other slots it is another measurement, which must not go on with the old one."""
    settings = settings_of(tmp_path, "simulated", {"environment": {"OLLAMA_NUM_PARALLEL": 2}})
    with open_pair(settings) as opened:
        assert opened.environments == {"a": {"OLLAMA_NUM_PARALLEL": "2"}}
    planned = Servers(settings).planned(
        {"b": Surroundings(environment={"OLLAMA_NUM_PARALLEL": "3"})}
    )
    assert planned.environments == {
        "a": {"OLLAMA_NUM_PARALLEL": "2"}, "b": {"OLLAMA_NUM_PARALLEL": "3"},
    }  # fmt: skip
    assert study_of(settings).config_ids == ["plain"]
