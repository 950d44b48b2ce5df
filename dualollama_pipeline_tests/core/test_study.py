"""The matrix: the 27 configurations as published, and every way in which a file can be wrong.

The trap: a typing error in YAML that becomes another experiment instead of a message.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.core.places import PROJECT_ROOT
from dualollama_pipeline.core.specs import AgentSpec
from dualollama_pipeline.core.study import Configuration, Study, derive_scenario, load_study

# config_id: agent A / agent B as num_gpu num_ctx temperature; `-` is the server's default
PUBLISHED = """
test001 - / 60 512 0.8          | test002 - / 60 1024 0.8         | test003 - / 80 512 0.8
test004 - / 80 1024 0.8         | test005 - / 120 512 0.8         | test006 - / 120 1024 0.8
test007 60 512 0.8 / 80 1024 0.8    | test008 60 1024 0.8 / 80 2048 0.8
test009 80 512 0.8 / 100 1024 0.8   | test010 80 1024 0.8 / 100 2048 0.8
test011 120 512 0.8 / 140 1024 0.8  | test012 120 1024 0.8 / 140 2048 0.8
test013 60 512 0.8 / =          | test014 60 1024 0.8 / =         | test015 80 512 0.8 / =
test016 80 1024 0.8 / =         | test017 120 512 0.8 / =         | test018 120 1024 0.8 / =
test100 80 512 0.6 / =          | test103 80 1024 0.6 / =         | test104 80 1024 0.8 / =
test106 80 2048 0.6 / =         | test107 80 2048 0.8 / =         | test108 80 2048 1.0 / =
test200 80 512 0.8 / =          | test201 80 512 0.8 / 80 1024 0.8 | test202 - / 80 512 0.8
"""
SCENARIO_OF = {"-": "baseline_vs_chimera", "=": "chimera_homo"}
SOUND = {"num_gpu": 60, "num_ctx": 512, "temperature": 0.8}


def options(words: str) -> dict[str, float]:
    if words == "-":
        return {}
    num_gpu, num_ctx, temperature = words.split()
    return {"num_gpu": int(num_gpu), "num_ctx": int(num_ctx), "temperature": float(temperature)}


def published() -> dict[str, tuple[str, dict[str, float], dict[str, float]]]:
    """The 27 rows: config_id -> (scenario, options of A, options of B)."""
    rows = {}
    for cell in PUBLISHED.strip().replace("\n", "|").split("|"):
        config_id, both = cell.strip().split(" ", 1)
        a, b = (side.strip() for side in both.split("/"))
        scenario = SCENARIO_OF.get(a) or SCENARIO_OF.get(b) or "chimera_hetero"
        rows[config_id] = (scenario, options(a), options(a if b == "=" else b))
    return rows


def entry(**changes: Any) -> dict[str, Any]:
    """One sound configuration as the file has it, with some keys changed."""
    sound = {"config_id": "test1", "scenario": "chimera_homo", "collector": {}, "insight": {}}
    return {**sound, **changes}


def written(folder: Path, *entries: dict[str, Any]) -> Path:
    """A matrix file; JSON is YAML."""
    path = folder / "matrix.yaml"
    path.write_text(json.dumps({"configurations": entries}), encoding="utf-8")
    return path


def refusal(path: Path) -> InputError:
    """The error that the file meets; anything but an InputError fails the test."""
    with pytest.raises(InputError) as caught:
        load_study(path)
    return caught.value


def test_the_27_configurations_are_the_published_ones_in_their_order() -> None:
    """A silent change of one cell would be another experiment under the published name."""
    matrix = load_study(PROJECT_ROOT / "data" / "studies" / "tr114" / "study.yaml")
    found = {
        each.config_id: (each.scenario, each.of("collector").given(), each.of("insight").given())
        for each in matrix.configurations
    }
    assert found == published()
    assert matrix.config_ids == list(published())
    assert len(found) == 27


def test_equal_configurations_are_named_together() -> None:
    """24 distinct of 27: whoever counts 27 independent configurations counts three twice."""
    matrix = load_study(PROJECT_ROOT / "data" / "studies" / "tr114" / "study.yaml")
    groups = {frozenset(group) for group in matrix.equal_groups()}
    assert groups == {
        frozenset({"test003", "test202"}),
        frozenset({"test015", "test200"}),
        frozenset({"test016", "test104"}),
    }


def test_agents_stand_in_the_order_a_b() -> None:
    """Swapped agents would swap every signed difference of the report."""
    first = load_study(PROJECT_ROOT / "data" / "studies" / "tr114" / "study.yaml").get("test007")
    assert [(name, spec.num_gpu) for name, spec in first.agents] == [
        ("collector", 60),
        ("insight", 80),
    ]


def test_an_unknown_configuration_names_those_that_exist() -> None:
    """A KeyError would not tell which id was meant."""
    matrix = Study.model_validate({"configurations": [entry(), entry(config_id="test2")]})
    with pytest.raises(InputError, match="'test9'") as caught:
        matrix.get("test9")
    assert "test1, test2" in caught.value.way_out


@pytest.mark.parametrize(
    ("collector", "insight", "scenario"),
    [
        ({}, SOUND, "baseline_vs_chimera"),
        (SOUND, SOUND, "chimera_homo"),
        ({}, {}, "chimera_homo"),
        (SOUND, {**SOUND, "num_gpu": 80}, "chimera_hetero"),
        (SOUND, {}, "chimera_hetero"),  # the baseline is agent A by definition
        ({"model": "a:1b"}, {"model": "b:1b"}, "chimera_hetero"),  # no options, but not equal
    ],
)
def test_the_scenario_follows_from_the_options(
    collector: dict[str, Any], insight: dict[str, Any], scenario: str
) -> None:
    """One scenario under two spellings split the published tables; the options decide."""
    specs = [AgentSpec.model_validate(options) for options in (collector, insight)]
    assert derive_scenario(*specs) == scenario


def test_every_published_scenario_is_what_the_options_say() -> None:
    """A row under the wrong scenario would be pooled with others' conditions."""
    for each in load_study(
        PROJECT_ROOT / "data" / "studies" / "tr114" / "study.yaml"
    ).configurations:
        assert each.scenario == derive_scenario(each.of("collector"), each.of("insight"))


