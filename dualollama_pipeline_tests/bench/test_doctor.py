"""The doctor: healthy pairs pass, each illness is named with its cure, and it is quick."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from dualollama_pipeline.bench.checkup import Checkup, Diagnosis, Speed, State
from dualollama_pipeline.bench.doctor import (
    examine,
    examine_machine,
    examine_warehouse,
    night,
    plans_of,
)
from dualollama_pipeline.bench.servers import ServerPair
from dualollama_pipeline.core.protocol import Protocol
from dualollama_pipeline.core.settings import Settings
from dualollama_pipeline.core.study import study_of
from dualollama_pipeline.worker.connections import CLIENTS, connect
from dualollama_pipeline.worker.lock import pair_lock
from dualollama_pipeline.worker.ruler import calibrate, paced_server
from dualollama_pipeline_tests.field.stand_in import stand_ins

IMPATIENT = Settings(blocks=1, first_token_s=0.5, load_s=0.5)
GAP_MS = 5.0  # long enough for each piece to come alone


async def check(pair: ServerPair, settings: Settings) -> tuple[list[Diagnosis], dict[str, Speed]]:
    """Ask a pair everything about its servers."""
    told: list[Diagnosis] = []
    plans = plans_of(settings, pair)
    async with connect(plans[0]) as connections:
        checkup = Checkup(connections, plans, told.append)
        sound = await checkup.introduce()
        speeds = await checkup.try_out(sound) if sound else {}
    return told, speeds


def findings(**behaviour: Any) -> list[Diagnosis]:
    """Check stand-ins that behave so."""

    async def act() -> list[Diagnosis]:
        async with stand_ins(**{"gap_ms": GAP_MS, **behaviour}) as urls:
            return (await check(ServerPair(urls, "real"), IMPATIENT))[0]

    return asyncio.run(act())


def of(told: list[Diagnosis], state: State) -> dict[str, Diagnosis]:
    return {finding.name: finding for finding in told if finding.state is state}


def test_a_healthy_pair_has_nothing_to_complain_of() -> None:
    """A doctor that always finds something is not asked again."""
    told = findings()
    assert of(told, State.FAIL) == of(told, State.NOTE) == {}
    sound = of(told, State.OK)
    assert {"server a", "model a", "two servers", "same software", "stream b"} <= sound.keys()
    assert "16 pieces in 1" in sound["stream a"].found
    assert "round trip" in sound["server a"].found
    assert "simulated" not in "".join(finding.found for finding in told)


def test_what_takes_long_is_told_before_it_is_done() -> None:
    """A load takes minutes; until then the screen would be empty."""
    names = [finding.name for finding in findings(load_error="no", load_errors=9)]
    assert names.index("loading") < names.index("load a")
    assert {"server a", "server b"} <= set(names[: names.index("loading")])


def test_dead_servers_are_named_within_ten_seconds() -> None:
    """The commonest illness must not cost a coffee break."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    started = time.monotonic()
    told, _ = asyncio.run(check(ServerPair({"a": url, "b": url}, "real"), Settings(blocks=1)))
    assert time.monotonic() - started < 10
    failed = of(told, State.FAIL)
    assert failed.keys() == {"server a", "server b"}
    assert all(url in finding.found and finding.way_out for finding in failed.values())


def test_a_missing_model_is_named_with_what_is_there() -> None:
    """The second commonest; mostly it is there, under another tag."""
    models = [{"name": "gemma3:4b"}, {"name": "llama3:8b"}]
    failed = of(findings(models_a=models), State.FAIL)
    assert failed.keys() == {"model a"}
    assert "gemma3:4b, llama3:8b" in failed["model a"].found
    assert "ollama pull gemma3:latest" in failed["model a"].way_out
    assert "did you mean gemma3:4b?" in failed["model a"].way_out


