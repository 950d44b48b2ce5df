"""`dualollama audit | head -1`: who reads has had enough, and that is no error."""

from __future__ import annotations

import subprocess
import sys


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
