"""The worker's exit codes: how the process that started it learns what kind of end this was."""

from __future__ import annotations

from dualollama_pipeline.core.errors import (
    DualOllamaError,
    InputError,
    JournalError,
    ServersChangedError,
)

EXIT_INPUT, EXIT_SERVER, EXIT_CHANGED, EXIT_STOPPED = 2, 3, 4, 130


def exit_code(error: DualOllamaError) -> int:
    """Return 4 for servers that have changed, 2 for bad input or journal, 3 for servers."""
    if isinstance(error, ServersChangedError):
        return EXIT_CHANGED
    return EXIT_INPUT if isinstance(error, InputError | JournalError) else EXIT_SERVER