@pytest.mark.parametrize("expiry", ["moving", "fixed", "zero"])
def test_one_process_behind_two_ports_is_never_called_distinct(expiry: str) -> None:
    """It would be measured as two. An emulator's expiry does not move: then nothing is known."""
    told = findings(one_process=True, expiry=expiry)
    verdict = State.FAIL if expiry == "moving" else State.NOTE
    assert "two servers" in of(told, verdict)
    assert not any("distinct" in finding.found for finding in told)


def test_an_answer_in_clumps_is_named_with_its_cure() -> None:
    """Behind such a proxy every TTFT is that of the proxy's buffer."""
    failed = of(findings(buffer_bytes_b=400), State.FAIL)
    assert failed.keys() == {"stream b"}
    assert "proxy_buffering off" in failed["stream b"].way_out


@pytest.mark.parametrize(
    ("behaviour", "name", "said"),
    [
        ({"load_error": "out of memory"}, "load a", "free GPU memory"),
        ({"generate_status": 502}, "stream a", "the proxy does not reach"),
        ({"hangs_from": 1}, "stream a", "does it load, or hang"),
        ({"token": "a-token"}, "server a", "DUALOLLAMA_TOKEN"),
        ({"prefix": "/ollama", "control_failures": {"/api/ps": (0, 9)}}, "model a", "server's log"),
        ({"vram_share": 0.4}, "model a", "free GPU memory"),
        ({"version_b": "0.25.0"}, "same software", "same Ollama on both"),
    ],
)
def test_an_error_is_a_finding_with_a_way_out(
    behaviour: dict[str, Any], name: str, said: str
) -> None:
    """Never a traceback."""
    assert said in of(findings(**behaviour), State.FAIL)[name].way_out


def test_credentials_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """A doctor without them calls a pair dead that can be measured."""
    monkeypatch.setenv("DUALOLLAMA_TOKEN", "a-token")
    assert of(findings(token="a-token"), State.FAIL) == {}  # noqa: S106 a test's


def test_a_model_that_thinks_is_told() -> None:
    """Its first token would be a thought."""
    assert "can think and is told not to" in of(findings(thinks=True), State.OK)["stream a"].found


def test_a_model_that_ends_at_once_has_no_speed() -> None:
    """Its one token took no time: a million tokens/s."""
    notes = of(findings(end_at_once=True), State.NOTE)
    assert "not known" in notes["stream a"].found


def test_a_context_beyond_the_trained_one_is_noted(
    simulated_pair: ServerPair, tmp_path: Path
) -> None:
    """Ollama answers with less, and says nothing."""
    options = "{num_ctx: 200000}"
    (tmp_path / "matrix.yaml").write_text(
        "configurations:\n"
        f"- {{config_id: x, scenario: chimera_homo, collector: {options}, insight: {options}}}\n"
    )
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "a.csv").write_text("x\n1\n")
    told, speeds = asyncio.run(check(simulated_pair, Settings(blocks=1, data=tmp_path)))
    assert "a configuration asks for 200000" in of(told, State.NOTE)["context b"].found
    assert "simulated" in of(told, State.OK)["server a"].found
    assert speeds.keys() == {"a", "b"}


def test_a_night_is_the_sum_of_its_trials_and_loads() -> None:
    """27 x 5 blocks, two stages of 300 tokens; in `single` one server does the work of two."""
    pair = ServerPair({"a": "http://127.0.0.1:1", "b": "http://127.0.0.1:2"}, "real")
    speed = Speed(load_s=10.0, ttft_s=1.0, tok_per_s=100.0)
    plans = plans_of(Settings(), pair)
    finding = night(plans, {"a": speed, "b": speed})
    agent_s = 2 * (1.0 + 300 / 100.0)
    agents_s = 27 * 5 * (1 + 1 + 1 + 2) * agent_s  # two alone, dual, single
    n_loads = 27 + 2 * 5 * 14  # of 14 configurations the agents differ in what makes a server load
    minutes = round((agents_s + n_loads * 10.0) / 60)
    assert f"{minutes // 60} h {minutes % 60} min (an estimate" in finding.found
    assert "27 configurations × 5 blocks" in finding.found
    assert f"{n_loads} loads of 10.0 s" in finding.found


