"""Commands end at bad input before a server hears of them: exit code 2 and a way out.

The trap: a night that ends at its first bad row after ten good ones, or in a traceback.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from dualollama_pipeline_tests.faults.ollama import ollama
from dualollama_pipeline_tests.faults.scripted import serve
from dualollama_pipeline_tests.faults.test_bad_input import Bad, sound_matrix, sound_plan


def point_at(plan: Path, servers: dict[str, str]) -> None:
    """Make a plan, if there is one, name servers that listen."""
    if plan.exists():
        content = json.loads(plan.read_text(encoding="utf-8"))
        plan.write_text(json.dumps(content | {"servers": servers}), encoding="utf-8")


def run(*command: str, folder: Path, **variables: str) -> tuple[int, str, int]:
    """Run a module against two servers; return exit code, what was said, connections."""

    async def act() -> tuple[int, str, int]:
        async with serve(ollama()) as (url_a, a), serve(ollama()) as (url_b, b):
            servers = {
                "DUALOLLAMA_SERVERS": "external",
                "DUALOLLAMA_URL_A": url_a,
                "DUALOLLAMA_URL_B": url_b,
                "DUALOLLAMA_WAREHOUSE": str(folder / "warehouse"),
            }
            point_at(folder / "plan.json", {"a": url_a, "b": url_b})
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", *command),
                env={**os.environ, **servers, **variables},
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            async with asyncio.timeout(60):
                said, _ = await process.communicate()
            return process.returncode or 0, said.decode(), a.connections + b.connections

    return asyncio.run(act())


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ({"configurations": [{"insight": {}}]}, "configurations.0.config_id"),
        (
            Bad(("configurations", 0, "insight", "num_gpu"), "", "60").put_into(sound_matrix()),
            "'60'",
        ),
        ({"configuration": []}, "configuration = []"),
    ],
    ids=["missing", "type", "unknown"],
)
def test_the_command_refuses_a_bad_matrix_before_any_request(
    tmp_path: Path, content: dict[str, Any], named: str
) -> None:
    """A night's campaign must not end at the first bad row after ten good ones."""
    (tmp_path / "matrix.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    code, said, connections = run(
        "dualollama_pipeline.cli", "run", folder=tmp_path, DUALOLLAMA_DATA=str(tmp_path)
    )
    assert code == 2
    assert named in said
    assert "way out:" in said
    assert "Traceback" not in said
    assert connections == 0


def test_the_command_refuses_a_bad_variable_before_any_request(tmp_path: Path) -> None:
    """The default is what was not meant."""
    code, said, connections = run(
        "dualollama_pipeline.cli", "run", folder=tmp_path, DUALOLLAMA_BLOCK="50"
    )
    assert code == 2
    assert "DUALOLLAMA_BLOCK = '50'" in said
    assert "Traceback" not in said
    assert connections == 0


def test_the_worker_refuses_a_bad_plan_before_any_request(tmp_path: Path) -> None:
    """Bad input is exit code 2, and no journal is begun for it."""
    content = Bad(("max_attempts",), "", 0).put_into(sound_plan())
    (tmp_path / "plan.json").write_text(json.dumps(content), encoding="utf-8")
    paths = [str(tmp_path / name) for name in ("plan.json", "j.jsonl")]
    code, said, connections = run("dualollama_pipeline.worker", *paths, folder=tmp_path)
    assert code == 2
    assert "max_attempts = 0" in said
    assert "Traceback" not in said
    assert connections == 0
    assert not (tmp_path / "j.jsonl").exists()
