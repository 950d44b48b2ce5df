"""Run a module, and die by SIGKILL at its n-th step of writing: `stepwise.py N MODULE ARGUMENT...`.

A step is anything that makes a file different on disk: before and in the middle of each write to a
journal, after it, before and after each fsync, before and after each rename. With N = 0 it lives,
and its last line on standard error says how many steps there were.
"""

from __future__ import annotations

import os
import pathlib
import runpy
import signal
import sys
from typing import Any

JOURNAL = ".jsonl"


class Steps:
    """Counts the steps, and dies at one of them."""

    def __init__(self, deadly: int) -> None:
        self.deadly = deadly
        self.count = 0

    def step(self) -> None:
        self.count += 1
        if self.count == self.deadly:
            os.kill(os.getpid(), signal.SIGKILL)


class TornFile:
    """A file whose writes go out in two halves, as a power cut may leave them."""

    def __init__(self, file: Any, steps: Steps) -> None:
        self._file = file
        self._steps = steps

    def write(self, data: bytes) -> int:
        self._steps.step()
        half = len(data) // 2
        self._file.write(data[:half])
        self._file.flush()
        self._steps.step()
        self._file.write(data[half:])
        self._file.flush()
        self._steps.step()
        return len(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


def instrument(steps: Steps) -> None:
    """Put a step around everything that changes a file."""
    fsync, replace, open_ = os.fsync, os.replace, pathlib.Path.open

    def stepping_fsync(file: Any) -> None:
        steps.step()
        fsync(file)
        steps.step()

    def stepping_replace(*names: Any, **more: Any) -> None:
        steps.step()
        replace(*names, **more)
        steps.step()

    def tearing_open(path: pathlib.Path, mode: str = "r", *args: Any, **more: Any) -> Any:
        file = open_(path, mode, *args, **more)
        return TornFile(file, steps) if path.suffix == JOURNAL and "a" in mode else file

    os.fsync, os.replace = stepping_fsync, stepping_replace
    pathlib.Path.open = tearing_open  # type: ignore[assignment,method-assign]


def main() -> None:
    deadly, module, *arguments = sys.argv[1:]
    steps = Steps(int(deadly))
    instrument(steps)
    sys.argv = [module, *arguments]
    try:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    finally:
        sys.stderr.write(f"steps {steps.count}\n")


if __name__ == "__main__":
    main()