@pytest.mark.parametrize(
    "config_id",
    ["a/b", "..", ".", "a|b", "", "a" * 65, "a b", "-a", "a.b", "a\n", "é", "a\\b", 1, True, None],
)
def test_unsafe_ids_are_refused(tmp_path: Path, config_id: object) -> None:
    """Ids become file names and partition keys: `/` leaves the warehouse, `|` joins keys."""
    message = str(refusal(written(tmp_path, entry(config_id=config_id))))
    assert f"configurations.0.config_id = {config_id!r}" in message


def test_the_longest_safe_id_is_accepted(tmp_path: Path) -> None:
    """An off-by-one in the limit would refuse what the message allows."""
    longest = "a" + "B-_9" * 15 + "zzz"  # 64 characters
    assert load_study(written(tmp_path, entry(config_id=longest))).config_ids == [longest]


@pytest.mark.parametrize("second", ["test1", "TEST1", "tEst1"])
def test_ids_are_unique_whatever_their_case(tmp_path: Path, second: str) -> None:
    """On a file system that folds case, two such configurations share one journal."""
    message = str(refusal(written(tmp_path, entry(), entry(config_id=second))))
    assert repr(second) in message
    assert "twice" in message


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("num_gpu", "60"),
        ("num_gpu", True),
        ("num_gpu", 60.5),
        ("num_gpu", 60.0),
        ("num_gpu", float("nan")),
        ("num_gpu", [60]),
        ("num_gpu", -2),
        ("num_gpu", 10_001),
        ("num_ctx", 3),
        ("num_ctx", "512"),
        ("num_ctx", 10_000_001),
        ("temperature", "0.8"),
        ("temperature", True),
        ("temperature", -0.1),
        ("temperature", 2.1),
        ("top_p", 1.01),
        ("top_p", False),
        ("top_k", -1),
        ("top_k", 0.5),
        ("repeat_penalty", 10.5),
        ("model", 5),
        ("model", "two words"),
        ("model", ""),
        ("model", "-x"),
        ("model", "x" * 201),
    ],
)
def test_wrong_values_name_field_and_value(tmp_path: Path, field: str, value: object) -> None:
    """Pydantic's lax mode turns "60" and true into numbers: the typing error becomes a run."""
    path = tmp_path / "matrix.yaml"
    shown = ".nan" if value != value else json.dumps(value)  # noqa: PLR0124 nan alone differs
    path.write_text(
        "configurations:\n- {config_id: test1, scenario: chimera_hetero, collector: {}, "
        f"insight: {{{field}: {shown}}}}}\n",
        encoding="utf-8",
    )
    error = refusal(path)
    assert f"configurations.0.insight.{field} = " in error.problem
    assert repr(value)[:20] in error.problem
    assert str(path) in error.problem
    assert "correct" in error.way_out


@pytest.mark.parametrize("value", [".nan", ".inf", "-.inf"])
@pytest.mark.parametrize("field", ["temperature", "top_p", "repeat_penalty"])
def test_numbers_without_a_size_are_refused(tmp_path: Path, field: str, value: str) -> None:
    """`nan < 2` and `nan > 2` are both false: a range alone lets it pass."""
    path = tmp_path / "matrix.yaml"
    path.write_text(
        "configurations: [{config_id: test1, scenario: chimera_hetero, collector: {}, "
        f"insight: {{{field}: {value}}}}}]",
        encoding="utf-8",
    )
    assert f"insight.{field} = " in str(refusal(path))


