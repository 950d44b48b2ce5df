"""Every field of every input, wrong in every way that applies to it, is refused by name.

The cases are made from the schemas of the models: a new field is covered from its first day. The
trap: a value that is bent into shape (`"60"`, `true`, 1.5), ignored (a misspelt key), or lets the
program end in a traceback, after the first request.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from _pytest.outcomes import Failed

from dualollama_pipeline.core.errors import InputError
from dualollama_pipeline.core.plan import Plan, load_plan
from dualollama_pipeline.core.settings import PREFIX, Settings
from dualollama_pipeline.core.study import Study, load_study, study_of
from dualollama_pipeline_tests.worker.plans import small_plan

Schema = Mapping[str, Any]
MISSING = object()
NAN = float("nan")

# What is of the wrong type for each type of JSON; `true` is an int to Python, and 1.5 nearly one.
WRONG_TYPES: dict[str, tuple[Any, ...]] = {
    "boolean": ("yes please", 2, 0.5, [True], {"a": 1}),
    "integer": ("60", "text", 1.5, True, [1], {"a": 1}),
    "number": ("0.8", "text", True, [0.8], {"a": 1}),
    "string": (5, 0.5, True, ["text"], {"a": 1}),
    "array": ("text", 5, True),
    "object": ("text", 5, True, [1]),
}
# Texts with a rule that no schema shows (a validator has it).
RULES: dict[str, tuple[str, ...]] = {
    "url_a": ("127.0.0.1:11434", "http://", "ftp://h:1", "http://h:0x1", "http://h/a?b=1"),
    "url_b": ("127.0.0.1:11434", "http://h:", "http://h:99999", "http://h//a", "http://h/a b"),
    "model": ("gpt-oss:120b-cloud",),
}


@dataclass(frozen=True)
class Bad:
    """One wrong value: where, in which way, and what stands there (MISSING: nothing)."""

    path: tuple[str | int, ...]
    way: str
    value: Any

    @property
    def name(self) -> str:
        return f"{'.'.join(map(str, self.path))}-{self.way}"

    def put_into(self, content: Any) -> Any:
        """Return a copy of sound content with this value in its place."""
        changed = deepcopy(content)
        inner = changed
        for key, following in pairwise(self.path):
            if isinstance(inner, dict):
                inner.setdefault(key, [] if isinstance(following, int) else {})
            elif len(inner) <= int(key):
                inner.append({})
            inner = inner[key]
        if isinstance(inner, list) and len(inner) <= int(self.path[-1]):
            inner.append(self.value)
        elif self.value is MISSING:
            inner.pop(self.path[-1], None)
        else:
            inner[self.path[-1]] = self.value
        return changed


def resolve(schema: Schema, root: Schema) -> tuple[Schema, bool]:
    """Follow a reference, and take `None or X` apart: return X and whether None is allowed."""
    if "$ref" in schema:
        return resolve(root["$defs"][schema["$ref"].rsplit("/", 1)[-1]], root)
    if "anyOf" in schema:
        options = [option for option in schema["anyOf"] if option.get("type") != "null"]
        assert len(options) == 1, "a union of types needs a rule of its own here"
        return resolve(options[0], root)[0], len(options) < len(schema["anyOf"])
    return schema, False


def beyond(schema: Schema) -> Iterator[tuple[str, Any]]:
    """Values just outside of what a schema allows."""
    step = 1 if schema["type"] == "integer" else 0.001
    if "minimum" in schema:
        yield "below", schema["minimum"] - step
        yield "far-below", -(10**12) * step
    if "exclusiveMinimum" in schema:
        yield "below", schema["exclusiveMinimum"] * step
        yield "far-below", -(10**12) * step
    if "maximum" in schema:
        yield "above", schema["maximum"] + step
        yield "far-above", 10**15 * step
    if "minLength" in schema or "pattern" in schema:
        yield "empty", ""
    if "pattern" in schema:
        yield "two-words", "two words"
        yield "leaves-the-folder", "../../etc"
        yield "newline", "name\n"
    if "maxLength" in schema:
        yield "too-long", "x" * (schema["maxLength"] + 1)
    if "minItems" in schema:
        yield "empty", []
    if "enum" in schema or "const" in schema:
        yield "not-a-choice", "other"
        yield "other-case", str(schema.get("const") or schema["enum"][0]).upper()


def wrong_values(schema: Schema, root: Schema, path: tuple[str | int, ...]) -> Iterator[Bad]:
    """Everything that can be wrong with one value, and with what it contains."""
    schema, nullable = resolve(schema, root)
    kind = schema["type"]
    of_a_server = path[-1] == "gpu" or "environment" in path[:-1]  # whose numbers are texts
    wrong = [each for each in WRONG_TYPES[kind] if not (of_a_server and type(each) is int)]
    for i, value in enumerate(wrong):
        yield Bad(path, f"type{i}", value)
    yield Bad(path, "nan", NAN)
    yield Bad(path, "inf", math.inf)
    if kind == "number":
        yield Bad(path, "huge", 10**400)
    if not nullable:
        yield Bad(path, "null", None)
    for way, value in beyond(schema):
        yield Bad(path, way, value)
    for value in RULES.get(str(path[-1]), ()):
        yield Bad(path, f"rule-{value}", value)
    if kind == "array":
        is_object = resolve(schema["items"], root)[0]["type"] == "object"
        yield from (inside if is_object else wrong_values)(schema["items"], root, (*path, 0))
    elif "properties" in schema:
        yield from inside(schema, root, path)
    elif kind == "object":
        by_name = schema.get("patternProperties") or {"": schema["additionalProperties"]}
        yield from wrong_values(*by_name.values(), root, (*path, "a"))


def inside(schema: Schema, root: Schema, path: tuple[str | int, ...] = ()) -> Iterator[Bad]:
    """Walk all that can be wrong inside an object."""
    schema, _ = resolve(schema, root)
    for name, field in schema["properties"].items():
        if name == "specs":  # in a file an agent's options stand under its name
            yield from inside(field["additionalProperties"], root, (*path, "insight"))
            continue
        if name in schema.get("required", ()):
            yield Bad((*path, name), "missing", MISSING)
        yield Bad((*path, f"{name}s"), "unknown", 1)
        yield Bad((*path, name.upper()), "unknown", 1)
        yield from wrong_values(field, root, (*path, name))


def bad(model: type[Study | Plan]) -> list[Bad]:
    schema = model.model_json_schema()
    return list(inside(schema, schema))


def sound_matrix() -> dict[str, Any]:
    entry = {
        "config_id": "test1",
        "scenario": "chimera_hetero",
        "collector": {"num_gpu": 60},
        "insight": {"num_gpu": 80, "num_ctx": 512, "temperature": 0.8},
    }
    return {
        "name": "mine",
        "servers": [{"name": "a", "url": "http://127.0.0.1:1"}, {"name": "b"}],
        "agents": [
            {"name": "collector", "server": "a", "prompts": ["Tell."], "num_predict": 9},
            {"name": "insight", "server": "b"},
        ],
        "configurations": [entry],
    }


def sound_plan() -> dict[str, Any]:
    plan = small_plan({"a": "http://127.0.0.1:1", "b": "http://127.0.0.1:2"})
    content: dict[str, Any] = plan.model_dump(mode="json")
    return content


MATRICES, PLANS = bad(Study), bad(Plan)


def refused(load: Callable[[], object]) -> InputError:
    with pytest.raises(InputError) as caught:
        load()
    assert caught.value.way_out
    return caught.value


def check_names(case: Bad, error: InputError, field: str | None = None) -> None:
    field = field or ".".join(map(str, case.path))
    said = "\n" + error.problem.replace(": ", "\n")
    assert f"\n{field} = " in said, error.problem
    if case.value is not MISSING:
        assert f"{field} = {case.value!r}"[:80] in error.problem


def by_field(cases: Sequence[Bad]) -> list[Any]:
    """One test for each field, with all ways to be wrong inside."""
    fields: dict[str, list[Bad]] = {}
    for case in cases:
        fields.setdefault(".".join(map(str, case.path)), []).append(case)
    return [pytest.param(wrong, id=name) for name, wrong in fields.items()]


def check_each(wrong: Sequence[Bad], check: Callable[[Bad], None]) -> None:
    broken = []
    for case in wrong:
        try:
            check(case)
        except (AssertionError, Failed) as error:
            broken.append(f"{case.name}: {error}")
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("wrong", by_field(MATRICES))
def test_a_bad_matrix_is_refused_by_field_and_value(tmp_path: Path, wrong: list[Bad]) -> None:
    """A value that is bent into shape is measured under the name of another."""
    path = tmp_path / "matrix.yaml"

    def check(case: Bad) -> None:
        path.write_text(yaml.safe_dump(case.put_into(sound_matrix())), encoding="utf-8")
        check_names(case, refused(lambda: load_study(path)))

    check_each(wrong, check)


@pytest.mark.parametrize("wrong", by_field(PLANS))
def test_a_bad_plan_is_refused_by_field_and_value(tmp_path: Path, wrong: list[Bad]) -> None:
    """The worker is a program of its own; whatever wrote the plan may be another version."""
    path = tmp_path / "plan.json"

    def check(case: Bad) -> None:
        path.write_text(json.dumps(case.put_into(sound_plan())), encoding="utf-8")
        check_names(case, refused(lambda: load_plan(path)))

    check_each(wrong, check)


SETTINGS_SCHEMA = Settings.model_json_schema()
WRONG_TEXTS = {
    "integer": ("text", "1.5", "nan", "1e3", "0x10", "5 5"),
    "number": ("text", "nan", "inf", "0x10", "5 5", ""),
    "object": ("text", "=5", "a b=1", "1A=2", "A='"),
}


def bad_settings() -> Iterator[Bad]:
    """The environment holds texts; what is no text at all comes from a caller's options."""
    root = SETTINGS_SCHEMA
    for field_name, field in root["properties"].items():
        schema, _ = resolve(field, root)
        name = field_name
        if schema["type"] == "object":  # by server: DUALOLLAMA_URL_A
            name, schema = f"{name}_a", resolve(schema["additionalProperties"], root)[0]
        texts = WRONG_TEXTS.get(schema["type"], ())
        for text in filter(None, texts):
            yield Bad((name,), f"text-{text}", text)
        for way, value in beyond(schema):
            if value != "":  # set to nothing is not set
                yield Bad((name,), way, str(value))
        for value in RULES.get(name, ()):
            yield Bad((name,), f"rule-{value}", value)
        yield Bad((name,), "unknown", "1")


