"""The machine's description: what is not known stays unknown."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dualollama_pipeline.core.records import Gpu
from dualollama_pipeline.machine.description import describe_machine, parse_gpus


def test_nvidia_smi_is_read_as_it_writes() -> None:
    """Names contain spaces; memory is MiB without a unit; [N/A] is no number."""
    output = (
        "NVIDIA GeForce RTX 4080 Laptop GPU, GPU-1, 566.03, 12282\nbroken line\nX, u, 1, [N/A]\n"
    )
    assert parse_gpus(output) == (
        Gpu(
            name="NVIDIA GeForce RTX 4080 Laptop GPU",
            uuid="GPU-1",
            driver="566.03",
            memory_mib=12282,
        ),
    )


def test_without_nvidia_smi_the_gpus_are_unknown_not_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An AMD or Apple machine has a GPU that nvidia-smi does not know of."""
    monkeypatch.setenv("PATH", str(tmp_path))
    machine = asyncio.run(describe_machine())
    assert machine.gpus is None
    assert machine.n_cpus


def test_nvidia_smi_on_path_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The query must be one that nvidia-smi answers with four fields."""
    program = tmp_path / "nvidia-smi"
    program.write_text(
        '#!/bin/sh\ncase "$1" in *name,uuid,driver_version,memory.total) echo "G, u, 1, 9";; esac\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert asyncio.run(describe_machine()).gpus == (
        Gpu(name="G", uuid="u", driver="1", memory_mib=9),
    )
