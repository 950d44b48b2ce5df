"""What a study cannot ask of an OpenAI-compatible server is refused when it is read.

The trap: an option that the server passes over without a word, and a night of numbers that bear the
name of what was asked; or old plans whose hash has changed, so that nothing is ever resumed.
"""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from dualollama_pipeline.core.plan import Plan
from dualollama_pipeline.core.study import Study
from dualollama_pipeline_tests.core.test_plan import content, plan
from dualollama_pipeline_tests.openai.studies import written

BEFORE = "83f03ff2774121d8"  # the hash of that plan before there was a second protocol


def refusal(study: dict[str, Any]) -> str:
    with pytest.raises(ValidationError) as caught:
        Study.model_validate(study)
    return str(caught.value)


@pytest.mark.parametrize("asked", [{"num_gpu": 10}, {"num_ctx": 512}, {"think": True}])
def test_what_belongs_to_the_servers_start_names_field_and_way_out(asked: dict[str, Any]) -> None:
    """An OpenAI-compatible server has the context and the layers that it was started with."""
    (name,) = asked
    said = refusal(written(options={}, insight=asked))
    assert f"plain: {name} of insight" in said
    assert "server 'b' (protocol openai)" in said
    assert "start the server with it (llama-server -" in said
    assert Study.model_validate(written("ollama", options={}, insight=asked))


def test_two_models_on_one_server_are_refused_for_shared() -> None:
    """It would answer both agents with the one model that it has."""
    said = refusal(written(options={"model": "m:1b"}, insight={"model": "m:8b"}))
    assert "server 'a' (protocol openai) has one model" in said
    assert "`shared` needs collector: m:1b, insight: m:8b" in said
    assert "write one model for all agents" in said
    assert Study.model_validate(written("ollama", options={"model": "m:1b"}, insight={}))
    assert Study.model_validate(written(options={"model": "m:1b"}))


def test_servers_of_two_protocols_are_refused() -> None:
    """Apart would be Ollama and llama-server, shared one of the two: a comparison of software."""
    study = written("ollama", options={}, insight={})
    assert Study.model_validate(study).protocols == {}
    study["servers"][0]["protocol"] = "openai"
    said = refusal(study)
    assert "cannot be compared (a: openai, b: ollama)" in said
    assert "write one study for each (Ollama speaks both)" in said


def test_one_agent_has_no_shared_and_may_have_any_model() -> None:
    """Only `shared` brings two agents together."""
    study = written(options={"model": "m:1b"}, insight={})
    del study["agents"][1], study["configurations"][0]["insight"]
    assert Study.model_validate(study).protocols == {"a": "openai", "b": "openai"}


@pytest.mark.parametrize("protocol", ["OpenAI", "openai ", "http", "", None, 1])
def test_another_protocol_is_refused(protocol: object) -> None:
    """A typo read as the default would speak Ollama's words to llama-server."""
    study = written()
    study["servers"][0]["protocol"] = protocol
    assert "servers.0.protocol" in refusal(study)


def test_plans_of_before_keep_their_hash() -> None:
    """A hash that sees a new field's default would make every unfinished night a new one."""
    assert plan().plan_hash == BEFORE
    assert plan(protocols={}).plan_hash == BEFORE
    without = content()
    assert "protocols" not in without
    assert Plan.model_validate(without).protocol_of("a") == "ollama"


def test_another_protocol_is_another_plan() -> None:
    """The same prompts through another template and another server are another measurement."""
    other = plan(protocols={"a": "openai"})
    assert other.plan_hash != BEFORE
    assert Plan.model_validate_json(other.model_dump_json()) == other


@pytest.mark.parametrize("protocols", [{"b": "openai"}, {"a": "other"}])
def test_a_protocol_of_nobody_or_of_no_kind_is_refused(protocols: dict[str, str]) -> None:
    """A plan made by hand names what is wrong."""
    with pytest.raises(ValidationError, match="protocols"):
        plan(protocols=protocols)