def test_the_limits_themselves_are_accepted(tmp_path: Path) -> None:
    """-1 layers means automatic, 0 the processor; a whole temperature is written without a dot."""
    low = {"num_gpu": -1, "num_ctx": 4, "temperature": 0, "top_p": 0, "top_k": 0}
    high = {"num_gpu": 10_000, "num_ctx": 10_000_000, "temperature": 2, "top_p": 1}
    path = written(tmp_path, entry(scenario="chimera_hetero", collector=low, insight=high))
    loaded = load_study(path).get("test1")
    assert loaded.of("collector").given() == low
    assert loaded.of("insight").given() == high
    assert isinstance(loaded.of("insight").temperature, float)


@pytest.mark.parametrize(
    "changed", [{"extra": 1}, {"collector": {"num_gpus": 60}}, {"insight": {"seed": 1}}]
)
def test_unknown_keys_are_refused(tmp_path: Path, changed: dict[str, Any]) -> None:
    """`num_gpus: 60` would be dropped and the default measured under the wrong name."""
    message = str(refusal(written(tmp_path, entry(**changed))))
    name = next(iter(changed))
    inner = next(iter(changed[name])) if isinstance(changed[name], dict) else name
    assert inner in message
    assert "; there are " in message


@pytest.mark.parametrize("missing", ["config_id"])
def test_missing_keys_are_refused(tmp_path: Path, missing: str) -> None:
    """A forgotten agent must not become one without options, which is the baseline."""
    content = entry()
    del content[missing]
    assert f"configurations.0.{missing}" in str(refusal(written(tmp_path, content)))


@pytest.mark.parametrize("model", ["gpt-oss:120b-cloud", "gpt-oss:cloud", "x-cloud"])
def test_cloud_models_are_refused(model: str) -> None:
    """A cloud model answers through the local server: it would measure a computer far away."""
    with pytest.raises(ValueError, match="cloud"):
        AgentSpec(model=model)


@pytest.mark.parametrize("model", ["gemma3", "gemma3:latest", "hf.co/a/b:Q4_K_M", "cloudy:1b"])
def test_each_agent_may_have_a_model_of_its_own(model: str) -> None:
    """A model is no option: with one alone the agent still counts as baseline."""
    configuration = Configuration.model_validate(
        entry(scenario="baseline_vs_chimera", collector={"model": model}, insight=SOUND)
    )
    assert configuration.of("collector").model == model
    assert configuration.of("collector").given() == {}
    assert configuration.of("insight").model is None


@pytest.mark.parametrize(
    "text",
    [
        "configurations: []\nconfigurations: []\n",
        "configurations: [{config_id: a, config_id: b}]",
        "configurations:\n- insight: {num_gpu: 60, num_ctx: 512, num_gpu: 80}\n",
    ],
)
def test_duplicate_keys_are_refused(tmp_path: Path, text: str) -> None:
    """PyYAML keeps the last of two equal keys and says nothing."""
    path = tmp_path / "matrix.yaml"
    path.write_text(text, encoding="utf-8")
    message = str(refusal(path))
    assert "appears twice" in message
    assert "line" in message


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"# only a comment\n",
        b"[]",
        b"- a\n- b\n",
        b"text",
        b"5",
        b"configurations: []",
        b"configurations: {}",
        b"configurations: 5",
        b"configurations: [5]",
        b"other: 1",
        b"a: b: c",
        b"a: *nowhere",
        b"{",
        b"\x00",
        b"? [1, 2]\n: 3\n",
        b"x: !!python/object/apply:os.getpid []",
        b"\xff\xfe\x00",
        b"configurations: &a [*a]",
    ],
)
def test_files_that_are_no_matrix_are_refused(tmp_path: Path, content: bytes) -> None:
    """A traceback of the YAML library names no file and no way out."""
    path = tmp_path / "matrix.yaml"
    path.write_bytes(content)
    error = refusal(path)
    assert str(path) in error.problem
    assert error.way_out


@pytest.mark.parametrize("name", ["missing.yaml", "."])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, name: str) -> None:
    """The first thing a user without a checkout meets."""
    error = refusal(tmp_path / name)
    assert str(tmp_path) in error.problem
    assert "project's data/" in error.way_out


@pytest.mark.parametrize("content", ["configurations: 2026-99-99", "configurations: !!int x"])
def test_values_that_yaml_cannot_construct_are_refused(tmp_path: Path, content: str) -> None:
    """A date that is none is a typing error like any other."""
    path = tmp_path / "matrix.yaml"
    path.write_text(content, encoding="utf-8")
    assert str(path) in str(refusal(path))


def test_absurd_nesting_is_refused(tmp_path: Path) -> None:
    """A damaged or hostile file must not end in a thousand lines of traceback."""
    path = tmp_path / "matrix.yaml"
    path.write_text("[" * 2000, encoding="utf-8")
    assert str(path) in str(refusal(path))


def test_one_wrong_value_is_one_finding(tmp_path: Path) -> None:
    """A second, false line sends the reader to look for a list that is not empty at all."""
    error = refusal(written(tmp_path, entry(insight={"num_gpu": -2})))
    assert len(error.problem.splitlines()) == 1