SETTINGS = list(bad_settings())


def read(environment: dict[str, str]) -> None:
    """What a variable of a server says is held against the study's servers."""
    settings = Settings.from_environment(environment)
    settings.refuse_others(study_of(settings))


def check_variable(case: Bad) -> None:
    name = str(case.path[0])
    if case.way == "unknown":
        for misspelt in (f"{name}s", f"{name}_"):
            said = refused(lambda n=misspelt: read({PREFIX + n.upper(): "1"}))
            assert f"{PREFIX}{misspelt.upper()} = " in said.problem
    else:
        variable = PREFIX + name.upper()
        error = refused(lambda: Settings.from_environment({variable: case.value}))
        check_names(case, error, variable)


@pytest.mark.parametrize("wrong", by_field(SETTINGS))
def test_a_bad_variable_is_refused_by_name_and_value(wrong: list[Bad]) -> None:
    """A misspelt variable that is ignored leaves the default to be measured."""
    check_each(wrong, check_variable)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_an_option_of_the_wrong_type_is_refused(name: str) -> None:
    """Overrides come from other code, which has types of its own."""
    fits = {"number": (5.5,), "object": ({"a": 1},)}
    kind = resolve(SETTINGS_SCHEMA["properties"][name], SETTINGS_SCHEMA)[0]["type"]
    for value in (5.5, NAN, [1], {"a": 1}, object()):
        if value not in fits.get(kind, ()):
            error = refused(lambda v=value: Settings.from_environment({}, **{name: v}))
            assert f"{PREFIX}{name.upper()} = " in error.problem


