"""What this machine says of its GPUs and of the process behind a server: a second witness.

Ollama's own figure for GPU memory is a claim: where it cannot read its runner's log, it reports
the file's size as GPU memory (OLLAMA.md section 0, fact 9). nvidia-smi and the process table know.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psutil

DEADLINE_S = 10.0
LOOPBACK = {"127.0.0.1", "localhost", "::1"}
SERVER_PROCESSES = (
    "ollama",
    "llama-server",
    "vllm",
)  # a tunnel or a container's proxy listens too, and proves nothing
BYTES_PER_MIB = 1024**2
WITNESSED_SHARE = 0.8
PCI_VENDORS = {"0x10de": "nvidia", "0x1002": "amd", "0x8086": "intel"}
GRAPHICS_CARDS = Path("/sys/class/drm")


@dataclass(frozen=True)
class GpuUse:
    """GPU memory of one process on one GPU."""

    pid: int
    gpu_uuid: str
    used_mib: int


def gpu_vendors(cards: Path = GRAPHICS_CARDS) -> frozenset[str]:
    """Return whose GPUs Linux sees, of those that can run a model; empty on other systems."""
    found = set()
    for file in cards.glob("card*/device/vendor"):
        with suppress(OSError, ValueError):
            found.add(PCI_VENDORS.get(file.read_text(encoding="ascii").strip(), ""))
    return frozenset(filter(None, found))


async def nvidia_smi(what: str, fields: str) -> str | None:
    """Return nvidia-smi's CSV for a query; None where it is missing, fails or hangs."""
    command = ("nvidia-smi", f"--query-{what}={fields}", "--format=csv,noheader,nounits")
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
        await process.wait()
        return None
    return output.decode(errors="replace") if process.returncode == 0 else None


def csv_rows(output: str, n_fields: int) -> list[list[str]]:
    """Split nvidia-smi's CSV; a line of another shape is left out."""
    rows = [[field.strip() for field in line.split(",")] for line in output.splitlines()]
    return [row for row in rows if len(row) == n_fields]


async def gpu_use() -> tuple[GpuUse, ...] | None:
    """Return which process holds how much memory on which GPU; None is "not known"."""
    output = await nvidia_smi("compute-apps", "pid,gpu_uuid,used_memory")
    if output is None:
        return None
    return tuple(
        GpuUse(int(pid), uuid, int(used))
        for pid, uuid, used in csv_rows(output, 3)
        if pid.isdigit() and used.isdigit()
    )


def is_here(url: str) -> bool:
    """Say whether a URL leads to this machine: only then its GPU and load are the server's."""
    return urlsplit(url).hostname in LOOPBACK


def server_process(url: str) -> psutil.Process | None:
    """Return the process of a model server that listens at a loopback URL.

    None if the URL leads elsewhere, if something else listens there (a tunnel, a container's
    proxy), or if the system does not tell.
    """
    if not is_here(url):
        return None
    parts = urlsplit(url)
    import psutil  # noqa: PLC0415 the worker's first request does not wait for it

    with suppress(psutil.Error, OSError):
        for connection in psutil.net_connections("tcp"):
            listens = connection.status == psutil.CONN_LISTEN
            port = getattr(connection.laddr, "port", None)
            if listens and port == parts.port and connection.pid:
                process = psutil.Process(connection.pid)
                return process if process.name().lower().startswith(SERVER_PROCESSES) else None
    return None


def family_of(process: psutil.Process) -> set[int]:
    """Return the process ids of a server: its own and those of the runners it has started."""
    import psutil  # noqa: PLC0415 as above

    family = {process.pid}
    with suppress(psutil.Error):
        family |= {child.pid for child in process.children(recursive=True)}
    return family


def uses_of(process: psutil.Process, uses: Sequence[GpuUse]) -> list[GpuUse]:
    """Return the GPU memory of a server and its runners."""
    family = family_of(process)
    return [use for use in uses if use.pid in family]


async def used_mib() -> int | None:
    """Return the memory in use on all GPUs together; None is "not known"."""
    output = await nvidia_smi("gpu", "memory.used")
    used = [] if output is None else [row[0] for row in csv_rows(output, 1)]
    return sum(map(int, used)) if used and all(map(str.isdigit, used)) else None


@dataclass(frozen=True)
class Gpus:
    """What nvidia-smi says at one moment; None is "not known".

    `used_mib` is known only where no card of another vendor could hold a model: nvidia-smi does not
    see it, so it could contradict nothing.
    """

    uses: tuple[GpuUse, ...] | None
    used_mib: int | None


class GpuWatch:
    """Looks at the GPUs once, when first asked: each look costs a process, or two."""

    def __init__(self, cards: Path = GRAPHICS_CARDS) -> None:
        self._seen: Gpus | None = None
        self._sees_all = sys.platform == "linux" and gpu_vendors(cards) <= {"nvidia"}

    async def look(self) -> Gpus:
        """Return what was seen at the first look."""
        if self._seen is None:
            self._seen = Gpus(await gpu_use(), await used_mib() if self._sees_all else None)
        return self._seen


def judge_placement(
    claimed_bytes: int, own: Sequence[GpuUse], seen: Gpus
) -> Literal["verified", "claimed", "contradicted"]:
    """Judge a server's figure for GPU memory by what the machine says (OLLAMA.md A5).

    Verified: its processes hold at least 80 % of it. Contradicted: what all GPUs hold, less what
    is known to be other processes', is not that much. Between the two (the system lists no
    processes, as in containers) it stays a claim.
    """
    needed_mib = WITNESSED_SHARE * claimed_bytes / BYTES_PER_MIB
    own_mib = sum(use.used_mib for use in own)
    if own_mib >= needed_mib:
        return "verified"
    if seen.used_mib is None:
        return "claimed"
    others_mib = sum(use.used_mib for use in seen.uses or ()) - own_mib
    return "contradicted" if seen.used_mib - others_mib < needed_mib else "claimed"


async def witnessed(url: str, claimed_bytes: int, gpus: GpuWatch) -> dict[str, Any]:
    """Return what the machine says of the process behind a URL, as fields of a server's identity.

    `claimed_bytes` is the GPU memory that the server says it holds, 0 where it says none.
    """
    process = server_process(url)
    if process is None:  # elsewhere, so this machine's GPUs say nothing
        return {"placement": "claimed" if claimed_bytes else None}
    seen = await gpus.look()
    own = uses_of(process, seen.uses or ())
    return {
        "pid": process.pid,
        "process_started_s": process.create_time(),
        "gpu_uuids": None if seen.uses is None else tuple(sorted({use.gpu_uuid for use in own})),
        "placement": judge_placement(claimed_bytes, own, seen) if claimed_bytes else None,
    }