def test_the_gpus_of_a_remote_server_are_not_this_clients() -> None:
    """A laptop without a GPU in front of a server with four is no fault."""
    urls = {"a": "http://127.0.0.1:1", "b": "http://gpu-box:11434"}
    finding = asyncio.run(examine_machine(urls))
    assert (finding.state, finding.name) == (State.OK, "this client")
    assert "server b is elsewhere" in finding.found


def test_a_warehouse_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Hours of measuring must not end in `permission denied`."""
    (tmp_path / "file").write_text("")
    assert examine_warehouse(tmp_path / "new").state is State.OK
    finding = examine_warehouse(tmp_path / "file" / "below")
    assert finding.state is State.FAIL
    assert "DUALOLLAMA_WAREHOUSE" in finding.way_out


@pytest.mark.parametrize("protocol", CLIENTS)
def test_the_ruler_sees_what_the_schedule_says(protocol: Protocol) -> None:
    """Wide limits: this holds the arithmetic, `make bench` the precision."""
    with paced_server() as url:
        result = asyncio.run(calibrate(url, protocol))
    assert result.n == 40
    assert 0 < result.ttft_error_median_ms < 10
    assert result.rate_error_pct < 20


def test_the_doctor_does_not_disturb_a_measurement() -> None:
    """It loads models: into a pair that is being measured, that would be a data point."""
    urls = {"a": "http://127.0.0.1:1", "b": "http://127.0.0.1:2"}
    with pair_lock(urls, "plan test013.night", lambda _: None):
        waiting = subprocess.run(
            [sys.executable, "-m", "dualollama_pipeline.cli", "doctor", "--servers", "external"],
            env={**os.environ, "DUALOLLAMA_URL_A": urls["a"], "DUALOLLAMA_URL_B": urls["b"]},
            capture_output=True,
            text=True,
            check=False,
        )
    assert waiting.returncode == 1
    assert "in use by plan test013.night" in waiting.stderr


def test_a_model_that_cannot_think_is_found_before_the_night(tmp_path: Path) -> None:
    """Ollama refuses `think` for it, and every call of the configuration fails."""
    settings = IMPATIENT.model_copy(update={"study": study_with(tmp_path, insight={"think": True})})

    async def act() -> list[Diagnosis]:
        async with stand_ins(gap_ms=GAP_MS) as urls:
            return (await check(ServerPair(urls, "real"), settings))[0]

    failed = of(asyncio.run(act()), State.FAIL)
    assert failed["configuration plain"].found == "gemma3:latest cannot think before it answers"


def test_surroundings_of_servers_that_run_already_are_found_before_the_night(
    tmp_path: Path,
) -> None:
    """Nobody can give a running server slots: the configuration would end the night."""
    slots = {"a": {"environment": {"OLLAMA_NUM_PARALLEL": 2}}}
    settings = Settings.from_environment(
        {"DUALOLLAMA_URL_A": "http://127.0.0.1:9", "DUALOLLAMA_URL_B": "http://127.0.0.1:10"},
        servers="external",
        study=study_with(tmp_path, servers=slots),
        warehouse=tmp_path,
    )
    told: list[Diagnosis] = []
    asyncio.run(
        examine(settings, ServerPair(settings.urls(study_of(settings)), "real"), told.append)
    )
    failed = of(told, State.FAIL)["configuration plain"]
    assert failed.found == "it changes the surroundings of a, which run already"
    assert "DUALOLLAMA_SERVERS=managed" in failed.way_out


def study_with(folder: Path, **configuration: Any) -> Path:
    """A study of the document's pair with one configuration."""
    content = {
        "name": "mine",
        "servers": [{"name": "a"}, {"name": "b"}],
        "agents": [
            {"name": name, "server": server, "prompts": ["Tell me a story."]}
            for name, server in (("collector", "a"), ("insight", "b"))
        ],
        "configurations": [{"id": "plain"} | configuration],
    }
    (folder / "study.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    return folder
