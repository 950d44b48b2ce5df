"""The doctor: healthy pairs pass, each illness is named with its cure, and it is quick."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from dualollama_pipeline.ollama.servers import ServerPair
from dualollama_pipeline.worker.calibration import calibrate, paced_server
from dualollama_pipeline.worker.doctor import Finding, examine_servers, examine_warehouse
from dualollama_pipeline.worker.lock import pair_lock
from dualollama_pipeline_tests.faults.ollama import ollama
from dualollama_pipeline_tests.faults.scripted import MODEL, serve


def names_of(findings: list[Finding], *, ok: bool) -> set[str]:
    return {finding.name for finding in findings if finding.ok is ok}


def examine_scripted(model: str = MODEL, *, same: bool = False) -> list[Finding]:
    """Examine two scripted servers, or one under two names."""

    async def act() -> list[Finding]:
        async with serve(ollama()) as (url_a, _), serve(ollama()) as (url_b, _):
            pair = ServerPair({"a": url_a, "b": url_a if same else url_b}, "real")
            return await examine_servers(pair, model)

    return asyncio.run(act())


def test_a_healthy_pair_has_nothing_to_complain_of() -> None:
    """A doctor that always finds something is not asked again."""
    findings = examine_scripted()
    assert names_of(findings, ok=False) == set()
    assert {"server a", "server b", "two servers", "placement a"} <= names_of(findings, ok=True)


def test_dead_servers_are_named_within_ten_seconds() -> None:
    """The commonest illness must not cost a coffee break."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    started = time.monotonic()
    findings = asyncio.run(examine_servers(ServerPair({"a": url, "b": url}, "real"), MODEL))
    assert time.monotonic() - started < 10
    assert names_of(findings, ok=False) == {"server a", "server b"}
    assert all(url in finding.found and finding.way_out for finding in findings)


def test_a_missing_model_is_named_with_the_command_that_helps() -> None:
    """The second commonest."""
    findings = examine_scripted("llama3:8b")
    assert names_of(findings, ok=False) == {"server a", "server b"}
    assert "ollama pull llama3:8b" in findings[0].way_out


def test_one_server_under_two_names_is_found() -> None:
    """It would be measured as two."""
    assert "two servers" in names_of(examine_scripted(same=True), ok=False)


def test_a_warehouse_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """Hours of measuring must not end in `permission denied`."""
    (tmp_path / "file").write_text("")
    assert examine_warehouse(tmp_path / "new").ok
    finding = examine_warehouse(tmp_path / "file" / "below")
    assert not finding.ok
    assert "DUALOLLAMA_WAREHOUSE" in finding.way_out


def test_the_ruler_sees_what_the_schedule_says() -> None:
    """Wide limits: this holds the arithmetic, `make bench` the precision."""
    with paced_server() as url:
        result = asyncio.run(calibrate(url))
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
