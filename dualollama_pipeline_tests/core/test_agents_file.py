"""A configuration from a TOML file: what is read, and what is refused with field and way out."""

from __future__ import annotations

from pathlib import Path

import pytest

from dualollama_pipeline.core.agents_file import AgentsFile, read_agents_file
from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.core.study import Scenario


def read(tmp_path: Path, text: str, name: str = "pair.toml") -> AgentsFile:
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return read_agents_file(path)


def test_two_agents(tmp_path: Path) -> None:
    """The report's tier 3; a whole number is a temperature."""
    text = '[agent_a]\nbase_url = "http://h:1"\n[agent_b]\nnum_gpu = 80\ntemperature = 1\n'
    found = read(tmp_path, text)
    assert found.configuration.scenario == Scenario.BASELINE_VS_CHIMERA
    assert found.configuration.of("collector").given() == {}
    assert found.configuration.of("insight").given() == {"num_gpu": 80, "temperature": 1.0}
    assert found.urls == ("http://h:1", None)


def test_one_table_for_both(tmp_path: Path) -> None:
    text = (
        '[agents]\nnum_ctx = 2048\nmodel = "llama3:8b"\nbase_urls = ["http://h:1", "http://h:2"]\n'
    )
    found = read(tmp_path, text + "[expected]\nanything = [1, 2]\n")
    assert found.configuration.scenario == Scenario.CHIMERA_HOMO
    assert found.configuration.of("insight").model == "llama3:8b"
    assert found.urls == ("http://h:1", "http://h:2")


def test_a_file_is_never_taken_for_a_configuration_of_the_matrix(tmp_path: Path) -> None:
    """Its journals would lie among those of test001, and become its latest."""
    assert read(tmp_path, "[agents]\n", "test001.toml").configuration.config_id == "file-test001"
    odd = read(tmp_path, "[agents]\n", f"{'ü ' * 60}.toml").configuration.config_id
    assert len(odd) <= 64
    assert odd.isascii()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "write [agent_a] and [agent_b]"),
        ("[agent_a]\n", "write [agent_a] and [agent_b]"),
        ("[agents]\n[agent_a]\nnum_gpu = 1\n", "[agents] stands for both"),
        ("[agents]\nnum_gpus = 80\n", "agents.num_gpus = 80: Extra inputs"),
        ("[agents]\nnum_gpu = 80.5\n", "agents.num_gpu = 80.5"),
        ('[agents]\nnum_gpu = "80"\n', "agents.num_gpu = '80'"),
        ("[agents]\ntemperature = 3\n", "agents.temperature = 3"),
        ("[agents]\nnum_ctx = true\n", "agents.num_ctx = True"),
        ('[agents]\nbase_urls = ["http://h:1"]\n', "agents.base_urls"),
        ('[agents]\nmodel = "big:cloud"\n', "a cloud model runs elsewhere"),
        ("[agent_c]\n", "agent_c = {}: Extra inputs"),
        ("[expected]\n[agents\n", "not valid TOML"),
        ("expected = 3\n[agents]\n", "expected = 3"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError) as error:
        read(tmp_path, text)
    assert said in error.value.problem
    assert "pair.toml" in error.value.problem
    assert error.value.way_out


@pytest.mark.parametrize("name", ["missing.toml", "."])
def test_what_is_no_file_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match="way out: name a TOML file"):
        read_agents_file(tmp_path / name)
