"""The machine that a batch was measured on, as far as it says; what is not known is None."""

from __future__ import annotations

import asyncio
import os
import platform
from importlib.metadata import version
from pathlib import Path

from dualollama_pipeline.core.records import Gpu, MachineRecord

QUERY = "name,uuid,driver_version,memory.total"
DEADLINE_S = 10.0
KIB_PER_MIB = 1024
PACKAGES = ("dualollama-pipeline", "httpx", "httptools", "pydantic")


async def describe_machine() -> MachineRecord:
    """Ask the operating system and nvidia-smi."""
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
    command = ("nvidia-smi", f"--query-gpu={QUERY}", "--format=csv,noheader,nounits")
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
    except OSError:
        return None
    try:
        async with asyncio.timeout(DEADLINE_S):
            output, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        return None
    return parse_gpus(output.decode(errors="replace")) if process.returncode == 0 else None


def parse_gpus(output: str) -> tuple[Gpu, ...]:
    """Read nvidia-smi's CSV without header and units; a line of another shape is left out."""
    lines = [[field.strip() for field in line.split(",")] for line in output.splitlines()]
    return tuple(
        Gpu(name=name, uuid=uuid, driver=driver, memory_mib=int(memory))
        for name, uuid, driver, memory in (fields for fields in lines if len(fields) == 4)  # noqa: PLR2004 as QUERY
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
