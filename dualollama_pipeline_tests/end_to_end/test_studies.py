"""Studies that are not TR114: other agents, another number of them, conversations.

The trap: what was built around two agents of one document, and breaks on anything else.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from dualollama_pipeline.cli.main import main
from dualollama_pipeline.core.places import PROJECT_ROOT
from dualollama_pipeline.tables.store import TableStore
from dualollama_pipeline_tests.end_to_end.test_run import dualollama

STUDIES = PROJECT_ROOT / "data" / "studies"
TALK = [
    {"user": "What is a heat pump? In a few sentences, for someone who owns a house."},
    {"user": "And in winter?"},
]


def study(folder: Path, **talking: Any) -> Path:
    """One agent that talks, and where `beside` is given one more that has a prompt."""
    beside = talking.pop("beside", True)
    other = {"name": "critic", "server": "two", "num_predict": 60, "prompts": ["Object to it."]}
    content = {
        "name": "mine",
        "servers": [{"name": "one"}, *([{"name": "two"}] if beside else [])],
        "agents": [
            {"name": "guide", "server": "one", "num_predict": 60} | talking,
            *([other] if beside else []),
        ],
        "configurations": [{"id": "plain"}],
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A place for results; `--study` is forgotten afterwards."""
    monkeypatch.setenv("DUALOLLAMA_STUDY", "")
    monkeypatch.setenv("DUALOLLAMA_WAREHOUSE", str(tmp_path / "warehouse"))
    return tmp_path


def measured(home: Path, folder: Path, config_id: str, blocks: int = 5) -> dict[str, Any]:
    """The summary of one configuration of a study, measured on the simulator."""
    before = ["--study", str(folder)]
    assert main([*before, "measure", config_id, "--blocks", str(blocks)]) == 0
    assert main([*before, "report"]) == 0
    found: dict[str, Any] = json.loads((home / "warehouse/report/summary.json").read_text())
    return found


def table(home: Path, name: str, config_id: str) -> pd.DataFrame:
    return TableStore(home / "warehouse" / "tables").load_all(name, [config_id])[0]


def test_three_agents_from_one_command(tmp_path: Path) -> None:
    """A study of a user's own, in Dagster, with its own partitions, arms and page."""
    done = dualollama(tmp_path, "--study", str(STUDIES / "example-three-agents"), "run")
    assert done.returncode == 0, done.stderr
    warehouse = tmp_path / "warehouse"
    found = json.loads((warehouse / "report" / "summary.json").read_text())
    assert [each["config_id"] for each in found["configurations"]] == ["plain", "small-context"]
    blocks = table(tmp_path, "block_table", "plain")
    assert set(blocks["n_agents"]) == {3}
    assert blocks["counts"].all()
    assert table(tmp_path, "run_table", "plain")["balance_contention"].isna().all()  # two's rule
    shared = blocks[blocks["arm"].eq("shared")]["weighted_speedup"]
    assert shared.between(0.9, 1.2).all()  # one slot: they take turns
    page = (warehouse / "report" / "index.html").read_text()
    body = page.split("<footer")[0].lower()
    assert "three agents" in body
    assert "two agents" not in body
    lanes = [page.index(f"three servers: {agent}") for agent in ("researcher", "writer", "critic")]
    assert lanes == sorted(lanes)  # as the solo ones above them, not by name
    other = dualollama(tmp_path, "--study", str(STUDIES / "example-two-models"), "measure", "plain")
    assert other.returncode == 2
    assert "holds results of the study 'example-three-agents'" in other.stderr


def test_two_models_share_one_server_without_loads(home: Path) -> None:
    """Loaded beside each other, a small and a large model do not queue for each other."""
    measured(home, STUDIES / "example-two-models", "plain")
    calls = table(home, "call_table", "plain")
    assert set(calls["model"]) == {"gemma3:4b", "gemma3:1b"}
    assert not calls["is_reload"].any()
    shared = calls[calls["arm"].eq("shared")]
    assert shared["queue_ms"].max() < 500  # behind the planner it would be seconds


def test_one_agent_has_delays_and_no_speedup(home: Path) -> None:
    """There is nobody to be compared with: that is no failure."""
    prompts = {"prompts": ["Tell me a story."], "beside": False}
    found = measured(home, study(home, **prompts), "plain", blocks=2)
    assert found["headline"].startswith("One agent was measured, alone")
    assert set(table(home, "run_table", "plain")["arm"]) == {"solo_guide"}
    done = dualollama(home, "--study", str(home), "run", "--blocks", "2")
    assert done.returncode == 0, done.stderr  # though of one agent no block can count


