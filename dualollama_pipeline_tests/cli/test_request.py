"""`dualollama measure --agents FILE`: what is measured, where, and what is warned of."""

from __future__ import annotations

from pathlib import Path

import pytest

from dualollama_pipeline.cli import main as cli
from dualollama_pipeline.cli.request import read_request
from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.core.warehouse import Warehouse

TWO = '[agent_a]\nbase_url = "http://one:1"\n[agent_b]\nnum_gpu = 120\nbase_url = "{}"\n'


def agents(tmp_path: Path, url: str = "http://two:2") -> Path:
    path = tmp_path / "pair.toml"
    path.write_text(TWO.format(url), encoding="utf-8")
    return path


def test_urls_of_the_file_are_used_where_the_environment_has_none(tmp_path: Path) -> None:
    """A file written on another machine must not move a measurement there."""
    found = read_request(None, agents(tmp_path), {}, servers="external").settings
    assert found.url == {"a": "http://one:1", "b": "http://two:2"}
    elsewhere = {"DUALOLLAMA_URL_A": "http://here:3"}
    found = read_request(None, agents(tmp_path), elsewhere, servers="external").settings
    assert found.url == {"a": "http://here:3", "b": "http://two:2"}


def test_what_the_report_warns_of_is_said(tmp_path: Path) -> None:
    warnings = read_request(None, agents(tmp_path, "http://one:1"), {}).warnings
    assert [warning.split(":")[0] for warning in warnings] == ["AP1", "AP3", "BP1"]


def test_a_configuration_of_the_matrix(tmp_path: Path) -> None:
    assert read_request("test005", None, {}, blocks=2).configuration.config_id == "test005"
    with pytest.raises(InputError, match="no such configuration"):
        read_request("test999", None, {})
    with pytest.raises(InputError, match="missing"):
        read_request(None, tmp_path / "missing.toml", {})


def test_measured_from_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One block on the simulator; the journal lies apart from those of the matrix."""
    monkeypatch.setenv("DUALOLLAMA_WAREHOUSE", str(tmp_path / "warehouse"))
    assert cli.main(["measure", "--agents", str(agents(tmp_path)), "--blocks", "1"]) == 0
    said = capsys.readouterr().out
    assert "AP1: the report warns of num_gpu 120 or more" in said
    assert "4/4 block 1" in said
    assert len(Warehouse(tmp_path / "warehouse").journals("file-pair")) == 1


@pytest.mark.parametrize("arguments", [[], ["test001", "--agents", "pair.toml"]])
def test_exactly_one_of_both(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        cli.main(["measure", *arguments])
    assert stopped.value.code == 2
