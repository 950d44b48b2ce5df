"""What else went on on the machine around a cell: throttling, swapping, load, other GPU users."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from dualollama_pipeline.core.records import Conditions, ServerIdentity
from dualollama_pipeline.machine.gpu import (
    BYTES_PER_MIB,
    GpuUse,
    GpuWatch,
    csv_rows,
    family_of,
    nvidia_smi,
)

GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
# Bits of NVML's clocksEventReasons that slow a GPU down; idle and application clocks do not.
THROTTLE_REASONS = {
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "power brake",
}


async def look_around(servers: tuple[ServerIdentity, ...], gpus: GpuWatch) -> Conditions:
    """Ask the operating system and nvidia-smi; what is not known is None."""
    import psutil  # noqa: PLC0415 the worker's first request does not wait for it

    swap, battery = None, None
    with suppress(OSError, RuntimeError):
        swap = psutil.swap_memory()
    with suppress(OSError, AttributeError):  # not on every platform
        battery = psutil.sensors_battery()
    throttling = await nvidia_smi("gpu", "clocks_throttle_reasons.active")
    return Conditions(
        load_1min=psutil.getloadavg()[0],
        swapped_in_mib=None if swap is None else swap.sin / BYTES_PER_MIB,
        swapped_out_mib=None if swap is None else swap.sout / BYTES_PER_MIB,
        governor=_governor(),
        on_battery=None if battery is None else not battery.power_plugged,
        gpu_throttling=None if throttling is None else parse_throttling(throttling),
        foreign_gpu_pids=_foreign_gpu_pids(servers, (await gpus.look()).uses),
    )


def parse_throttling(output: str) -> tuple[str, ...]:
    """Name what slows any GPU down, from nvidia-smi's bit masks (0x0000000000000004)."""
    masks = [int(row[0], 16) for row in csv_rows(output, 1) if row[0].startswith("0x")]
    return tuple(
        name for bit, name in THROTTLE_REASONS.items() if any(mask & bit for mask in masks)
    )


def _foreign_gpu_pids(
    servers: tuple[ServerIdentity, ...], uses: tuple[GpuUse, ...] | None
) -> tuple[int, ...] | None:
    """Return the processes on the GPUs that are not the servers' own; None is "not known"."""
    if uses is None or any(server.pid is None for server in servers):
        return None
    import psutil  # noqa: PLC0415 as above

    own: set[int] = set()
    for server in servers:
        with suppress(psutil.Error):
            own |= family_of(psutil.Process(server.pid))
    return tuple(sorted({use.pid for use in uses} - own))


def _governor() -> str | None:
    try:
        return GOVERNOR.read_text(encoding="utf-8").strip()
    except OSError:
        return None
