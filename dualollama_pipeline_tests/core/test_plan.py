"""The plan: what its hash covers, that JSON keeps it, and what is refused.

The trap: a hash that overlooks a change mixes two experiments in one journal; one that sees too
much makes a night of trials worthless because a port has changed.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.core.plan import Plan, load_plan
from dualollama_pipeline.core.specs import Deadlines


def stage(**changes: Any) -> dict[str, Any]:
    sound = {"name": "analysis", "prompt": "p", "nonce": "n", "num_predict": 300, "seed": 1}
    return sound | changes


def agent(**changes: Any) -> dict[str, Any]:
    sound = {"name": "collector", "server": "a", "model": "m:1b", "options": {"num_gpu": 60}}
    return {**sound, "stages": [stage()]} | changes


def trial(**changes: Any) -> dict[str, Any]:
    return {"trial_id": "t1", "block": 1, "arm": "solo_collector", "agents": [agent()]} | changes


def content(**changes: Any) -> dict[str, Any]:
    """A small plan as JSON holds it, with some keys changed."""
    sound = {
        "plan_id": "test1.batch1",
        "batch_id": "batch1",
        "config_id": "test1",
        "scenario": "chimera_homo",
        "workload": "standard",
        "seed": 114,
        "clock": "real",
        "deadlines": {},
        "servers": {"a": "http://127.0.0.1:1"},
        "keep_alive": "30m",
        "ingest_s": 0.01,
        "corpus_sha256": "0" * 64,
        "trials": [trial()],
    }
    return sound | changes


def plan(**changes: Any) -> Plan:
    return Plan.model_validate(content(**changes))


def with_stage(**changes: Any) -> dict[str, Any]:
    return {"trials": [trial(agents=[agent(stages=[stage(**changes)])])]}


def refusal(folder: Path, text: str) -> InputError:
    path = folder / "plan.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        load_plan(path)
    assert str(path) in caught.value.problem
    assert caught.value.way_out
    return caught.value


@pytest.mark.parametrize(
    "changes",
    [
        {"trials": [trial(agents=[agent(options={"num_gpu": 61})])]},
        {"trials": [trial(agents=[agent(options={})])]},
        {"trials": [trial(agents=[agent(model="other:1b")])]},
        {"trials": [trial(agents=[agent(name="insight")])]},
        {"trials": [trial(), trial(trial_id="t2", block=2)]},
        {"trials": [trial(arm="apart")]},
        with_stage(prompt="q"),
        with_stage(seed=2),
        with_stage(seed=None),
        with_stage(num_predict=301),
        with_stage(num_predict=None),
        with_stage(nonce="o"),
        with_stage(name="report"),
        {"seed": 115},
        {"config_id": "test2"},
        {"scenario": "chimera_hetero"},
        {"workload": "parity"},
        {"api": "chat"},
        {"clock": "simulated"},
        {"corpus_sha256": "1" * 64},
        {"keep_alive": "0"},
    ],
)
def test_the_hash_changes_with_what_is_measured(changes: dict[str, Any]) -> None:
    """Resumed under the old hash, the journal would hold two experiments."""
    assert plan(**changes).plan_hash != plan().plan_hash


@pytest.mark.parametrize(
    "changes",
    [
        {"servers": {"a": "http://127.0.0.1:2"}},
        {"servers": {"a": "http://127.0.0.1:1", "b": "http://127.0.0.1:2"}},
        {"batch_id": "batch2"},
        {"plan_id": "other"},
        {"ingest_s": 9.5},
        {"deadlines": {"connect_s": 1.0, "total_s": 60.0}},
        {"max_attempts": 1},
    ],
)
def test_the_hash_ignores_where_when_and_how_patiently(changes: dict[str, Any]) -> None:
    """A simulated server has another port at every start; nothing could ever be resumed."""
    assert plan(**changes).plan_hash == plan().plan_hash


def test_the_hash_is_16_hex_digits_and_does_not_depend_on_the_order_of_keys() -> None:
    """It is written to journals and compared as text, also by other languages."""
    turned = Plan.model_validate(dict(reversed(content().items())))
    assert turned.plan_hash == plan().plan_hash
    assert len(plan().plan_hash) == 16
    assert int(plan().plan_hash, 16) >= 0


def test_a_plan_survives_json(tmp_path: Path) -> None:
    """The worker reads what the orchestrator wrote; a lost option would be measured as default."""
    written = plan(
        deadlines={"idle_s": 7.5},
        trials=[trial(), trial(trial_id="t2", agents=[agent(options={}), agent(name="insight")])],
    )
    path = tmp_path / "plan.json"
    path.write_text(written.model_dump_json(), encoding="utf-8")
    assert load_plan(path) == written
    assert load_plan(path).plan_hash == written.plan_hash


def test_default_deadlines_are_kept_where_nothing_is_said() -> None:
    """A deadline of zero or none at all would hang or kill every trial."""
    deadlines = plan(deadlines={"idle_s": 7.5}).deadlines
    assert deadlines == Deadlines(connect_s=5.0, first_token_s=300.0, idle_s=7.5, total_s=900.0)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"trials": [trial(), trial()]}, "trial_id appears twice"),
        ({"trials": [trial(agents=[agent(server="z")])]}, "['z']"),
        ({"servers": {}}, "['a']"),
        ({"extra": 1}, "extra = 1"),
        ({"trials": [trial(extra=1)]}, "trials.0.extra = 1"),
        ({"trials": [trial(agents=[agent(options={"num_gpus": 1})])]}, "options.num_gpus = 1"),
        (with_stage(prompt=""), "trials.0.agents.0.stages.0.prompt = ''"),
        (with_stage(num_predict=0), "stages.0.num_predict = 0"),
        (with_stage(num_predict=True), "stages.0.num_predict = True"),
        (with_stage(seed="1"), "stages.0.seed = '1'"),
        ({"trials": []}, "trials = []"),
        ({"trials": [trial(agents=[])]}, "trials.0.agents = []"),
        ({"trials": [trial(block=0)]}, "trials.0.block = 0"),
        ({"trials": [trial(arm="a b")]}, "trials.0.arm = 'a b'"),
        ({"trials": [trial(agents=[agent(model="two words")])]}, "model = 'two words'"),
        ({"batch_id": "a/b"}, "batch_id = 'a/b'"),
        ({"config_id": ".."}, "config_id = '..'"),
        ({"clock": "wall"}, "clock = 'wall'"),
        ({"workload": "other"}, "workload = 'other'"),
        ({"api": "complete"}, "api = 'complete'"),
        ({"seed": "114"}, "seed = '114'"),
        ({"ingest_s": -1.0}, "ingest_s = -1.0"),
        ({"ingest_s": float("inf")}, "ingest_s = inf"),
        ({"deadlines": {"total_s": float("inf")}}, "deadlines.total_s = inf"),
        ({"max_attempts": 0}, "max_attempts = 0"),
        ({"max_attempts": 11}, "max_attempts = 11"),
        ({"deadlines": {"idle_s": 0}}, "deadlines.idle_s = 0"),
        ({"deadlines": {"idle": 1}}, "deadlines.idle = 1"),
    ],
)
def test_a_wrong_plan_names_field_and_value(
    tmp_path: Path, changes: dict[str, Any], named: str
) -> None:
    """A plan is also written by hand and by other programs."""
    assert named in refusal(tmp_path, json.dumps(content(**changes))).problem


@pytest.mark.parametrize("missing", ["trials", "servers", "seed", "deadlines", "corpus_sha256"])
def test_a_missing_field_is_named(tmp_path: Path, missing: str) -> None:
    """A default for one of these would measure something nobody asked for."""
    text = json.dumps({key: value for key, value in content().items() if key != missing})
    assert f"{missing} = " in refusal(tmp_path, text).problem


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "5", "[" * 5000])
def test_what_is_no_plan_is_refused(tmp_path: Path, text: str) -> None:
    """A torn write must end in a message."""
    assert "(whole document)" in refusal(tmp_path, text).problem


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    """A compressed plan, for instance."""
    path = tmp_path / "plan.json"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match=r"plan\.json"):
        load_plan(path)


@pytest.mark.parametrize("name", ["missing.json", "."])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    """The worker's first argument, mistyped."""
    with pytest.raises(InputError, match="cannot read the plan") as caught:
        load_plan(tmp_path / name)
    assert caught.value.way_out


def test_two_agents_of_one_trial_with_one_name_are_refused(tmp_path: Path) -> None:
    """The tables tell agents apart by name: two of one name become one agent of four calls."""
    twice = content(trials=[trial(agents=[agent(), agent()])])
    refusal(tmp_path, json.dumps(twice))
