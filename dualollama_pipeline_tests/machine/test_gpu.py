"""The second witness: a server's own figure for GPU memory is a claim until the machine agrees."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import psutil
import pytest

from dualollama_pipeline.machine.gpu import (
    Gpus,
    GpuUse,
    GpuWatch,
    gpu_use,
    judge_placement,
    server_process,
    used_mib,
    uses_of,
)

MIB = 1024**2


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, lines: dict[str, str]) -> None:
    """Put an nvidia-smi on PATH that answers the queries it knows, and fails at others."""
    cases = "".join(f'*{query}*) printf "{said}";; ' for query, said in lines.items())
    program = folder / "nvidia-smi"
    program.write_text(
        f'#!/bin/sh\necho "$1" >> {folder}/asked\ncase "$1" in {cases}*) exit 1;; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_nvidia_smi_is_read_as_it_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that hides amounts writes [N/A]: not a number, and not zero either."""
    apps = "7, GPU-x, 3100\\n8, GPU-y, [N/A]\\n"
    stand_in(tmp_path, monkeypatch, {"compute-apps": apps, "gpu=memory.used": "900\\n100\\n"})
    assert asyncio.run(gpu_use()) == (GpuUse(7, "GPU-x", 3100),)
    assert asyncio.run(used_mib()) == 1000


def test_without_nvidia_smi_nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty list would say that no process uses a GPU, zero that no memory is in use."""
    monkeypatch.setenv("PATH", "")
    assert asyncio.run(gpu_use()) is None
    assert asyncio.run(used_mib()) is None


def test_amounts_that_are_hidden_are_not_zero(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Zero in use would contradict every server."""
    stand_in(tmp_path, monkeypatch, {"gpu=memory.used": "[N/A]\\n"})
    assert asyncio.run(used_mib()) is None


@pytest.mark.parametrize(
    ("own_mib", "others_mib", "in_use_mib", "placement"),
    [
        ((800,), (), 900, "verified"),  # 800 of 1000 claimed: exactly 80 %
        ((500, 300), (), 900, "verified"),  # two runners, or two GPUs
        ((799,), (), 900, "claimed"),
        ((), (), 900, "claimed"),  # in a container the processes are not listed
        ((), (), None, "claimed"),
        ((), (), 799, "contradicted"),  # all GPUs together hold less than was claimed
        ((300,), (), 500, "contradicted"),
        # as seen on an H100: the neighbour's memory does not bear the claim out
        ((461,), (661,), 1123, "contradicted"),  # 1123 - 661 = 462 may be its own
        ((461,), (323,), 1123, "claimed"),  # 1123 - 323 = 800
        ((461,), (324,), 1123, "contradicted"),
        ((461,), (661,), None, "claimed"),
    ],
)
def test_a_claim_and_its_witness(
    own_mib: tuple[int, ...], others_mib: tuple[int, ...], in_use_mib: int | None, placement: str
) -> None:
    """Ollama reports the file's size as GPU memory when it cannot read its runner's log."""
    own = [GpuUse(1, "GPU-x", used) for used in own_mib]
    others = [GpuUse(2, "GPU-x", used) for used in others_mib]
    seen = Gpus((*own, *others), in_use_mib)
    assert judge_placement(1000 * MIB, own, seen) == placement


def test_a_server_has_the_memory_of_its_runners_not_of_its_neighbours() -> None:
    """Two servers on one GPU: each would be borne out by the other's runner."""
    me = psutil.Process()
    uses = [GpuUse(me.pid, "GPU-x", 10), GpuUse(os.getppid(), "GPU-x", 90)]
    assert uses_of(me, uses) == uses[:1]


def test_what_listens_but_is_no_ollama_proves_nothing() -> None:
    """One ssh may forward two ports to two servers; two may forward to one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert server_process(f"http://127.0.0.1:{port}") is None
    assert server_process("http://192.0.2.1:11434") is None
    assert server_process(f"http://127.0.0.1:{port}") is None


def test_a_moment_is_looked_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two servers and the machine ask within one moment; each look would start two processes."""
    answers = {"compute-apps": "7, GPU-x, 3100\\n", "gpu=memory.used": "900\\n"}
    stand_in(tmp_path, monkeypatch, answers)
    watch = GpuWatch()

    async def look_twice() -> None:
        assert await watch.look() is await watch.look()
        seen = await watch.look()
        assert (seen.uses, seen.used_mib) == ((GpuUse(7, "GPU-x", 3100),), 900)

    asyncio.run(look_twice())
    assert len((tmp_path / "asked").read_text().splitlines()) == 2
