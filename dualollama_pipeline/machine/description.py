"""The machine that a batch was measured on, as far as it says; what is not known is None."""

from __future__ import annotations

import os
import platform
from pathlib import Path

from dualollama_pipeline.core.records import Gpu, MachineRecord
from dualollama_pipeline.machine.gpu import csv_rows, nvidia_smi

QUERY = "name,uuid,driver_version,memory.total"
KIB_PER_MIB = 1024
PACKAGES = ("dualollama-pipeline", "httpx", "httptools", "pydantic")


async def describe_machine() -> MachineRecord:
    """Ask the operating system and nvidia-smi."""
    from importlib.metadata import version  # noqa: PLC0415 the first request does not wait for it

    return MachineRecord(
        os=f"{platform.system()} {platform.release()}",
        cpu=_after_colon(Path("/proc/cpuinfo"), "model name") or platform.processor() or None,
        n_cpus=os.cpu_count(),
        memory_mib=_memory_mib(),
        python=platform.python_version(),
        packages={name: version(name) for name in PACKAGES},
        gpus=await _gpus(),
    )


async def _gpus() -> tuple[Gpu, ...] | None:
    """Return the NVIDIA GPUs; None where nvidia-smi is missing or fails, which is not `none`."""
    output = await nvidia_smi("gpu", QUERY)
    return None if output is None else parse_gpus(output)


def parse_gpus(output: str) -> tuple[Gpu, ...]:
    """Read nvidia-smi's CSV without header and units; a line of another shape is left out."""
    return tuple(
        Gpu(name=name, uuid=uuid, driver=driver, memory_mib=int(memory))
        for name, uuid, driver, memory in csv_rows(output, 4)
        if memory.isdigit()
    )


def _memory_mib() -> int | None:
    total = _after_colon(Path("/proc/meminfo"), "MemTotal")
    return int(total.split()[0]) // KIB_PER_MIB if total else None


def _after_colon(path: Path, name: str) -> str | None:
    """Return the value of the first `name: value` line; None on systems without such a file."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith(name)), None)