def test_a_live_conversation_has_delays_and_no_speedup(home: Path) -> None:
    """What was said alone and together differs, so the work cannot be compared."""
    found = measured(home, study(home, conversation=TALK, live=True), "plain", blocks=2)
    assert found["headline"] == "No speedup can be told of what was measured."
    assert "its conversation is live" in found["advice"][0]
    blocks, agents = (table(home, name, "plain") for name in ("block_table", "agent_table"))
    assert blocks["weighted_speedup"].isna().all()
    assert blocks["counts"].all()
    together = agents[agents["arm"].eq("apart")]
    assert together["decode_slowdown"].notna().all()
    prompts = table(home, "call_table", "plain").pivot_table("n_prompt_tokens", "stage", "arm")
    assert (prompts.loc["turn 2"] > prompts.loc["turn 1"] + 40).all()  # with 60 tokens said


def test_a_replayed_conversation_is_compared_as_any_work(home: Path) -> None:
    """With the same words in every arm, to the token."""
    turns = [TALK[0] | {"answer": "It moves warmth into the house."}, TALK[1]]
    measured(home, study(home, conversation=turns), "plain", blocks=2)
    calls = table(home, "call_table", "plain")
    mine = calls[calls["agent"].eq("guide")]
    assert mine.groupby("stage")["n_prompt_tokens"].nunique().eq(1).all()
    assert table(home, "block_table", "plain")["weighted_speedup"].notna().all()


def test_a_servers_slots_are_compared_like_an_option(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One server has its fair chance only with as many slots as agents."""
    folder = study(home, prompts=["Tell me a story."])
    content = yaml.safe_load((folder / "study.yaml").read_text())
    slots = {"one": {"environment": {"OLLAMA_NUM_PARALLEL": 2}}}
    content["configurations"].append({"id": "slots", "servers": slots})
    (folder / "study.yaml").write_text(yaml.safe_dump(content))
    measured(home, folder, "plain")
    measured(home, folder, "slots")
    effects = TableStore(home / "warehouse" / "tables").load("factor_effects")
    assert effects is not None
    row = effects[effects["arm"].eq("shared")].iloc[0]
    assert (row["factor"], row["level_to"]) == ("OLLAMA_NUM_PARALLEL", "2/default")
    assert row["verdict"] == "better"
    assert row["value"] == pytest.approx(1.38, abs=0.1)  # from turns to a batch of two
    monkeypatch.setenv("DUALOLLAMA_URL_ONE", "http://127.0.0.1:9")
    monkeypatch.setenv("DUALOLLAMA_URL_TWO", "http://127.0.0.1:10")
    assert main(["--study", str(folder), "measure", "slots", "--servers", "external"]) == 2
    assert "DUALOLLAMA_SERVERS=managed" in capsys.readouterr().err


def test_a_model_that_one_server_lacks_needs_no_shared(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nobody has to pull a large model onto a small server to compare the two."""
    folder = study(home, prompts=["Tell me a story."])
    content = yaml.safe_load((folder / "study.yaml").read_text()) | {"arms": ["apart"]}
    (folder / "study.yaml").write_text(yaml.safe_dump(content))
    found = measured(home, folder, "plain")
    assert found["verdict"] == "slower"
    assert "on one server" not in " ".join(found["explanation"])
    assert set(table(home, "block_table", "plain")["arm"]) == {"apart"}
    assert "shared" not in capsys.readouterr().out


def test_capacity_from_one_command(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One agent, then two: in turns on one slot, side by side on two."""
    assert main(["capacity", "--most", "2"]) == 0
    told = capsys.readouterr().out
    assert "SIMULATED" in told
    assert "At least 2 agents fit here" in told
    found = TableStore(home / "warehouse" / "tables").load("capacity")
    assert found is not None
    by_way = found.set_index(["arm", "n_agents"])
    alone, apart = (by_way.loc[[key]].iloc[0] for key in (("solo_agent1", 1), ("apart", 2)))
    one_slot, two_slots = by_way.loc[[("shared", 2)]].to_dict("records")
    assert (one_slot["gains"], two_slots["gains"]) == (False, True)
    assert one_slot["tok_per_s"] == pytest.approx(alone["tok_per_s"], rel=0.05)
    assert two_slots["weighted_speedup"] > 1.2 > apart["weighted_speedup"]
    assert one_slot["ttft_max_ms"] > 2_000  # it waits for the other's answer
    page = (home / "warehouse" / "report" / "capacity.html").read_text()
    assert "SIMULATED" in page
    assert "<svg" in page


@pytest.mark.usefixtures("home")
def test_the_doctor_knows_any_number_of_servers(capsys: pytest.CaptureFixture[str]) -> None:
    """Three servers are three pairs that must be distinct, each with a model of its own."""
    main(["--study", str(STUDIES / "example-three-agents"), "doctor"])
    told = capsys.readouterr().out
    failed = [line for line in told.splitlines() if line.startswith("FAIL")]
    assert [line for line in failed if "ruler" not in line] == []  # which other tests disturb
    assert told.count("two servers: ") == 3
    assert "ok    stream west" in told
    assert "a night of 2 configurations" in told
    main(["--study", str(STUDIES / "example-two-models"), "doctor"])
    assert "gemma3:4b on large, gemma3:1b on small" in capsys.readouterr().out
