"""`dualollama audit | head -1`: who reads has had enough, and that is no error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_a_closed_pipe_is_no_traceback() -> None:
    """Python reports it twice: where it writes, and again when it closes its output at the end."""
    command = [sys.executable, "-m", "dualollama_pipeline.cli", "audit"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        process.stdout.close()  # long before the first line is written
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "")


def test_a_full_disk_is_a_sentence() -> None:
    """`dualollama audit > file` on a disk without room."""
    command = [sys.executable, "-m", "dualollama_pipeline.cli", "audit"]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60
        )
    assert done.returncode == 1
    assert "way out: make room" in done.stderr
    assert "Traceback" not in done.stderr