@pytest.mark.parametrize("variable", ["DUALOLLAMA_TOKEN_C", "DUALOLLAMA_API_KEY"])
def test_a_misspelt_secret_is_not_shown(variable: str) -> None:
    """The sentence that names the mistake goes to a log, and the key with it."""
    error = refused(lambda: read({variable: "sk-very-secret"}))
    assert variable in error.problem
    assert "sk-very" not in str(error)


def test_every_field_is_covered_and_there_are_enough() -> None:
    """A schema that this file cannot read would yield no cases, and no test would fail."""
    assert len(MATRICES) + len(PLANS) + len(SETTINGS) >= 700
    for model, cases in ((Study, MATRICES), (Plan, PLANS)):
        ways: dict[str, set[str]] = {}
        for case in cases:
            ways.setdefault(str(case.path[-1]), set()).add(case.way)
        schema = model.model_json_schema()
        for definition in [schema, *schema["$defs"].values()]:
            for name in definition.get("properties", {}).keys() - {"specs"}:
                assert {"type0", "nan"} <= ways[name]
    names = {case.path[0] for case in SETTINGS}
    by_server = {name.removesuffix("_a") for name in names}
    assert set(Settings.model_fields) <= by_server


def test_what_the_cases_change_is_sound_before(tmp_path: Path) -> None:
    """If the unchanged input were refused, every case here would pass for the wrong reason."""
    matrix, plan = tmp_path / "matrix.yaml", tmp_path / "plan.json"
    matrix.write_text(yaml.safe_dump(sound_matrix()), encoding="utf-8")
    plan.write_text(json.dumps(sound_plan()), encoding="utf-8")
    assert load_study(matrix).config_ids == ["test1"]
    assert len(load_plan(plan).trials) == 4
