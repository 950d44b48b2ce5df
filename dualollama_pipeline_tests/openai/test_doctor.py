"""The doctor asks OpenAI-compatible servers what they can tell, and says what they do not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from dualollama_pipeline.bench.checkup import Checkup, Diagnosis, Speed, State
from dualollama_pipeline.bench.doctor import plans_of
from dualollama_pipeline.bench.servers import ServerPair
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.worker.connections import connect
from dualollama_pipeline_tests.faults.cases import chunk_event, last_events
from dualollama_pipeline_tests.faults.openai import loading
from dualollama_pipeline_tests.faults.scripted import (
    END,
    MODEL,
    Pause,
    Request,
    Script,
    Step,
    answer,
    serve,
    stream,
)
from dualollama_pipeline_tests.openai.studies import settings_of

Found = dict[str, Diagnosis]
N_TOKENS = 16
USAGE = {"prompt_tokens": 9, "completion_tokens": N_TOKENS}
WHOLE = stream(
    *[chunk_event(MODEL, {"content": " word"}) for _ in range(N_TOKENS)],
    last_events(MODEL, "length", {}, USAGE, None),
)
SLOWLY = [each for step in WHOLE for each in (step, Pause(0.005))]


async def check(pair: ServerPair, settings: Settings) -> tuple[Found, dict[str, Speed]]:
    told: list[Diagnosis] = []
    plans = plans_of(settings, pair)
    async with connect(plans[0]) as connections:
        checkup = Checkup(connections, plans, told.append)
        sound = await checkup.introduce()
        speeds = await checkup.try_out(sound) if sound else {}
    return {each.name: each for each in told if each.state is not State.DOING}, speeds


def server(*models: str, steps: Sequence[Step] = SLOWLY) -> Script:
    """A server that lists some models, tells nothing else, and answers with `steps`."""
    data = [{"id": name, "object": "model", "owned_by": "llamacpp"} for name in models]

    def script(request: Request) -> Sequence[Step]:
        if request.path == "/v1/models":
            return answer("200 OK", json.dumps({"data": data}).encode())
        if request.path == "/v1/chat/completions":
            return steps
        return answer("404 Not Found", b"{}")

    return script


def findings(folder: Path, script_a: Script) -> tuple[Found, dict[str, Speed]]:
    """Check two scripted servers, the second of them sound."""

    async def act() -> tuple[Found, dict[str, Speed]]:
        async with serve(script_a) as (url_a, _), serve(server(MODEL)) as (url_b, _):
            pair = ServerPair({"a": url_a, "b": url_b}, "real")
            return await check(pair, settings_of(folder, blocks=1, model=MODEL))

    return asyncio.run(act())


def test_the_simulated_pair_is_sound(simulated_pair: ServerPair, tmp_path: Path) -> None:
    """What cannot be known is a note: nothing of it may stop a night."""
    told, speeds = asyncio.run(check(simulated_pair, settings_of(tmp_path, blocks=1)))
    assert not [each for each in told.values() if each.state is State.FAIL]
    assert "OpenAI-compatible, version 0.33.0-simulated, 1 slots" in told["server a"].found
    assert "does not tell where it is" in told["model a"].found
    assert told["same software"].found == "same version and weights"
    assert speeds.keys() == {"a", "b"}


def test_what_servers_do_not_tell_is_noted(tmp_path: Path) -> None:
    """`the same version` of two servers that tell none would be made up."""
    told, speeds = findings(tmp_path, server(MODEL))
    notes = {name for name, each in told.items() if each.state is State.NOTE}
    assert {"same software", "two servers", "model a", "model b"} <= notes
    assert "not told" in told["same software"].found
    assert "version not told" in told["server a"].found
    assert told["stream a"].state is State.OK
    assert 20 < speeds["a"].tok_per_s < 200  # as the pieces came: one each 5 ms


@pytest.mark.parametrize(
    ("script", "name", "found", "way_out"),
    [
        (server("gemma3:4b"), "model a", "there are gemma3:4b", "start the server with gemma3"),
        (lambda _: loading(), "server a", "Loading model", "loading a model"),
        (lambda _: answer("401 Unauthorized", b"{}"), "server a", "401", "API key"),
        (lambda _: answer("200 OK", b"<html>"), "server a", "no JSON", "not an OpenAI-compatible"),
        (lambda _: answer("404 Not Found", b"{}"), "server a", "404", "what stands before `/v1`"),
        (server(MODEL, steps=[*WHOLE[:-2], END]), "stream a", "without [DONE]", "server's log"),
        (server(MODEL, steps=[b"".join(s for s in WHOLE if isinstance(s, bytes))]), "stream a",
         "in clumps", "proxy_buffering off"),
    ],
)  # fmt: skip
def test_an_illness_is_named_with_its_cure(
    tmp_path: Path, script: Script, name: str, found: str, way_out: str
) -> None:
    """Words about `ollama serve` would send the owner of a llama-server the wrong way."""
    told, _ = findings(tmp_path, script)
    assert told[name].state is State.FAIL
    assert found in told[name].found
    assert way_out in told[name].way_out
    assert "ollama serve" not in told[name].way_out
