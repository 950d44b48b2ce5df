"""A study of one's own: servers, agents with their work, and what a file may get wrong.

The trap: a name that is nearly right and is dropped, so that another experiment is measured.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from dualollama_pipeline.core.design import BatchSettings, build_plan
from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.core.places import PROJECT_ROOT
from dualollama_pipeline.core.plan import Plan
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.core.study import Study, load_study
from dualollama_pipeline.core.warehouse import Warehouse
from dualollama_pipeline.core.workload import StageTemplate, Workload

WORKLOAD = Workload("standard", (StageTemplate("analysis", "Say much.", 40),), 0.0, "0" * 64)
TURNS = [{"user": "Hello.", "answer": "Good day."}, {"user": "And now?"}]


def content(**changes: Any) -> dict[str, Any]:
    """Two agents on two servers, one configuration."""
    return {
        "name": "mine",
        "servers": [{"name": "left"}, {"name": "right"}],
        "agents": [
            {"name": "reader", "server": "left", "prompts": ["Read."], "num_ctx": 4096},
            {"name": "writer", "server": "right", "prompts": ["Write."], "num_predict": 50},
        ],
        "configurations": [{"id": "plain"}, {"id": "wide", "reader": {"num_ctx": 8192}}],
    } | changes


def written(folder: Path, **changes: Any) -> Path:
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(content(**changes)), encoding="utf-8")
    return path


def with_reader(**changes: Any) -> dict[str, Any]:
    """A study whose first agent is other than usual; None takes a key away."""
    reader, writer = content()["agents"]
    reader = {key: value for key, value in (reader | changes).items() if value is not None}
    return {"agents": [reader, writer]}


def plan_of(study: Study, config_id: str = "plain") -> Plan:
    urls = {server.name: f"http://{server.name}" for server in study.servers}
    settings = BatchSettings("b", 1, "gemma3:latest", urls, "simulated", agents=study.agents)
    return build_plan(study.get(config_id), WORKLOAD, settings)


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        load_study(path)
    return str(caught.value)


def test_what_an_agent_has_holds_in_every_configuration(tmp_path: Path) -> None:
    """An option written once and forgotten in one configuration would pass as its default."""
    study = load_study(written(tmp_path))
    found = [study.get(name).of("reader").num_ctx for name in ("plain", "wide")]
    assert found == [4096, 8192]
    assert study.scenarios == ["all"]


def test_a_prompt_may_lie_in_a_file_beside_the_study(tmp_path: Path) -> None:
    """From the study's folder, wherever the command is called."""
    (tmp_path / "ask.md").write_text("What is it?", encoding="utf-8")
    study = load_study(written(tmp_path, **with_reader(prompts=[{"file": "ask.md"}])))
    assert study.agents[0].prompts == ("What is it?",)
    (tmp_path / "ask.md").unlink()
    assert "ask.md" in refusal(written(tmp_path, **with_reader(prompts=[{"file": "ask.md"}])))


