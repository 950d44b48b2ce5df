"""`dualollama init`: a study for the servers that are there, of configurations that really differ.

The trap: two configurations that a server loads alike are one, measured twice for a whole night.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import yaml

from dualollama_pipeline.bench.proposal import (
    Found,
    Model,
    configurations,
    look,
    model_of,
    propose,
)
from dualollama_pipeline.bench.servers import ServerPair
from dualollama_pipeline.cli.main import main
from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.core.records import ServerIdentity
from dualollama_pipeline.core.study import load_study

LARGE, SMALL = Model("large:8b", 8, 8192), Model("small:1b", 1, 8192)
SERVERS = [Found(name, f"http://{name}", "0.33", (LARGE, SMALL)) for name in ("one", "two")]
AGENTS = ["researcher", "writer"]


def shown(**seen: Any) -> ServerIdentity:
    """What a server says once it has loaded the model."""
    seen = {"layers": 33, "size_vram_share": 1.0, "context_length": 4096} | seen
    return ServerIdentity(
        server="one",
        url="http://one",
        version="0.33",
        model=LARGE.name,
        digest="d",
        simulated_by=None,
        quantization=None,
        loaded=True,
        **seen,
    )


def proposed(**seen: Any) -> list[str]:
    return [each["id"] for each in configurations(SERVERS, LARGE, shown(**seen), AGENTS)]


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ({}, ["as-it-is", "half-context", "double-context", "half-on-cpu", "smaller-model"]),
        # no GPU: layers change nothing
        ({"size_vram_share": 0.0}, ["as-it-is", "half-context", "double-context", "smaller-model"]),
        # what the model was not trained for is not given; below 2048 many raise it
        (
            {"context_length": 8192, "layers": None},
            ["as-it-is", "half-context", "smaller-model"],
        ),
        ({"context_length": 2048, "layers": None}, ["as-it-is", "double-context", "smaller-model"]),
        # a server that does not show its default could equal any other
        (
            {"context_length": None, "layers": None},
            ["context-2048", "context-8192", "smaller-model"],
        ),
    ],
)
def test_only_what_really_differs_is_proposed(seen: dict[str, Any], expected: list[str]) -> None:
    """By what the server shows, not by what is asked."""
    assert proposed(**seen) == expected


def test_a_study_for_the_simulated_servers(simulated_pair: ServerPair, tmp_path: Path) -> None:
    """It loads, runs on servers named there, and says what was found."""
    told: list[str] = []
    urls = dict(zip(("one", "two"), simulated_pair.urls.values(), strict=True))
    text = propose(urls, str(tmp_path / "my study"), told.append)
    (tmp_path / "study.yaml").write_text(text)
    study = load_study(tmp_path / "study.yaml")
    assert study.name == "my-study"
    assert [server.url for server in study.servers] == list(urls.values())
    assert study.models == ["gemma3:latest"]
    assert study.equal_groups() == []
    assert 2 <= len(study.configurations) <= 6
    assert "35 layers, and a context of 4096 by default" in text
    assert f"dualollama --study {tmp_path / 'my study'} doctor" in text
    slots = text.split("for such a configuration:\n")[1].replace("\n#", "\n").removeprefix("#")
    assert yaml.safe_load(slots)[0]["servers"]["one"]["environment"] == {"OLLAMA_NUM_PARALLEL": 2}
    assert told == [f"loading gemma3:latest on {urls['one']}"]


def test_one_server_gives_a_study_of_one_agent(simulated_pair: ServerPair, tmp_path: Path) -> None:
    """Whoever has one server learns its delays, and what a comparison needs."""
    told: list[str] = []
    urls = {"one": simulated_pair.urls["a"], "two": "http://127.0.0.1:9"}
    (tmp_path / "study.yaml").write_text(propose(urls, "x", told.append))
    assert len(load_study(tmp_path / "study.yaml").agents) == 1
    assert "http://127.0.0.1:9 is left out" in told[0]
    assert "start a second server" in told[1]


def test_without_a_server_the_way_out_is_told() -> None:
    """The first command of a new user, before anything is started."""
    with pytest.raises(InputError, match="no server answers") as caught:
        asyncio.run(look({"one": "http://127.0.0.1:9"}, lambda _: None))
    assert "ollama serve" in caught.value.way_out


def test_one_server_under_two_names_is_refused() -> None:
    """Two agents on it would be compared with themselves."""
    twice = {"one": "http://127.0.0.1:9", "two": "http://localhost:9/"}
    with pytest.raises(InputError, match="two of them are one server"):
        asyncio.run(look(twice, lambda _: None))


@pytest.mark.parametrize(
    ("entry", "capabilities", "writes"),
    [
        ({}, ["completion"], True),
        ({}, None, True),  # an emulator that does not say
        ({}, ["embedding"], False),
        ({"remote_host": "https://example.org"}, ["completion"], False),
    ],
)
def test_a_model_of_embeddings_or_of_the_cloud_is_none(
    entry: dict[str, Any], capabilities: list[str] | None, writes: bool
) -> None:
    """An embedding model is in the list like any other, and answers nothing."""
    found = model_of({"name": "m", "size": 5} | entry, {"capabilities": capabilities})
    assert (found is not None) == writes


def test_a_study_is_never_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its prompts are work of the user's."""
    (tmp_path / "study.yaml").write_text("name: mine")
    assert main(["init", str(tmp_path)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert (tmp_path / "study.yaml").read_text() == "name: mine"
