"""`python -m dualollama_pipeline.ollama.guard COMMAND...`: a server that cannot outlive its owner.

Runs COMMAND in a process group of its own until it ends, standard input closes (the owner is gone,
however it went) or a signal asks to stop; then the whole group is stopped. An `ollama serve` left
behind by a killed run would hold GPU memory and disturb every later measurement.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from contextlib import suppress

GRACE_S = 10.0


def stop_group(process: subprocess.Popen[bytes]) -> None:
    """End a process and all it started: asked first, killed after 10 s."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_S)
        os.killpg(process.pid, signal.SIGKILL)  # what the leader left behind
    process.wait()


def main() -> int:
    """Guard the command of the command line; return its exit code, 0 if it was stopped."""
    reading, writing = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, lambda *_: os.write(writing, b"x"))
    process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL, start_new_session=True)  # noqa: S603 the owner's command
    select.select([sys.stdin, reading], [], [])
    ended = process.poll()
    stop_group(process)
    return 0 if ended is None else ended


if __name__ == "__main__":
    sys.exit(main())