def test_a_study_is_read_again_when_a_file_of_it_has_changed(tmp_path: Path) -> None:
    """A prompt's file, too: Dagster keeps its process, and would go on asking the old question."""
    ask = tmp_path / "ask.md"
    ask.write_text("What is this?", encoding="utf-8")
    path = written(tmp_path, **with_reader(prompts=[{"file": "ask.md"}]))
    first = load_study(path)
    assert load_study(path) is first
    ask.write_text("What was it?", encoding="utf-8")
    assert load_study(path).agents[0].prompts == ("What was it?",)
    written(tmp_path, name="other")
    assert load_study(path).name == "other"
    path.unlink()
    assert "study.yaml" in refusal(path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (with_reader(num_predicts=5), "did you mean num_predict?"),
        (with_reader(num_ctxt=5), "did you mean num_ctx?"),
        (with_reader(server="lef"), "did you mean left?"),
        ({"configurations": [{"id": "a", "raeder": {}}]}, "did you mean reader?"),
        ({"configuration": []}, "did you mean configurations?"),
        ({"servers": [{"name": "left", "ulr": "x"}, {"name": "right"}]}, "did you mean url?"),
        (with_reader(prompts=[""]), "agents.0.prompts.0"),
        (with_reader(prompts=[{"path": "x"}]), "{file: PATH}"),
        (with_reader(name="Reader"), "agents.0.name = 'Reader'"),
        (with_reader(server="right"), "give each agent a server of its own"),
        ({"agents": []}, "agents = []"),
        ({"agents": [{"name": f"a{n}", "server": "left"} for n in range(9)]}, "agents"),
        (with_reader(conversation=TURNS), "write one of them"),
        (with_reader(live=True), "has no conversation"),
        (
            with_reader(prompts=None, conversation=[{"user": "a"}, {"user": "b"}]),
            "turn 1 of reader has no answer to go on from",
        ),
        (with_reader(prompts=None, conversation=TURNS, live=True), "leave its answers out"),
        (with_reader(prompts=None, conversation=[{"usr": "a"}]), "did you mean user?"),
        (with_reader(think="yes"), "agents.0.think = 'yes'"),
        (with_reader(name="all"), "'all' has a meaning of its own"),
        (with_reader(name="servers"), "'servers' has a meaning of its own"),
        ({"arms": ["appart"]}, "arms.0 = 'appart'"),
        ({"arms": []}, "arms = []"),
        ({"configurations": [{"id": "a", "config_id": "b"}]}, "write one of them"),
    ],
)
def test_what_is_wrong_is_named_with_a_way_out(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    """The field, its value, and what was probably meant."""
    assert said in refusal(written(tmp_path, **changes))


@pytest.mark.parametrize("n", [1, 2, 3, 8])
def test_the_arms_follow_from_the_agents(n: int) -> None:
    """One agent has nobody to be compared with; from two on all are also apart and shared."""
    names = [f"agent{number}" for number in range(n)]
    study = Study.model_validate(
        {
            "name": "some",
            "servers": [{"name": f"s{number}"} for number in range(n)],
            "agents": [{"name": name, "server": f"s{i}"} for i, name in enumerate(names)],
            "configurations": [{"id": "plain"}],
        }
    )
    together = ["apart", "shared"] if n > 1 else []
    assert list(study.arms) == [*(f"solo_{name}" for name in names), *together]
    if n > 1:
        assert {agent.server for agent in study.arms["shared"]} == {"s0"}
        assert [agent.server for agent in study.arms["apart"]] == [f"s{i}" for i in range(n)]
    assert len(plan_of(study).trials) == len(study.arms)


def test_a_replayed_conversation_sends_the_same_words_in_every_arm(tmp_path: Path) -> None:
    """What the model really said differs from arm to arm, and so would the work."""
    study = load_study(written(tmp_path, **with_reader(prompts=None, conversation=TURNS)))
    plan = plan_of(study)
    stages = [
        agent.stages for trial in plan.trials for agent in trial.agents if agent.name == "reader"
    ]
    assert plan.api == "chat"
    for first, second in stages:
        assert (first.said, first.prompt) == ((), "Hello.")
        assert [(turn.user, turn.answer) for turn in second.said] == [("Hello.", "Good day.")]
        assert (second.prompt, second.follows) == ("And now?", None)
        assert first.nonce == second.nonce  # else no turn would find its own beginning cached
    assert len({first.nonce for first, _ in stages}) == len(stages)


def test_a_live_conversation_follows_what_was_said(tmp_path: Path) -> None:
    """Its answers are not known when it is planned."""
    turns = [{"user": "Hello."}, {"user": "And now?"}]
    study = load_study(
        written(tmp_path, **with_reader(prompts=None, conversation=turns, live=True))
    )
    reader = next(a for trial in plan_of(study).trials for a in trial.agents if a.name == "reader")
    assert reader.is_live
    assert (reader.stages[1].follows, reader.stages[1].said[0].answer) == ("turn 1", None)


def test_a_plan_that_was_hashed_before_keeps_its_hash(tmp_path: Path) -> None:
    """New fields must not make every batch begun before another plan's."""
    plan = plan_of(load_study(written(tmp_path)))
    told = plan.model_dump_json()
    for unused in ('"said":[],', ',"said":[]', '"think":null,'):
        told = told.replace(unused, "")
    assert "said" not in told
    assert Plan.model_validate_json(told).plan_hash == plan.plan_hash
    assert plan_of(load_study(written(tmp_path, **with_reader(think=True)))).plan_hash != (
        plan.plan_hash
    )


def test_a_warehouse_belongs_to_one_study(tmp_path: Path) -> None:
    """A mean over two studies is of neither."""
    warehouse = Warehouse(tmp_path)
    warehouse.belongs_to("mine")
    warehouse.belongs_to("mine")
    with pytest.raises(InputError, match="'mine', not of 'other'") as caught:
        warehouse.belongs_to("other")
    assert "DUALOLLAMA_WAREHOUSE" in caught.value.way_out


def test_a_warehouse_of_before_is_that_of_the_report(tmp_path: Path) -> None:
    """It has no mark: whoever measured TR114 before goes on there, and nobody else does."""
    (tmp_path / "journals" / "test001").mkdir(parents=True)
    with pytest.raises(InputError, match="'tr114'"):
        Warehouse(tmp_path).belongs_to("mine")
    Warehouse(tmp_path).belongs_to("tr114")


@pytest.mark.parametrize("name", ["example-two-models", "example-three-agents", "tr114"])
def test_the_studies_that_are_shipped_are_sound(name: str) -> None:
    """The first file that a user copies."""
    study = load_study(PROJECT_ROOT / "data" / "studies" / name / "study.yaml")
    assert study.name == name
    assert plan_of(study, study.config_ids[0]).config_id == study.config_ids[0]


def test_what_the_study_says_holds_where_nobody_says_otherwise(tmp_path: Path) -> None:
    """A night of 15 blocks must not depend on who remembers to ask for them."""
    path = written(tmp_path, blocks=15, hold_length=True, deadlines={"load_s": 60})
    study = load_study(path)
    plain = Settings.from_environment({}).within(study)
    assert (plain.blocks, plain.hold_length, plain.load_s, plain.idle_s) == (15, True, 60.0, 60.0)
    told = {"DUALOLLAMA_BLOCKS": "5", "DUALOLLAMA_LOAD_S": "30"}  # their defaults or not: they win
    asked = Settings.from_environment(told).within(study)
    assert (asked.blocks, asked.load_s) == (5, 30.0)
    assert Settings.from_environment({}, blocks=2).within(study).blocks == 2


def test_other_words_are_other_work_and_other_options_are_not(tmp_path: Path) -> None:
    """Rows of two prompts must not meet in one mean; those of two configurations must."""
    plans = []
    for changes in ({}, with_reader(prompts=["Read it."]), with_reader(num_ctx=512)):
        study = load_study(written(tmp_path, **changes))
        plan = plan_of(study)
        plans.append(plan.model_copy(update={"workload": "study"}))
        plans.append(plan_of(study, "wide").model_copy(update={"workload": "study"}))
    works = [plan.work for plan in plans]
    assert works[0].startswith("study ")
    assert works[0] == works[1] == works[4] == works[5]
    assert works[2] == works[3] != works[0]


def test_configurations_that_ask_for_the_same_are_found_whatever_is_written(tmp_path: Path) -> None:
    """Not to think is what happens anyway, and no change of a server is none."""
    written_so = [
        {"id": "plain"},
        {"id": "no", "reader": {"think": False}},
        {"id": "none", "servers": {"left": {}}},
        {"id": "yes", "reader": {"think": True}},
    ]
    study = load_study(written(tmp_path, configurations=written_so))
    assert study.equal_groups() == [("plain", "no", "none")]
